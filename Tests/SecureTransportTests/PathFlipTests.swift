import Paths
import Testing

@testable import SecureTransport

/// Two direct paths with a bottleneck each, and a transfer that fills the queue of the one in use: the other one looks faster then, and would
/// not be for long. Each change costs the congestion window.
@Suite struct PathFlipTests {
    private let ids = [PathID(rawValue: 1), PathID(rawValue: 2)]
    /// A queue of five round trips without it.
    private let slow = Link(delay: .milliseconds(20), bitsPerSecond: 4e6, queueLimit: .milliseconds(200))

    /// A session whose sender has chosen one of two paths.
    private func connected(seed: UInt64, _ links: [Link]) throws -> VirtualNetwork {
        let network = try VirtualNetwork(seed: seed, relay: Link(delay: .milliseconds(30), bitsPerSecond: 25e6))
        try #require(network.connect())
        for (id, link) in zip(ids, links) { network.addPath(id, kind: .direct, link) }
        try #require(network.run(for: .seconds(5)) { ids.contains { $0 == network.client.session.route.primary } })
        // What was found first is now compared with the other.
        network.run(for: .seconds(2))
        return network
    }

    private func choices(_ end: TestEnd) -> Int {
        end.events.count { if case .pathChosen = $0 { true } else { false } }
    }

    @Test(arguments: [1, 2, 3])
    func aPathIsNotLeftForTheQueueThatWeFill(seed: UInt64) throws {
        let network = try connected(seed: seed, [slow, slow])
        let server = try #require(network.server)
        server.keepsBytes = false
        let before = (choices(network.client), choices(server))
        let stream = try network.client.session.openStream()
        network.client.send(pattern(16 << 20), on: stream)
        network.run(for: .seconds(30))
        #expect(choices(network.client) - before.0 <= 2 && choices(server) - before.1 <= 2)
        // The path was full all the time: 15 MB in 30 s.
        #expect(server.receivedCount[stream] ?? 0 > 12 << 20)
    }

    @Test(arguments: [1, 2, 3])
    func aPathThatBecomesLongIsLeft(seed: UInt64) throws {
        let network = try connected(seed: seed, [slow, slow])
        let primary = try #require(network.client.session.route.primary)
        network.change(primary) { $0.delay = .milliseconds(80) }
        // Little goes on, and says nothing against the path.
        let stream = try network.client.session.openStream()
        for _ in 0..<30 where network.client.session.route.primary == primary {
            network.client.send([1, 2, 3], on: stream)
            network.run(for: .seconds(1))
        }
        let end = network.client.session.route.primary
        #expect(ids.contains { $0 == end } && end != primary)
    }
}
