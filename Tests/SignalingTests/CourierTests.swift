import Identity
import NIOCore
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// What event loops collect for each other.
@Suite struct CourierTests {
    /// Many connections, so that senders and receivers are on the same loop and on others.
    @Test func ordersOfAllSendersHoldAcrossEventLoops() async throws {
        try await withServer {
            $0.threads = 3
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
            $0.limits.signalQueueFrames = 1_000
        } _: { server in
            var peers: [(RawConnection, PeerKey)] = []
            for _ in 0..<6 { peers.append(try await RawConnection.loggedIn(server)) }
            let count = 60
            for (raw, _) in peers {
                // All in one piece: what comes in together is handed over together.
                var bytes: [UInt8] = []
                for number in 0..<count {
                    for (_, key) in peers {
                        let signal = SignalingFrame.signal(peer: key, payload: [UInt8(number)])
                        bytes += RawConnection.frame(2, try signal.encode())
                    }
                }
                try await raw.send(bytes)
            }
            for (raw, _) in peers {
                var next: [PeerKey: UInt8] = [:]
                for _ in 0..<(count * peers.count) {
                    guard case .signal(let sender, let payload) = try await raw.readFrame().signaling else {
                        throw Unmet(description: "no SIGNAL")
                    }
                    #expect(payload == [next[sender, default: 0]])
                    next[sender, default: 0] += 1
                }
                #expect(next.count == peers.count)
            }
            #expect(server.metrics.value("signal_frames_total") == UInt64(count * peers.count * peers.count))
        }
    }

    @Test func whoeverHasAFrameFindsItCounted() async throws {
        try await withServer { server in
            let (alice, _) = try await RawConnection.loggedIn(server)
            let (bob, key) = try await RawConnection.loggedIn(server)
            for number in 1...20 {
                try await alice.send(.relay(peer: key, segmentSize: 3, packets: [1, 2, 3, 4, 5]))
                try await alice.send(.signal(peer: key, payload: [9]))
                _ = try await bob.readFrame()
                _ = try await bob.readFrame()
                #expect(server.metrics.value("signal_frames_total") == UInt64(number))
                #expect(server.metrics.value("relay_frames_total") == UInt64(number))
                #expect(server.metrics.value("relay_bytes_total") == UInt64(number * 40))
            }
        }
    }

    @Test func framesOfTheLargestSizeArriveWhole() async throws {
        try await withServer { server in
            let (alice, from) = try await RawConnection.loggedIn(server)
            let (bob, key) = try await RawConnection.loggedIn(server)
            let packets = (0..<SignalingFrame.maximumRelayPackets).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
            for size in [1_200, 65_535] {
                let sent = size == 1_200 ? Array(packets.prefix(54 * 1_200 - 1)) : packets
                try await alice.send(.relay(peer: key, segmentSize: UInt16(size), packets: sent))
                let expected = SignalingFrame.relay(peer: from, segmentSize: UInt16(size), packets: sent)
                #expect(try await bob.readFrame().signaling == expected)
            }
        }
    }

    @Test func messagesInFragmentsAreRelayedLikeOthers() async throws {
        try await withServer { server in
            let (alice, from) = try await RawConnection.loggedIn(server)
            let (bob, key) = try await RawConnection.loggedIn(server)
            let packets = [UInt8](repeating: 7, count: 30_000)
            let bytes = try SignalingFrame.relay(peer: key, segmentSize: 1_200, packets: packets).encode()
            try await alice.send(2, Array(bytes[..<1]), fin: false)
            try await alice.send(0, Array(bytes[1..<20_000]), fin: false)
            try await alice.send(0, Array(bytes[20_000...]))
            let expected = SignalingFrame.relay(peer: from, segmentSize: 1_200, packets: packets)
            #expect(try await bob.readFrame().signaling == expected)
        }
    }

    /// A client that is read from more slowly loses nothing of what came with the last frame that was allowed.
    @Test func whatCameInBeforeAPauseIsHandledAfterIt() async throws {
        try await withServer {
            $0.limits.frames = RateLimit(rate: 200, burst: 10)
        } _: { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            var bytes: [UInt8] = []
            for number in 0..<60 {
                bytes += RawConnection.frame(2, try SignalingFrame.signal(peer: key, payload: [UInt8(number)]).encode())
            }
            try await raw.send(Array(bytes[..<(bytes.count - 7)]))
            try await raw.send(Array(bytes[(bytes.count - 7)...]))
            for number in 0..<60 {
                #expect(try await raw.readFrame().signaling == .signal(peer: key, payload: [UInt8(number)]))
            }
            #expect((server.metrics.value("rate_pauses_total") ?? 0) > 0)
        }
    }
}
