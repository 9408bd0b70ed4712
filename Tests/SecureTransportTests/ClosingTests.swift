import Noise
import Paths
import Testing

@testable import SecureTransport

@Suite struct ClosingTests {
    @Test(arguments: [VirtualNetwork.Side.client, .server]) func theOtherEndLearnsCodeAndReason(
        side: VirtualNetwork.Side
    ) throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        network.run(for: .seconds(1))
        let closer = try #require(network.end(side))
        let other = try #require(network.end(side.other))
        closer.session.close(code: 42, reason: "gone to lunch", now: network.now)
        closer.session.close(code: 43, reason: "again", now: network.now)
        #expect(network.run(for: .seconds(5)) { other.closeReason != nil })
        #expect(other.closeReason == .remote(code: 42, reason: "gone to lunch"))
        #expect(closer.closeReason == .local(code: 42, reason: "gone to lunch"))
        #expect(other.session.isFinished)
        #expect(network.run(for: .seconds(10)) { closer.session.isFinished })
        for end in [closer, other] {
            #expect(end.events.filter { if case .closed = $0 { true } else { false } }.count == 1)
            #expect(end.session.nextTimeout == nil)
        }
    }

    @Test func aSessionThatHasSentNothingClosesAtOnce() throws {
        let network = try VirtualNetwork()
        network.client.session.close(code: 1, reason: "never mind", now: network.now)
        var packets = 0
        network.tap = { _, _, _ in packets += 1 }
        network.run(for: .seconds(1))
        #expect(packets == 0)
        #expect(network.client.session.isFinished)
        #expect(network.client.closeReason == .local(code: 1, reason: "never mind"))
    }

    @Test func aCallCanBeGivenUpBeforeTheAnswer() throws {
        let network = try VirtualNetwork()
        network.run(for: .milliseconds(15))
        #expect(network.server != nil)
        network.client.session.close(code: 9, reason: "secret", now: network.now)
        #expect(network.run(for: .seconds(5)) { network.server?.closeReason != nil })
        #expect(network.server?.closeReason == .remoteTransport(code: 0x0C))
        #expect(network.run(for: .seconds(10)) { network.client.session.isFinished })
    }

    @Test func theAnswererCanCloseBeforeTheHandshakeIsFinished() throws {
        let network = try VirtualNetwork()
        network.run(for: .milliseconds(15))
        let server = try #require(network.server)
        server.session.close(code: 9, reason: "secret", now: network.now)
        #expect(network.run(for: .seconds(12)) { network.client.closeReason != nil })
        #expect(network.run(for: .seconds(20)) { server.session.isFinished && network.client.session.isFinished })
    }

    @Test func theAnswererCanCloseBeforeItSentAnything() throws {
        let network = try VirtualNetwork()
        let first = network.client.session.packets(now: network.now)
        let session = try SecureSession.accept(first, keys: network.serverKeys.copy(), now: network.now)
        session.close(code: 1, reason: "", now: network.now)
        var bytes = 0
        session.transmit(now: network.now) { packet, _, _ in bytes += packet.count }
        #expect(bytes <= 3 * first.reduce(0) { $0 + $1.count })
        session.handleTimeout(now: network.now + .seconds(60))
        #expect(session.isFinished)
    }

    @Test func theCallerCanCloseTheMomentTheHandshakeIsFinished() throws {
        let network = try VirtualNetwork()
        network.run { network.client.isConnected }
        network.client.session.close(code: 3, reason: "hello and goodbye", now: network.now)
        #expect(network.run(for: .seconds(5)) { network.server?.closeReason != nil })
        #expect(network.run(for: .seconds(30)) { network.client.session.isFinished })
    }

    @Test func closingAgainAfterAnyEndDoesNothing() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        network.client.session.close(code: 1, reason: "", now: network.now)
        network.run(for: .seconds(5))
        for end in [network.client, server] {
            let count = end.events.count
            end.session.close(code: 2, reason: "x", now: network.now)
            network.run(for: .seconds(1))
            #expect(end.events.count == count)
            #expect(throws: TransportError.closed) { try end.session.openStream() }
            #expect(throws: TransportError.closed) { try end.session.sendDatagram([1]) }
            #expect(!end.session.updateKeys())
        }
    }

    @Test func closingUnderTrafficIsHeard() throws {
        let network = try VirtualNetwork(relay: Link(loss: 0.1))
        try #require(network.connect())
        let server = try #require(network.server)
        let stream = try network.client.session.openStream()
        let back = try server.session.openStream()
        network.client.send(pattern(5_000_000), on: stream)
        server.send(pattern(5_000_000), on: back)
        network.run { server.receivedCount[stream, default: 0] > 50_000 }
        server.session.close(code: 7, reason: "enough", now: network.now)
        #expect(network.run(for: .seconds(5)) { network.client.closeReason != nil })
        #expect(network.client.closeReason == .remote(code: 7, reason: "enough"))
    }

    @Test func aLostClosePacketIsRepeatedToAPeerThatGoesOn() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        let back = try server.session.openStream()
        server.send(pattern(5_000_000), on: back)
        network.run { network.client.receivedCount[back, default: 0] > 100_000 }
        network[.relay, from: .client].isDark = true
        network.client.session.close(code: 5, reason: "bye", now: network.now)
        network.flush()
        network[.relay, from: .client].isDark = false
        #expect(network.run(for: .seconds(1)) { server.closeReason != nil })
        #expect(server.closeReason == .remote(code: 5, reason: "bye"))
    }

    @Test func aLostClosePacketIsRepeatedToASilentPeerToo() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        network.run(for: .seconds(3))
        network[.relay, from: .client].isDark = true
        network.client.session.close(code: 5, reason: "bye", now: network.now)
        network.flush()
        network[.relay, from: .client].isDark = false
        let before = network[.relay, from: .client].packets
        #expect(network.run(for: .seconds(5)) { network.server?.closeReason == .remote(code: 5, reason: "bye") })
        network.run(for: .seconds(60))
        #expect(network[.relay, from: .client].packets - before <= 3)
        #expect(network.client.session.isFinished)
    }

    @Test func whatWasReceivedBeforeTheEndCanStillBeRead() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        server.readsAtOnce = false
        let stream = try network.client.session.openStream()
        network.client.send(pattern(20_000), on: stream, finish: true)
        #expect(network.run { network.client.session.unacknowledgedBytes(of: stream) == 0 })
        network.client.session.close(code: 0, reason: "", now: network.now)
        #expect(network.run { server.closeReason != nil })
        #expect(try server.session.read(from: stream, maxLength: 50_000) == pattern(20_000))
    }

    @Test func aLongReasonIsCut() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        network.run(for: .seconds(1))
        network.client.session.close(code: .max, reason: String(repeating: "x", count: 5000), now: network.now)
        network.run(for: .seconds(5))
        #expect(network.server?.closeReason == .remote(code: 1 << 62 - 1, reason: String(repeating: "x", count: 256)))
    }

    @Test func transmitDoesNothingWhenCalledFromItself() throws {
        let network = try VirtualNetwork()
        var inner = 0
        network.client.session.transmit(now: network.now) { _, _, _ in
            network.client.session.transmit(now: network.now) { _, _, _ in inner += 1 }
            network.client.session.close(code: 1, reason: "", now: network.now)
        }
        #expect(inner == 0)
        network.run(for: .seconds(20))
        #expect(network.client.session.isFinished)
    }

    @Test func endedSessionsFreeEverything() throws {
        weak var session: SecureSession?
        weak var connection: QUICConnection?
        do {
            let network = try VirtualNetwork()
            try #require(network.connect())
            session = network.client.session
            connection = network.client.session.connection
            #expect(session != nil)
        }
        #expect(session == nil)
        #expect(connection == nil)
    }
}
