import CNATLab
import Foundation

/// A long link between two sites: what one sends to the other takes it, both ways, and nothing else does.
///
/// Each direction has settings of its own, which may be changed at any time. Sites keep their links to all others.
package final class WAN: Sendable {
    /// The sites at its ends.
    package let ends: (String, String)
    private let forwarder: WANForwarder

    init(_ plan: LabPlan.WAN, number: Int, _ holder: Holder) throws(LabError) {
        ends = (plan.first, plan.second)
        let names = SetupScripts.tunnels(number)
        let first = try holder.tunnel(names.0, network: SetupScripts.internet)
        let second: Int32
        do throws(LabError) {
            second = try holder.tunnel(names.1, network: SetupScripts.internet)
        } catch {
            close(first)
            throw error
        }
        forwarder = try WANForwarder(
            tunnels: [first, second],
            links: [WANLink(plan.there, seed: plan.seed), WANLink(plan.back, seed: plan.seed ^ 0xB0B0_B0B0_B0B0_B0B0)])
    }

    deinit { forwarder.stop() }

    /// Changes both directions, packets in the queue included, but not those that have left it.
    package func change(_ body: (inout WANSettings) -> Void) {
        forwarder.change(0, body)
        forwarder.change(1, body)
    }

    /// Changes the direction that begins at a site.
    package func change(from site: String, _ body: (inout WANSettings) -> Void) throws(LabError) {
        forwarder.change(try direction(from: site), body)
    }

    /// What has become of the packets that a site has sent to the other.
    package func statistics(from site: String) throws(LabError) -> WANStatistics {
        forwarder.statistics(try direction(from: site))
    }

    func closed(within limit: Duration) async throws {
        try await forwarder.stopped(within: limit)
    }

    private func direction(from site: String) throws(LabError) -> Int {
        switch site {
        case ends.0: 0
        case ends.1: 1
        default: throw .unknown("end '\(site)' of the WAN between \(ends.0) and \(ends.1)")
        }
    }
}

extension Lab {
    /// The link that was planned between these sites, whichever was named first.
    package func wan(between one: String, and other: String) throws(LabError) -> WAN {
        guard let wan = wans.first(where: { $0.ends == (one, other) || $0.ends == (other, one) }) else {
            throw .unknown("WAN between \(one) and \(other)")
        }
        return wan
    }

    /// Why there can be no WAN in a laboratory; empty when there can be. Found out once; when it is, standard output says
    /// so, so that skipped tests are not taken for passed ones.
    package static let wanUnavailableReason: String = {
        guard isAvailable else { return unavailableReason }
        do {
            let holder = try Holder()
            defer { holder.close() }
            Glibc.close(try holder.tunnel("probe", network: nil))
            return ""
        } catch {
            print("SKIPPED: WAN emulator: \(error)")
            return "WAN emulator: \(error)"
        }
    }()
}

extension Holder {
    /// Makes a device for IP packets in a network namespace; it is there as long as the descriptor is open.
    func tunnel(_ name: String, network: String?) throws(LabError) -> Int32 {
        try withNamespaces(network: network) { namespaces throws(LabError) in
            var namespaces = namespaces
            var failure = natlab_failure()
            let descriptor = natlab_tunnel(&namespaces, name, &failure)
            guard descriptor >= 0 else { throw LabError(failure) }
            return descriptor
        }
    }
}
