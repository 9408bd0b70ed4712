import Identity
import NIOCore
import Paths
import PeerLab
import SecureTransport
import SignalingClient
import Testing
import Wire

@testable import Peering

/// The first message of a dial comes in two packets, and the relay may carry them apart.
@Suite struct FirstFlightTests {
    /// The first packets of a dial with a greeting of the usual length.
    private func dial(
        _ identity: Identity, to peer: PeerID, _ suites: [HandshakeSuite] = [.hybrid]
    ) throws -> [[UInt8]] {
        let now = MonotonicTime(nanoseconds: NIODeadline.now().uptimeNanoseconds)
        var configuration = SessionConfiguration()
        configuration.suites = suites
        let session = try SecureSession.connect(
            identity: identity, to: peer, greeting: [UInt8](repeating: 1, count: 110), configuration: configuration,
            now: now)
        session.addPath(.relay, kind: .relay, now: now)
        var packets: [[UInt8]] = []
        session.transmit(now: now) { bytes, segment, _ in
            for start in stride(from: 0, to: bytes.count, by: segment) {
                packets.append(Array(bytes[start..<min(start + segment, bytes.count)]))
            }
        }
        return packets
    }

    private func relay(_ packet: [UInt8], from peer: PeerID) -> SignalingEvent {
        .relay(from: peer.key, segmentSize: packet.count, packets: ByteBuffer(bytes: packet))
    }

    @Test(arguments: [[0, 1], [1, 0], [0, 0, 1], [1, 1, 0]])
    func aDialIsAnsweredWhenAllOfItIsThere(order: [Int]) async throws {
        try await Lab.run { lab in
            let bob = try Identity.generate()
            let alice = try await TestNode.online(lab, contacts: [bob.peerID], policy: .relay)
            let events = try dial(bob, to: alice.id).map { relay($0, from: bob.peerID) }
            try #require(events.count == 2)
            let peer = bob.peerID
            try await alice.perform { node in
                for index in order.dropLast() { node.handle(events[index]) }
                // What waits is no link, and nobody was let in.
                #expect(node.incompleteCalls == 1)
                #expect(node.knownLink(peer) == nil)
                node.handle(events[order[order.count - 1]])
                #expect(node.incompleteCalls == 0)
                #expect(node.knownLink(peer) != nil)
            }
            try await alice.stop()
        }
    }

    @Test func halfDialsAreBoundedAndKeepNoContactOut() async throws {
        try await Lab.run { lab in
            let bob = try Identity.generate()
            let alice = try await TestNode.online(lab, contacts: [bob.peerID], policy: .relay)
            let honest = try dial(bob, to: alice.id).map { relay($0, from: bob.peerID) }
            var flood: [SignalingEvent] = []
            for _ in 0..<30 {
                let mallory = try Identity.generate()
                for _ in 0..<12 { flood.append(relay(try dial(mallory, to: alice.id)[0], from: mallory.peerID)) }
            }
            let peer = bob.peerID
            let (first, all) = (honest[0], flood)
            try await alice.perform { node in
                node.handle(first)
                for event in all { node.handle(event) }
                #expect((2...65).contains(node.incompleteCalls))
                node.handle(honest[1])
                #expect(node.knownLink(peer) != nil)
            }
            try await alice.stop()
        }
    }

    @Test func aClassicalDialIsNotAnswered() async throws {
        try await Lab.run { lab in
            let bob = try Identity.generate()
            let alice = try await TestNode.online(lab, contacts: [bob.peerID], policy: .relay)
            let events = try dial(bob, to: alice.id, [.classical]).map { relay($0, from: bob.peerID) }
            let peer = bob.peerID
            try await alice.perform { node in
                for event in events { node.handle(event) }
                #expect(node.knownLink(peer) == nil)
                #expect(node.incompleteCalls == 0)
            }
            try await alice.stop()
        }
    }

    @Test func theSecondHalfUnderAnotherNameDoesNotCompleteADial() async throws {
        try await Lab.run { lab in
            let bob = try Identity.generate()
            let mallory = try Identity.generate().peerID
            let alice = try await TestNode.online(lab, contacts: [bob.peerID, mallory], policy: .relay)
            let packets = try dial(bob, to: alice.id)
            let events = [relay(packets[0], from: bob.peerID), relay(packets[1], from: mallory)]
            let peer = bob.peerID
            try await alice.perform { node in
                for event in events { node.handle(event) }
                #expect(node.incompleteCalls == 2)
                #expect(node.knownLink(peer) == nil)
                #expect(node.knownLink(mallory) == nil)
            }
            try await alice.stop()
        }
    }
}
