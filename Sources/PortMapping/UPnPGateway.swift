import Wire

/// The default gateway, spoken to by UPnP-IGD through a process that holds no keys. What that process says is checked here as if the gateway
/// had sent it.
final class UPnPGateway: Gateway {
    /// How long answers are waited for, in milliseconds.
    struct Deadlines {
        /// Two seconds of these wait for all who answer.
        var find: Int64 = 12_000
        var map: Int64 = 8_000
        var delete: Int64 = 3_000
        /// For all at the end.
        var end: Int64 = 2_000
    }

    /// Starts of the helper in one network, the first included. One that crashes, hangs or talks nonsense costs one.
    static let maximumStarts = 4

    let local: IPAddress
    private let gateway: IPAddress
    private let command: HelperCommand
    private let deadlines: Deadlines
    private let isCancelled: () -> Bool
    private var helper: HelperProcess?
    private(set) var starts = 0

    /// A gateway that is not spoken to until it is asked.
    init(
        _ command: HelperCommand, gateway: IPAddress, local: IPAddress, deadlines: Deadlines = Deadlines(),
        isCancelled: @escaping () -> Bool = { false }
    ) {
        self.command = command
        self.gateway = gateway
        self.local = local
        self.deadlines = deadlines
        self.isCancelled = isCancelled
    }

    /// The gateway's address towards the internet, as it says; nil when it does not speak UPnP-IGD.
    func find() -> IPAddress? {
        guard starts < Self.maximumStarts, !isCancelled() else { return nil }
        starts += 1
        guard let started = HelperProcess(command, isCancelled: isCancelled) else { return nil }
        guard case .found(let external) = started.ask(.find(gateway: gateway, local: local), within: deadlines.find)
        else {
            started.finish(within: 0)
            return nil
        }
        helper = started
        return external
    }

    func map(port: UInt16, suggested: UInt16) -> Grant? {
        let request = HelperRequest.map(port: port, external: suggested, seconds: Lease.requested)
        guard case .mapped(let external, let seconds) = ask(request, within: deadlines.map),
            MappedAddress.isUsable(external.address)
        else { return nil }
        // What has no end is renewed all the same: a gateway that was restarted has forgotten it.
        return Grant(external: external, lifetime: seconds == 0 ? Lease.requested : seconds)
    }

    func delete(port: UInt16, external: UInt16, isAtEnd: Bool) {
        if !isAtEnd { _ = ask(.delete(external: external), within: deadlines.delete) }
    }

    /// The helper knows what it holds, and deletes it when it sees that nothing more comes.
    func end() {
        helper?.finish(within: deadlines.end)
        helper = nil
        starts = Self.maximumStarts
    }

    private func ask(_ request: HelperRequest, within milliseconds: Int64) -> HelperAnswer? {
        if helper == nil {
            guard let external = find(), MappedAddress.isUsable(external) else { return nil }
        }
        guard let answer = helper?.ask(request, within: milliseconds) else {
            helper = nil
            return nil
        }
        return answer
    }
}
