import Noise
import Paths
import Testing

@testable import SecureTransport

/// Sessions over a relay and direct paths, as in the design: relay first, upgrade, failover, upgrade again.
@Suite struct PathTests {
    private let direct = PathID(rawValue: 1)
    private let relayLink = Link(delay: .milliseconds(20), bitsPerSecond: 25e6)
    private let directLink = Link(delay: .milliseconds(5), bitsPerSecond: 100e6)

    private func connected(seed: UInt64 = 1) throws -> (VirtualNetwork, TestEnd) {
        let network = try VirtualNetwork(seed: seed, relay: relayLink)
        try #require(network.connect())
        return (network, try #require(network.server))
    }

    private func upgraded(seed: UInt64 = 1, _ link: Link? = nil) throws -> (VirtualNetwork, TestEnd) {
        let (network, server) = try connected(seed: seed)
        network.addPath(direct, kind: .direct, link ?? directLink)
        try #require(network.run(for: .seconds(5)) { carries(direct, network) })
        return (network, server)
    }

    private func carries(_ path: PathID, _ network: VirtualNetwork) -> Bool {
        network.client.session.route.primary == path && network.server?.session.route.primary == path
    }

    /// Starts a transfer in each direction; returns what measures the longest gap in delivery at the server.
    private func startTransfer(_ network: VirtualNetwork, _ server: TestEnd, bytes: Int) throws -> (StreamID, GapMeter)
    {
        server.keepsBytes = false
        let stream = try network.client.session.openStream()
        let meter = GapMeter()
        server.deliveries = { [unowned network] in meter.delivered(at: network.now) }
        network.client.send(pattern(bytes), on: stream, finish: true)
        return (stream, meter)
    }

    @Test func everythingTravelsOverTheRelayUntilADirectPathAnswers() throws {
        let (network, server) = try connected()
        #expect(network.client.contains(.pathChosen(.relay, .relay, roundTrip: nil)))
        #expect(carries(.relay, network))
        network.addPath(direct, kind: .direct, directLink)
        let begin = network.now
        #expect(network.run(for: .seconds(5)) { carries(direct, network) })
        #expect(network.now - begin < .milliseconds(200))
        for end in [network.client, server] {
            #expect(
                end.events.contains {
                    if case .pathChosen(direct, .direct, let roundTrip?) = $0 {
                        roundTrip < .milliseconds(15)
                    } else {
                        false
                    }
                })
        }
    }

    @Test func theUpgradeLosesNothingAndKeepsTheOrder() throws {
        let (network, server) = try connected()
        let stream = try network.client.session.openStream()
        network.client.send(pattern(4_000_000), on: stream, finish: true)
        network.run { server.receivedCount[stream, default: 0] > 500_000 }
        network.addPath(direct, kind: .direct, directLink)
        #expect(network.run { server.finished.contains(stream) })
        #expect(server.received[stream] == pattern(4_000_000))
        #expect(carries(direct, network))
        #expect(network[direct, from: .client].packets > 1000)
    }

    @Test func aDirectPathThatGoesDarkUnderLoadLeavesAGapOfAtMostAQuarterSecond() throws {
        let (network, server) = try upgraded()
        let (stream, meter) = try startTransfer(network, server, bytes: 20 << 20)
        network.run(for: .milliseconds(500))
        meter.reset(at: network.now)
        network.change(direct) { $0.isDark = true }
        network.run(for: .seconds(3))
        #expect(carries(.relay, network))
        #expect(meter.longest < .milliseconds(250), "gap \(meter.longest.inMilliseconds) ms")
        #expect(network.client.contains(.pathSuspected(direct)))
        #expect(network.client.contains(.pathLost(direct)))
        network.change(direct) { $0.isDark = false }
        #expect(network.run(for: .seconds(10)) { carries(direct, network) })
        #expect(network.client.contains(.pathRestored(direct)))
        #expect(network.run { server.finished.contains(stream) })
        #expect(server.receivedCount[stream] == 20 << 20)
    }

    @Test(arguments: [VirtualNetwork.Side.client, .server]) func aPathThatFailsOneWayIsLeft(
        side: VirtualNetwork.Side
    ) throws {
        let (network, server) = try upgraded()
        let (stream, meter) = try startTransfer(network, server, bytes: 10 << 20)
        network.run(for: .milliseconds(300))
        meter.reset(at: network.now)
        network[direct, from: side].isDark = true
        #expect(network.run(for: .seconds(5)) { carries(.relay, network) })
        #expect(meter.longest < .milliseconds(500), "gap \(meter.longest.inMilliseconds) ms")
        #expect(network.run { server.finished.contains(stream) })
        #expect(server.receivedCount[stream] == 10 << 20)
    }

    @Test func aFlappingPathLosesNothing() throws {
        let (network, server) = try upgraded()
        let (stream, meter) = try startTransfer(network, server, bytes: 20 << 20)
        for _ in 0..<12 {
            network.change(direct) { $0.isDark.toggle() }
            network.run(for: .milliseconds(350)) { server.finished.contains(stream) }
        }
        network.change(direct) { $0.isDark = false }
        #expect(network.run(for: .seconds(60)) { server.finished.contains(stream) })
        #expect(server.receivedCount[stream] == 20 << 20)
        #expect(meter.longest < .milliseconds(600), "gap \(meter.longest.inMilliseconds) ms")
    }

    @Test(arguments: [1200, 1280, 1400, 1452]) func packetsFitThePath(mtu: Int) throws {
        var link = directLink
        link.largestPacket = mtu
        let (network, server) = try upgraded(link)
        network.run(for: .seconds(2))
        let stream = try network.client.session.openStream()
        let before = network[direct, from: .client].packets
        network.client.send(pattern(2_000_000), on: stream, finish: true)
        #expect(network.run { server.finished.contains(stream) })
        #expect(server.received[stream] == pattern(2_000_000))
        #expect(carries(direct, network))
        #expect(network.client.session.route.maximumPacketSize == mtu)
        #expect(network[direct, from: .client].packets - before > 2_000_000 / mtu)
    }

    @Test func aPathWhoseLimitShrinksGoesOnWithSmallerPackets() throws {
        let (network, server) = try upgraded()
        network.run(for: .seconds(2))
        #expect(network.client.session.route.maximumPacketSize == 1452)
        let stream = try network.client.session.openStream()
        network.client.send(pattern(8_000_000), on: stream, finish: true)
        network.run { server.receivedCount[stream, default: 0] > 2_000_000 }
        network.change(direct) { $0.largestPacket = 1300 }
        #expect(network.run(for: .seconds(60)) { server.finished.contains(stream) })
        #expect(server.received[stream] == pattern(8_000_000))
        #expect(network.client.session.route.maximumPacketSize <= 1300 || carries(.relay, network))
    }

    @Test func aRemovedPathCarriesNothingMore() throws {
        let (network, server) = try upgraded()
        let stream = try network.client.session.openStream()
        network.client.send(pattern(3_000_000), on: stream, finish: true)
        network.run { server.receivedCount[stream, default: 0] > 500_000 }
        network.client.session.removePath(direct, now: network.now)
        server.session.removePath(direct, now: network.now)
        let before = network[direct, from: .client].packets
        #expect(network.run { server.finished.contains(stream) })
        #expect(network[direct, from: .client].packets == before)
        #expect(server.received[stream] == pattern(3_000_000))
    }

    @Test func oldPacketsSentAgainDoNotKeepADarkPathAlive() throws {
        let (network, server) = try upgraded()
        var old: [[UInt8]] = []
        network.tap = { side, path, bytes in
            if side == .server, path == direct, bytes.count > 30, old.count < 400 { old.append(bytes) }
        }
        let (stream, _) = try startTransfer(network, server, bytes: 10 << 20)
        network.run(for: .milliseconds(300))
        network.tap = nil
        network.change(direct) { $0.isDark = true }
        for index in 0..<200 {
            network.deliver(old[index % old.count], to: .client, on: direct)
            network.run(for: .milliseconds(10))
        }
        #expect(network.client.session.route.primary == .relay)
        #expect(network.run { server.finished.contains(stream) })
    }

    @Test func theSessionLivesOnWhenTheRelayIsGone() throws {
        let (network, server) = try upgraded()
        network.change(.relay) { $0.isDark = true }
        network.client.session.setRelayAvailable(false, now: network.now)
        server.session.setRelayAvailable(false, now: network.now)
        let stream = try network.client.session.openStream()
        network.client.send(pattern(2_000_000), on: stream, finish: true)
        #expect(network.run { server.finished.contains(stream) })
        network.run(for: .seconds(120))
        #expect(network.client.session.isEstablished)
        #expect(carries(direct, network))
    }

    @Test func aNewPairReplacesTheOldOne() throws {
        let (network, server) = try upgraded()
        let second = PathID(rawValue: 2)
        let stream = try network.client.session.openStream()
        network.client.send(pattern(4_000_000), on: stream, finish: true)
        network.run { server.receivedCount[stream, default: 0] > 500_000 }
        network.change(direct) { $0.isDark = true }
        network.run(for: .seconds(1))
        network.addPath(second, kind: .direct, directLink)
        #expect(network.run(for: .seconds(10)) { carries(second, network) })
        network.client.session.removePath(direct, now: network.now)
        server.session.removePath(direct, now: network.now)
        #expect(network.run { server.finished.contains(stream) })
        #expect(server.received[stream] == pattern(4_000_000))
    }

    @Test func closingIsHeardOverWhateverPathWorks() throws {
        let (network, server) = try upgraded()
        network.change(direct) { $0.isDark = true }
        network.run(for: .seconds(4))
        network.client.session.close(code: 4, reason: "done", now: network.now)
        #expect(network.run(for: .seconds(5)) { server.closeReason == .remote(code: 4, reason: "done") })
    }
}

/// The longest time in which nothing was delivered.
final class GapMeter {
    private var last: MonotonicTime?
    private(set) var longest = TimeSpan.zero

    func reset(at now: MonotonicTime) {
        last = now
        longest = .zero
    }

    func delivered(at now: MonotonicTime) {
        if let last { longest = max(longest, now - last) }
        last = now
    }
}
