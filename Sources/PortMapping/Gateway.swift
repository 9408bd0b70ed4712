import Glibc
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

    /// Asks for its address towards the internet, where finding the gateway did not tell.
    func learnAddress() -> IPAddress?

    /// Whether the gateway was seen to have lost the mappings that it had, since this was last asked.
    func takeLoss() -> Bool
}

extension Gateway {
    func learnAddress() -> IPAddress? { nil }
    func takeLoss() -> Bool { false }
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
        /// RFC 6887.
        case pcp
        /// RFC 6886.
        case natPMP = "nat-pmp"
        case upnpIGD = "upnp-igd"
    }

    /// What it answered; nil when it answered nothing.
    package let language: Language?
    /// Its address towards the internet, as it says. PCP tells it with a mapping only.
    package let external: IPAddress?

    /// Whether a mapping would lead from the internet to us.
    package var isOfUse: Bool { external.map(MappedAddress.isUsable) ?? false }

    /// Answered by nobody.
    static let silent = GatewayReport(language: nil, external: nil)
}

/// The search for a gateway: PCP and NAT-PMP, and UPnP-IGD where neither is answered.
enum GatewaySearch {
    /// - Parameters:
    ///   - helper: speaks UPnP in a process of its own; without it that is not tried.
    ///   - isCancelled: ends the search early.
    static func run(helper: HelperCommand?, isCancelled: @escaping () -> Bool) -> (GatewayReport, (any Gateway)?) {
        guard let natPMP = NATPMPGateway() else { return (.silent, nil) }
        if let found = ask(PCPGateway(gateway: natPMP.gateway), natPMP) { return found }
        guard let helper, !isCancelled() else { return (.silent, nil) }
        let upnp = UPnPGateway(helper, gateway: natPMP.gateway, local: natPMP.local, isCancelled: isCancelled)
        guard let external = upnp.find() else { return (.silent, nil) }
        let report = GatewayReport(language: .upnpIGD, external: external)
        return (report, report.isOfUse ? upnp : nil)
    }

    /// Asks in both protocols at once, from a socket each, and takes the first that is answered. The question by PCP goes out first, so that a gateway
    /// which answers in turn is spoken to by that. One that refuses in one protocol may yet answer in the other.
    ///
    /// - Parameter deadline: milliseconds for both.
    /// - Returns: nil when neither is spoken.
    static func ask(
        _ pcp: PCPGateway?, _ natPMP: NATPMPGateway, deadline: Int64 = 2_000
    ) -> (GatewayReport, (any Gateway)?)? {
        let end = Uptime.milliseconds + deadline
        pcp?.beginQuestion()
        natPMP.beginQuestion()
        var byPCP: PCPGateway.Answer? = pcp == nil ? .silence : nil
        var byNATPMP: NATPMPGateway.Answer?
        while true {
            // What was sent first is read last: it is there when the other is.
            if byNATPMP == nil { byNATPMP = natPMP.answer() }
            if byPCP == nil { byPCP = pcp?.answer() }
            if case .agreement? = byPCP { return (GatewayReport(language: .pcp, external: nil), pcp) }
            if case .address(let external)? = byNATPMP {
                let report = GatewayReport(language: .natPMP, external: external)
                return (report, report.isOfUse ? natPMP : nil)
            }
            let left = end - Uptime.milliseconds
            guard left > 0, byPCP == nil || byNATPMP == nil else { break }
            let waiting = [
                byPCP == nil ? pcp.map { ($0.descriptor, $0.questionWait) } : nil,
                byNATPMP == nil ? (natPMP.descriptor, natPMP.questionWait) : nil,
            ].compactMap { $0 }
            var entries = waiting.map { pollfd(fd: $0.0, events: Int16(POLLIN), revents: 0) }
            _ = poll(&entries, nfds_t(entries.count), Int32(waiting.reduce(left) { min($0, $1.1) }))
        }
        if case .refusal? = byPCP { return (GatewayReport(language: .pcp, external: nil), nil) }
        if case .refusal? = byNATPMP { return (GatewayReport(language: .natPMP, external: nil), nil) }
        return nil
    }
}
