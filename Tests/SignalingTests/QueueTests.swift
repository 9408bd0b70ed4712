import Identity
import NIOCore
import TestTools
import Testing
import Wire

@testable import SignalingServer

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

    /// Sends numbered frames until one has to wait for a place in the receiver's queue, and then some more.
    ///
    /// - Returns: how many.
    private static func fill(
        _ key: PeerKey, from sender: RawConnection, of server: SignalingServer, more: Int, size: Int = 16_000
    ) async throws -> Int {
        var count = 0
        func send() async throws {
            let payload = [UInt8(count >> 8), UInt8(count & 0xFF)] + Array(repeating: UInt8(0), count: size)
            try await sender.send(.signal(peer: key, payload: payload))
            count += 1
        }
        while server.metrics.value("signal_waits_total") == 0 {
            try await send()
            // What came before is dealt with when the answer is there.
            try await sender.send(9, [])
            #expect(try await sender.readFrame().opcode == 10)
        }
        for _ in 0..<more { try await send() }
        return count
    }

    private static func number(_ frame: RawConnection.Frame) -> Int? {
        guard case .signal(_, let payload) = frame.signaling else { return nil }
        return Int(payload[0]) << 8 | Int(payload[1])
    }

    @Test func signalsWaitForRoomAndKeepTheirOrder() async throws {
        try await withServer {
            $0.limits.signalQueueFrames = 4
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (alice, _) = try await RawConnection.loggedIn(server)
            let count = try await Self.fill(key, from: alice, of: server, more: WaitingSignals.limit - 1)
            try await bob.setReading(true)
            for number in 0..<count { #expect(try await Self.number(bob.readFrame()) == number) }
            #expect(server.metrics.value("signal_frames_total") == UInt64(count))
            #expect(server.metrics.value("unreachable_total") == 0)
        }
    }

    /// What found no room tells of all that waits behind it, or that would come without it.
    @Test func allThatWaitsForTheSameQueueIsGivenUpTogether() async throws {
        try await withServer {
            $0.limits.signalQueueFrames = 4
            $0.limits.signalWait = .minutes(5)
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (alice, _) = try await RawConnection.loggedIn(server)
            _ = try await Self.fill(key, from: alice, of: server, more: 0)
            let first = NIODeadline.now()
            for _ in 0..<3 { try await alice.send(.signal(peer: key, payload: [1])) }
            try await alice.send(9, [])
            #expect(try await alice.readFrame().opcode == 10)
            // The time of the first is over, that of the others is not.
            try await server.sweep(now: first + .minutes(5))
            for _ in 0..<4 {
                #expect(try await alice.readFrame().signaling == .unreachable(peer: key, reason: .overloaded))
            }
            try await bob.channel.close()
        }
    }

    /// The attack: who does not read has the victim send to it (the `bye` to a stranger that dials), under as many names as it likes.
    @Test func aReceiverThatDoesNotReadStopsNothingElse() async throws {
        try await withServer {
            $0.limits.signalQueueFrames = 4
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
        } _: { server in
            let (mallory, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await mallory.setReading(false)
            let (alice, me) = try await RawConnection.loggedIn(server)
            let (bob, friend) = try await RawConnection.loggedIn(server)
            // One more than may wait.
            _ = try await Self.fill(key, from: alice, of: server, more: WaitingSignals.limit)
            #expect(try await alice.readFrame().signaling == .unreachable(peer: key, reason: .overloaded))
            try await alice.send(.relay(peer: friend, segmentSize: 3, packets: [1, 2, 3]))
            #expect(try await bob.readFrame().signaling == .relay(peer: me, segmentSize: 3, packets: [1, 2, 3]))
            try await alice.send(.signal(peer: friend, payload: [5]))
            #expect(try await bob.readFrame().signaling == .signal(peer: me, payload: [5]))
            try await mallory.channel.close()
        }
    }

    /// The attack: strangers fill the queue of SIGNAL frames, which go first.
    @Test func aFloodOfSignalsLeavesRoomForRelayedPackets() async throws {
        try await withServer {
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
            $0.limits.signalQueueFrames = 100
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (mallory, _) = try await RawConnection.loggedIn(server)
            let (alice, _) = try await RawConnection.loggedIn(server)
            let signals = try await Self.fill(key, from: mallory, of: server, more: 0)
            let count = 20
            for number in 0..<count { try await alice.send(Self.relay(key, number)) }
            try await eventually("all carried") { server.metrics.value("relay_frames_total") == UInt64(count) }
            try await bob.setReading(true)
            var (relays, before) = (0, 0)
            while relays < count {
                if case .relay = try await bob.readFrame().signaling { relays += 1 } else { before += 1 }
            }
            // They did not wait for the whole queue.
            #expect(signals - before > 50)
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
            _ = try await Self.fill(key, from: alice, of: server, more: 5)
            try await bob.channel.close()
            // What was in the queue, and what waited for room there.
            for _ in 0..<(8 + 6) {
                #expect(try await alice.readFrame().signaling == .unreachable(peer: key, reason: .notConnected))
            }
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
            let count = try await Self.fill(key, from: alice, of: server, more: 10)
            let (newer, _) = try await RawConnection.loggedIn(server, identity: identity)
            var numbers: [Int] = []
            while numbers.last != count - 1 {
                guard let number = try await Self.number(newer.readFrame()) else { continue }
                numbers.append(number)
            }
            // From the first that the older's socket did not take, nothing is missing.
            let first = try #require(numbers.first)
            #expect(numbers == Array(first..<count) && first < count - 1)
            try await older.channel.close()
        }
    }
}
