import Foundation

/// Whether this machine can run laboratories, and why not.
package enum LabAvailability: Sendable, Equatable {
    case available
    case unavailable(reason: String)
}

extension Lab {
    /// Found out once, by making namespaces and loading every kind of rule that the profiles need. When it cannot be
    /// done, standard output says so in a line of its own, so that skipped tests are not taken for passed ones.
    package static let availability: LabAvailability = {
        do {
            try probe()
            return .available
        } catch {
            let reason = "\(error)".split(separator: "\n").first.map(String.init) ?? "unknown"
            print("SKIPPED: NAT laboratory: \(reason)")
            return .unavailable(reason: reason)
        }
    }()

    package static var isAvailable: Bool { availability == .available }

    /// Why there is no laboratory; empty when there is one.
    package static var unavailableReason: String {
        guard case .unavailable(let reason) = availability else { return "" }
        return "NAT laboratory: \(reason)"
    }

    private static func probe() throws(LabError) {
        for program in ["ip", "nft", "sh", "cat"] { _ = try findProgram(program) }
        let holder = try Holder()
        defer { holder.close() }
        let rules = [NATProfile.addressRestricted, .symmetric]
            .map { NATRules(profile: $0, publicAddress: "198.51.100.1", timeouts: .standard).text }
        let script = """
            ip netns add probe
            ip link add name eth0 netns probe type veth peer name s1
            ip link add lan type bridge
            """
        try runBlocking(holder, "sh", ["-euc", script])
        for text in rules { try runBlocking(holder, "nft", ["--check", text]) }
    }

    /// Only for the probe, which is asked for where nothing can be awaited.
    private static func runBlocking(
        _ holder: Holder, _ program: String, _ arguments: [String]
    ) throws(LabError) {
        let end = DispatchSemaphore(value: 0)
        let process = try holder.spawn(
            program, arguments, network: nil, environment: laboratoryEnvironment(adding: [:]), directory: nil,
            observer: { if case .ended = $0 { end.signal() } })
        _ = end.wait(timeout: .now() + .seconds(10))
        guard let status = process.exitStatus else {
            throw .timedOut(waitingFor: "end of \(process.name)", .seconds(10), sofar: process.errorText)
        }
        guard status.succeeded else { throw .commandFailed(program, status, output: process.errorText) }
    }
}
