import Noise
import Paths
import Testing

@testable import SecureTransport

@Suite struct StatisticsTests {
    @Test func statisticsCountWhatTravels() throws {
        let network = try VirtualNetwork()
        #expect(network.client.session.remoteTag == nil)
        try #require(network.connect())
        let server = try #require(network.server)
        #expect(network.client.session.remoteTag == server.session.tag)
        #expect(server.session.remoteTag == network.client.session.tag)
        let stream = try network.client.session.openStream()
        network.client.send(pattern(200_000), on: stream)
        network.run { server.receivedCount[stream] == 200_000 }
        network.run(for: .seconds(1))
        let sent = network.client.session.statistics
        let received = server.session.statistics
        #expect(sent.bytesSent > 200_000)
        #expect(sent.bytesSent == received.bytesReceived)
        #expect(sent.packetsSent == received.packetsReceived)
        let roundTrip = try #require(sent.roundTrip)
        #expect((.milliseconds(19)...(.milliseconds(60))).contains(roundTrip))
        #expect(sent.openStreams == 1)
        #expect(sent.packetsRejected == 0)
        #expect(sent.bytesInFlight == 0)
        #expect(sent.congestionWindow > 10_000)
    }

    @Test func rejectedPacketsAreCounted() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        network.run(for: .seconds(1))
        let before = network.client.session.statistics.packetsRejected
        let forged = [0x40] + network.client.session.tag.bytes + [UInt8](repeating: 3, count: 60)
        for _ in 0..<10 { network.deliver(forged, to: .client, on: .relay) }
        #expect(network.client.session.statistics.packetsRejected == before + 10)
        #expect(network.client.session.isEstablished)
    }

    @Test func aClosedSessionKeepsItsEventsInOrder() {
        var queue = EventQueue()
        let stream = StreamID(rawValue: 0)
        queue.append(.streamReadable(stream))
        queue.append(.closed(.idleTimeout))
        queue.append(.streamFinished(stream))
        #expect(queue.popFirst() == .streamReadable(stream))
        #expect(queue.popFirst() == .streamFinished(stream))
        #expect(queue.popFirst() == .closed(.idleTimeout))
        queue.append(.streamFinished(stream))
        queue.append(.closed(.idleTimeout))
        #expect(queue.popFirst() == nil)
    }
}
