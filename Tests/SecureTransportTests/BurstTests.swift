import Noise
import Paths
import Testing

@testable import SecureTransport

/// Packets that come together, as GRO and RELAY frames bring them.
@Suite struct BurstTests {
    /// The bursts that the client gives out when it may send a lot, and the segment size.
    private func bursts(_ network: VirtualNetwork) throws -> (bursts: [(bytes: [UInt8], segment: Int)], StreamID) {
        let stream = try network.client.session.openStream()
        network.client.send(pattern(2_000_000), on: stream)
        // Until the congestion window is large.
        #expect(network.run { network.client.session.statistics.congestionWindow > 200_000 })
        var bursts: [(bytes: [UInt8], segment: Int)] = []
        for _ in 0..<200 where !bursts.contains(where: { $0.bytes.count > 10 * $0.segment }) {
            _ = network.step(limit: network.now + .seconds(1))
            network.client.session.transmit(now: network.now) { packets, segment, _ in
                if packets[0] != PacketHeader.probe { bursts.append((Array(packets), segment)) }
            }
        }
        return (bursts, stream)
    }

    private func count(_ burst: (bytes: [UInt8], segment: Int)) -> Int {
        (burst.bytes.count + burst.segment - 1) / burst.segment
    }

    @Test func aBurstIsTakenInWholeAndAcknowledgedTogether() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        let session = server.session
        let (bursts, _) = try bursts(network)
        let packets = bursts.reduce(0) { $0 + count($1) }
        try #require(packets > 10)
        _ = session.packets(now: network.now)
        let before = session.statistics
        for burst in bursts {
            burst.bytes.withUnsafeBytes {
                session.receive($0, segmentSize: burst.segment, on: .relay, now: network.now)
            }
        }
        #expect(session.statistics.packetsReceived - before.packetsReceived == UInt64(packets))
        #expect(session.statistics.packetsRejected == before.packetsRejected)
        #expect(session.packets(now: network.now).count { $0[0] != PacketHeader.probe } <= 2)
    }

    @Test(arguments: [Int.min, -1, 0, 1, 7, 1199, 1_000_000, .max])
    func aWrongSegmentSizeDoesNoHarm(size: Int) throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        let (bursts, stream) = try bursts(network)
        for burst in bursts {
            burst.bytes.withUnsafeBytes { server.session.receive($0, segmentSize: size, on: .relay, now: network.now) }
        }
        UnsafeRawBufferPointer(start: nil, count: 0).withMemoryRebound(to: UInt8.self) { empty in
            server.session.receive(
                UnsafeRawBufferPointer(empty), segmentSize: size, on: .relay, now: network.now)
        }
        // What was not understood is lost like any packet, and repeated.
        #expect(network.run { server.receivedCount[stream] == 2_000_000 })
        let isWhole = server.received[stream] == pattern(2_000_000)
        #expect(isWhole)
    }
}
