package import Wire

/// What gives out ports. Used by one queue, which it may block for some seconds.
protocol Gateway: AnyObject {
    /// Our address on the way to the gateway: the host that it maps to.
    var local: IPAddress { get }

    /// Asks for a UDP mapping, or for its renewal.
    func map(port: UInt16, suggested: UInt16) -> Grant?

    /// Deletes the mapping of a port of ours. At the end nobody waits for the answer, and ``end()`` follows.
    func delete(port: UInt16, external: UInt16, isAtEnd: Bool)

    /// From now on nothing is asked for, and the program may end.
    func end()
}

/// A mapping that a gateway made.
struct Grant {
    var external: Endpoint
    /// Seconds.
    var lifetime: UInt32
}

/// What was found out about the default gateway.
package struct GatewayReport: Hashable, Sendable {
    /// How a gateway is asked for ports.
    package enum Language: String, Sendable {
        /// RFC 6886.
        case natPMP = "nat-pmp"
        case upnpIGD = "upnp-igd"
    }

    /// What it answered; nil when it answered nothing.
    package let language: Language?
    /// Its address towards the internet, as it says.
    package let external: IPAddress?

    /// Whether a mapping would lead from the internet to us.
    package var isOfUse: Bool { external.map(MappedAddress.isUsable) ?? false }

    /// Answered by nobody.
    static let silent = GatewayReport(language: nil, external: nil)
}

/// The search for a gateway: NAT-PMP first, and UPnP-IGD where that is not answered.
enum GatewaySearch {
    /// - Parameters:
    ///   - helper: speaks UPnP in a process of its own; without it that is not tried.
    ///   - isCancelled: ends the search early.
    static func run(helper: HelperCommand?, isCancelled: @escaping () -> Bool) -> (GatewayReport, (any Gateway)?) {
        guard let natPMP = NATPMPGateway() else { return (.silent, nil) }
        switch natPMP.question() {
        case .address(let external):
            let report = GatewayReport(language: .natPMP, external: external)
            return (report, report.isOfUse ? natPMP : nil)
        case .refusal: return (GatewayReport(language: .natPMP, external: nil), nil)
        case .silence: break
        }
        guard let helper, !isCancelled() else { return (.silent, nil) }
        let upnp = UPnPGateway(helper, gateway: natPMP.gateway, local: natPMP.local, isCancelled: isCancelled)
        guard let external = upnp.find() else { return (.silent, nil) }
        let report = GatewayReport(language: .upnpIGD, external: external)
        return (report, report.isOfUse ? upnp : nil)
    }
}
