import NIOCore
import SignalingClient
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct DeliveryTests {
    @Test func logsInAndLearnsOfTheServersSTUN() async throws {
        try await withServer {
            $0.limits.heartbeat = .seconds(15)
        } _: { server in
            let client = try TestClient(try server.url)
            let welcome = try await client.welcome()
            let port = try #require(server.stunAddress?.port)
            let second = try #require(server.secondSTUNAddress?.port)
            #expect(welcome.heartbeat == 15)
            #expect(
                welcome.iceServers == [
                    ICEServer(kind: .stun, port: UInt16(port)), ICEServer(kind: .stun, port: UInt16(second)),
                ])
            #expect(server.metrics.value("logins_total") == 1)
        }
    }

    @Test func carriesSignalsBothWays() async throws {
        try await withServer { server in
            let alice = try await TestClient.loggedIn(try server.url)
            let bob = try await TestClient.loggedIn(try server.url)
            let large = (0..<SignalingFrame.maximumSignalPayload).map { UInt8(truncatingIfNeeded: $0) }
            try await alice.send(.signal(peer: bob.key, payload: large))
            let atBob = try await bob.signal()
            #expect(atBob.from == alice.key && atBob.payload == large)
            try await bob.send(.signal(peer: alice.key, payload: [7]))
            let atAlice = try await alice.signal()
            #expect(atAlice.from == bob.key && atAlice.payload == [7])
        }
    }

    @Test(arguments: [(1, 1), (1200, 1200), (1200, 12_345), (1452, 60_000), (65_471, 65_471)])
    func carriesPackets(segmentSize: Int, count: Int) async throws {
        try await withServer { server in
            let alice = try await TestClient.loggedIn(try server.url)
            let bob = try await TestClient.loggedIn(try server.url)
            let packets = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            #expect(try await alice.relay(to: bob.key, segmentSize: segmentSize, packets))
            let (from, size, bytes) = try await bob.next("relay") { event -> (PeerKey, Int, ByteBuffer)? in
                if case .relay(let from, let size, let bytes) = event { (from, size, bytes) } else { nil }
            }
            #expect(from == alice.key && size == segmentSize && Array(bytes.readableBytesView) == packets)
        }
    }

    @Test func carriesToOneself() async throws {
        try await withServer { server in
            let alice = try await TestClient.loggedIn(try server.url)
            try await alice.send(.signal(peer: alice.key, payload: [1, 2, 3]))
            #expect(try await alice.signal().payload == [1, 2, 3])
        }
    }

    @Test func keepsTheOrderOfSignals() async throws {
        try await withServer { server in
            let alice = try await TestClient.loggedIn(try server.url)
            let bob = try await TestClient.loggedIn(try server.url)
            for number in 0..<200 { try await alice.send(.signal(peer: bob.key, payload: [UInt8(number)])) }
            for number in 0..<200 { #expect(try await bob.signal().payload == [UInt8(number)]) }
        }
    }

    @Test func saysAtOnceThatAPeerIsNotThere() async throws {
        try await withServer { server in
            let alice = try await TestClient.loggedIn(try server.url)
            let absent = try PeerKey(Array(repeating: 9, count: 32))
            try await alice.send(.signal(peer: absent, payload: [1]))
            #expect(try await alice.unreachable() == (absent, .notConnected))
            try await alice.relay(to: absent, segmentSize: 100, [1, 2, 3])
            #expect(try await alice.unreachable() == (absent, .notConnected))
        }
    }

    @Test func saysThatAPeerHasLeft() async throws {
        try await withServer { server in
            let alice = try await TestClient.loggedIn(try server.url)
            let bob = try await TestClient.loggedIn(try server.url)
            bob.client.stop()
            try await eventually("bob gone") { server.peers == 1 }
            try await alice.send(.signal(peer: bob.key, payload: [1]))
            #expect(try await alice.unreachable() == (bob.key, .notConnected))
        }
    }
}
