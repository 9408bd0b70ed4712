import Identity
import NIOCore
import SignalingClient
import TestTools
import Testing
import Wire

@testable import SignalingServer

@Suite struct LimitTests {
    @Test func limitsConnectionsOfAnAddress() async throws {
        try await withServer {
            $0.limits.connectionsPerAddress = 2
        } _: { server in
            let first = try await TestClient.loggedIn(try server.url)
            let second = try await TestClient.loggedIn(try server.url)
            let third = try TestClient(try server.url)
            let (reason, retryIn) = try await third.disconnect()
            #expect(reason == .refused("too many connections") && retryIn != nil)
            first.client.stop()
            _ = try await third.welcome()
            #expect(second.all.count == 2)
        }
    }

    @Test func doesNotEvenExplainFarBeyondTheLimit() async throws {
        try await withServer {
            $0.limits.connections = 1
        } _: { server in
            var held: [RawConnection] = []
            for _ in 0..<17 { held.append(try await RawConnection.connect(server.address)) }
            try await eventually("all there") { server.metrics.value("connections_accepted_total") == 17 }
            let last = try await RawConnection.connect(server.address)
            #expect(try await last.readToEnd() == [])
            #expect(held.count == 17)
        }
    }

    @Test func limitsNewConnectionsOfAnAddress() async throws {
        try await withServer {
            $0.limits.newConnections = RateLimit(rate: 0.001, burst: 2)
        } _: { server in
            for _ in 0..<2 { _ = try await RawConnection.loggedIn(server) }
            let raw = try await RawConnection.connect(server.address)
            try await raw.send(RawConnection.handshake)
            _ = try await raw.readHead()
            #expect(try await raw.readFrame().closeCode == SignalingCloseCode.rateLimited.rawValue)
        }
    }

    @Test func countsAnIPv6NetworkAsOne() throws {
        func key(_ text: String) throws -> AddressKey { AddressKey(try IPAddress(text)) }
        #expect(try key("2001:db8:1:2::1") == key("2001:db8:1:2:ffff::9"))
        #expect(try key("2001:db8:1:2::1") != key("2001:db8:1:3::1"))
        #expect(try key("192.0.2.1") != key("192.0.2.2"))
        #expect(try key("::ffff:192.0.2.1") == key("192.0.2.1"))
        #expect(try key("0.0.0.1") != key("::1"))
    }

    @Test func forgetsAddressesThatHaveGone() {
        var limits = ServerLimits()
        limits.newConnections = RateLimit(rate: 1, burst: 2)
        let addresses = AddressLimits(limits)
        let key = AddressKey(.v4(192, 0, 2, 1))
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        #expect(addresses.admit(key, now: start) == .admitted && addresses.total == 1)
        addresses.release(key, now: start)
        #expect(addresses.total == 0 && addresses.known == 1)
        addresses.sweep(now: start + .seconds(10))
        #expect(addresses.known == 0)
    }

    @Test(arguments: ["frames", "bytes", "signals"])
    func readsMoreSlowlyFromWhoSendsTooMuch(kind: String) async throws {
        try await withServer {
            switch kind {
            case "frames": $0.limits.frames = RateLimit(rate: 20, burst: 2)
            case "bytes": $0.limits.bytes = RateLimit(rate: 20 * 34, burst: 68)
            default: $0.limits.signals = RateLimit(rate: 20, burst: 2)
            }
        } _: { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            let start = ContinuousClock.now
            var bytes: [UInt8] = []
            for number in UInt8(0)..<12 {
                bytes += RawConnection.frame(2, try SignalingFrame.signal(peer: key, payload: [number]).encode())
            }
            try await raw.send(bytes)
            for number in UInt8(0)..<12 {
                #expect(try await raw.readFrame().signaling == .signal(peer: key, payload: [number]))
            }
            // 10 beyond the burst, at 20 a second.
            #expect(ContinuousClock.now - start > .milliseconds(200))
        }
    }

    /// The same with a rate at which nothing comes back while the test lasts.
    @Test(arguments: ["frames", "bytes", "signals"])
    func readsNothingBeyondTheBurst(kind: String) async throws {
        try await withServer {
            switch kind {
            case "frames": $0.limits.frames = RateLimit(rate: 0.0001, burst: 2)
            case "bytes": $0.limits.bytes = RateLimit(rate: 0.0001, burst: 68)
            default: $0.limits.signals = RateLimit(rate: 0.0001, burst: 2)
            }
        } _: { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            let frame = RawConnection.frame(2, try SignalingFrame.signal(peer: key, payload: [1]).encode())
            try await raw.send(Array(repeatElement(frame, count: 12).joined()))
            try await eventually("a pause") { server.metrics.value("rate_pauses_total") == 1 }
            #expect(server.metrics.value("signal_frames_total") == 2)
        }
    }

    @Test func answersUnreachableOnlySoOften() async throws {
        try await withServer {
            $0.limits.unreachable = RateLimit(rate: 0.001, burst: 3)
        } _: { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            for number in UInt8(1)...10 {
                try await raw.send(.signal(peer: try PeerKey(Array(repeating: number, count: 32)), payload: [1]))
            }
            try await raw.send(.signal(peer: key, payload: [9]))
            var unreachable = 0
            while case .unreachable = try await raw.readFrame().signaling { unreachable += 1 }
            #expect(unreachable == 3)
        }
    }

    @Test func saysOnceThatARelayedPeerIsNotThere() async throws {
        try await withServer {
            $0.limits.absence = .minutes(10)
        } _: { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            let absent = try PeerKey(Array(repeating: 1, count: 32))
            let relay = try SignalingFrame.relay(peer: absent, segmentSize: 1, packets: [1]).encode()
            try await raw.send(Array(repeatElement(RawConnection.frame(2, relay), count: 10).joined()))
            try await raw.send(.signal(peer: key, payload: [9]))
            #expect(try await raw.readFrame().signaling == .unreachable(peer: absent, reason: .notConnected))
            #expect(try await raw.readFrame().signaling == .signal(peer: key, payload: [9]))
        }
    }

    @Test func survivesAFlood() async throws {
        try await withServer {
            $0.limits.frames = RateLimit(rate: 5000, burst: 500)
        } _: { server in
            let (raw, _) = try await RawConnection.loggedIn(server)
            let ping = RawConnection.frame(9, [1])
            let flood = Task {
                for _ in 0..<50 { try await raw.send(Array(repeatElement(ping, count: 1000).joined())) }
            }
            let alice = try await TestClient.loggedIn(try server.url)
            try await alice.send(.signal(peer: alice.key, payload: [1]))
            #expect(try await alice.signal().payload == [1])
            flood.cancel()
            try await raw.channel.close()
        }
    }

    @Test func tokensComeBackWithTime() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        var bucket = TokenBucket(RateLimit(rate: 10, burst: 5), now: start)
        func takes(_ count: Double, after seconds: Double) -> Bool {
            bucket.take(count, now: start + .milliseconds(Int64(seconds * 1000)))
        }
        for _ in 0..<5 { #expect(takes(1, after: 0)) }
        #expect(!takes(1, after: 0))
        #expect(bucket.available(now: start) == start + .nanoseconds(100_000_001))
        #expect(takes(1, after: 0.11))
        // Debt is paid before anything else passes.
        #expect(takes(100, after: 10))
        #expect(!takes(1, after: 15))
        #expect(takes(1, after: 20.2))
    }
}
