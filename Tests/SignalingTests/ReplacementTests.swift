import Identity
import SignalingClient
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct ReplacementTests {
    @Test func theNewerLoginTakesOver() async throws {
        try await withServer { server in
            let identity = try Identity.generate()
            let older = try await TestClient.loggedIn(try server.url, identity: identity)
            let newer = try await TestClient.loggedIn(try server.url, identity: identity)
            let (reason, retryIn) = try await older.disconnect()
            #expect(reason == .replaced && retryIn == nil)
            let alice = try await TestClient.loggedIn(try server.url)
            // The older's end must not take the newer's place in the table.
            for number in UInt8(0)..<20 {
                try await alice.send(.signal(peer: identity.peerID.key, payload: [number]))
                #expect(try await newer.signal().payload == [number])
            }
            #expect(server.metrics.value("logins_replaced_total") == 1 && server.peers == 2)
        }
    }

    @Test func saysGoAwayAndItsCode() async throws {
        try await withServer { server in
            let identity = try Identity.generate()
            let (older, _) = try await RawConnection.loggedIn(server, identity: identity)
            _ = try await RawConnection.loggedIn(server, identity: identity)
            #expect(try await older.readFrame().signaling == .goAway(reason: .replaced, retryAfter: 0))
            #expect(try await older.readFrame().closeCode == SignalingCloseCode.replaced.rawValue)
        }
    }

    @Test func anOlderConnectionThatLogsInLaterDoesNotTakeOver() async throws {
        try await withServer { server in
            let identity = try Identity.generate()
            // A client that has given one up and begun another, and both logins on their way.
            let (older, olderNonce) = try await RawConnection.challenged(server)
            let (newer, newerNonce) = try await RawConnection.challenged(server)
            try await newer.send(RawConnection.auth(identity, nonce: newerNonce, host: "127.0.0.1"))
            guard case .welcome = try await newer.readFrame().signaling else {
                throw Unmet(description: "no WELCOME")
            }
            try await older.send(RawConnection.auth(identity, nonce: olderNonce, host: "127.0.0.1"))
            #expect(try await older.readFrame().signaling == .goAway(reason: .replaced, retryAfter: 0))
            #expect(try await older.readFrame().closeCode == SignalingCloseCode.replaced.rawValue)
            let alice = try await TestClient.loggedIn(try server.url)
            try await alice.send(.signal(peer: identity.peerID.key, payload: [42]))
            #expect(try await newer.readFrame().signaling == .signal(peer: alice.key, payload: [42]))
            #expect(server.peers == 2 && server.metrics.value("logins_replaced_total") == 1)
        }
    }

    @Test func manyLoginsAtOnceLeaveOne() async throws {
        try await withServer { server in
            let identity = try Identity.generate()
            let all = try await withThrowingTaskGroup(of: RawConnection.self) { group in
                for _ in 0..<24 {
                    group.addTask {
                        let (raw, nonce) = try await RawConnection.challenged(server)
                        try await raw.send(RawConnection.auth(identity, nonce: nonce, host: "127.0.0.1"))
                        return raw
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(all.count == 24)
            try await eventually("one is left") { server.metrics.value("logins_replaced_total") == 23 }
            #expect(server.peers == 1)
            let alice = try await TestClient.loggedIn(try server.url)
            try await alice.send(.signal(peer: identity.peerID.key, payload: [42]))
            let received = try await withThrowingTaskGroup(of: Int.self) { group in
                for raw in all {
                    group.addTask {
                        while case let frame = try await raw.readFrame(), frame.closeCode == nil {
                            if frame.signaling == .signal(peer: alice.key, payload: [42]) { return 1 }
                        }
                        return 0
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(received == 1)
        }
    }
}
