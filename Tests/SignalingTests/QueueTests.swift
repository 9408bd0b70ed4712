import Identity
import NIOCore
import SignalingServer
import TestTools
import Testing
import Wire

/// What happens when a receiver does not read: its socket's buffers are kept small, so that they fill at once.
@Suite struct QueueTests {
    private static func relay(_ peer: PeerKey, _ number: Int) -> SignalingFrame {
        .relay(
            peer: peer, segmentSize: 1200,
            packets: [UInt8(number >> 8), UInt8(number & 0xFF)] + Array(repeating: 0, count: 1198))
    }

    @Test func dropsTheOldestRelayedPacketsFirst() async throws {
        try await withServer {
            $0.limits.relayQueueBytes = 65_536
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (alice, _) = try await RawConnection.loggedIn(server)
            let count = 1000
            for number in 0..<count { try await alice.send(Self.relay(key, number)) }
            try await eventually("all carried") { server.metrics.value("relay_frames_total") == UInt64(count) }
            let dropped = Int(try #require(server.metrics.value("relay_dropped_total")))
            #expect(dropped > 0)
            try await bob.setReading(true)
            var numbers: [Int] = []
            while numbers.last != count - 1 {
                guard case .relay(_, _, let packets) = try await bob.readFrame().signaling else { continue }
                numbers.append(Int(packets[0]) << 8 | Int(packets[1]))
            }
            #expect(numbers == numbers.sorted() && numbers.count == count - dropped)
        }
    }

    @Test func signalsPushBackAndAreNotLost() async throws {
        try await withServer {
            $0.limits.signalQueueFrames = 4
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (alice, _) = try await RawConnection.loggedIn(server)
            let count = 150
            let filler = Array(repeating: UInt8(0), count: 10_000)
            let sending = Task {
                for number in 0..<count {
                    try await alice.send(
                        .signal(peer: key, payload: [UInt8(number >> 8), UInt8(number & 0xFF)] + filler))
                }
            }
            try await eventually("alice waits") { (server.metrics.value("signal_waits_total") ?? 0) > 0 }
            try await bob.setReading(true)
            for number in 0..<count {
                guard case .signal(_, let payload) = try await bob.readFrame().signaling else { continue }
                #expect(Int(payload[0]) << 8 | Int(payload[1]) == number)
            }
            try await sending.value
            try await eventually("all counted") { server.metrics.value("signal_frames_total") == UInt64(count) }
            #expect(server.metrics.value("unreachable_total") == 0)
        }
    }

    @Test func saysOverloadedWhenAReceiverStaysFull() async throws {
        try await withServer {
            $0.limits.signalQueueFrames = 2
            $0.limits.signalWait = .milliseconds(150)
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (alice, me) = try await RawConnection.loggedIn(server)
            let filler = Array(repeating: UInt8(0), count: 16_000)
            let sending = Task {
                for _ in 0..<60 { try await alice.send(.signal(peer: key, payload: filler)) }
                // Others are still reached.
                try await alice.send(.signal(peer: me, payload: [7]))
            }
            #expect(try await alice.readFrame().signaling == .unreachable(peer: key, reason: .overloaded))
            while try await alice.readFrame().signaling != .signal(peer: me, payload: [7]) {}
            try await sending.value
            try await bob.channel.close()
        }
    }

    @Test func bouncesSignalsOfAConnectionThatEnds() async throws {
        try await withServer {
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
            $0.limits.signalQueueFrames = 8
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (alice, _) = try await RawConnection.loggedIn(server)
            let filler = Array(repeating: UInt8(0), count: 16_000)
            let sending = Task {
                for _ in 0..<100 { try await alice.send(.signal(peer: key, payload: filler)) }
            }
            try await eventually("alice waits") { (server.metrics.value("signal_waits_total") ?? 0) > 0 }
            try await bob.channel.close()
            #expect(try await alice.readFrame().signaling == .unreachable(peer: key, reason: .notConnected))
            try await sending.value
        }
    }

    @Test func handsSignalsToANewerLogin() async throws {
        try await withServer {
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
            $0.limits.signalQueueFrames = 8
        } _: { server in
            let identity = try Identity.generate()
            let (older, key) = try await RawConnection.loggedIn(server, identity: identity, receiveBuffer: 8192)
            try await older.setReading(false)
            let (alice, _) = try await RawConnection.loggedIn(server)
            let filler = Array(repeating: UInt8(0), count: 16_000)
            let count = 100
            let sending = Task {
                for number in 0..<count {
                    try await alice.send(
                        .signal(peer: key, payload: [UInt8(number >> 8), UInt8(number & 0xFF)] + filler))
                }
            }
            try await eventually("alice waits") { (server.metrics.value("signal_waits_total") ?? 0) > 0 }
            let (newer, _) = try await RawConnection.loggedIn(server, identity: identity)
            var numbers: Set<Int> = []
            while !numbers.contains(count - 1) {
                guard case .signal(_, let payload) = try await newer.readFrame().signaling else { continue }
                numbers.insert(Int(payload[0]) << 8 | Int(payload[1]))
            }
            // From the first that the older's socket did not take, nothing is missing.
            let first = try #require(numbers.min())
            #expect(numbers.count == count - first && first < count - 1)
            try await sending.value
            try await older.channel.close()
        }
    }
}
