import Identity
import NIOCore
import NIOPosix
import SignalingClient
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct LoginTests {
    @Test func refusesAWrongSignature() async throws {
        try await withServer { server in
            let events = EventLog<SignalingEvent>()
            let client = SignalingClient(
                url: try server.url, peer: try Identity.generate().peerID.key,
                sign: { _ in Array(repeating: 1, count: 64) }, eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
                logger: quiet, events: { events.append($0) })
            client.start()
            let (reason, retryIn) = try await events.next("disconnect") {
                if case .disconnected(let reason, let retryIn) = $0 { (reason, retryIn) } else { nil }
            }
            #expect(reason == .authenticationFailed && retryIn == nil)
            #expect(server.metrics.value("login_failures_total") == 1 && server.peers == 0)
        }
    }

    @Test func refusesKeysThatNobodyCanOwn() async throws {
        try await withServer { server in
            for byte in [UInt8(0), 1, 0xFF] {
                let (raw, _) = try await RawConnection.challenged(server)
                let peer = try PeerKey([byte] + Array(repeating: byte == 0xFF ? 0xFF : 0, count: 31))
                try await raw.send(.auth(peer: peer, signature: Array(repeating: 0, count: 64), features: 0))
                #expect(try await raw.readFrame().closeCode == SignalingCloseCode.authenticationFailed.rawValue)
            }
        }
    }

    @Test func refusesALoginThatWasMeantForAnotherServer() async throws {
        try await withServer { server in
            let (raw, nonce) = try await RawConnection.challenged(server)
            try await raw.send(RawConnection.auth(try .generate(), nonce: nonce, host: "evil.example"))
            #expect(try await raw.readFrame().closeCode == SignalingCloseCode.authenticationFailed.rawValue)
            #expect(server.peers == 0)
        }
    }

    @Test func refusesALoginWithTheNonceOfAnotherConnection() async throws {
        try await withServer { server in
            let (_, stale) = try await RawConnection.challenged(server)
            let (raw, _) = try await RawConnection.challenged(server)
            try await raw.send(RawConnection.auth(try .generate(), nonce: stale, host: "127.0.0.1"))
            #expect(try await raw.readFrame().closeCode == SignalingCloseCode.authenticationFailed.rawValue)
        }
    }

    @Test func saysHowToConfigureANameThatItDoesNotKnow() async throws {
        try await withServer { server in
            let (raw, nonce) = try await RawConnection.challenged(server, host: "chat.example:8080")
            try await raw.send(RawConnection.auth(try .generate(), nonce: nonce, host: "chat.example"))
            let close = try await raw.readFrame()
            #expect(close.closeCode == SignalingCloseCode.wrongHost.rawValue)
            #expect(close.reason.contains("--host chat.example"))
        }
    }

    @Test func keepsTheReasonWithinACloseFrame() async throws {
        try await withServer { server in
            let name = (0..<4).map { _ in String(repeating: "a", count: 60) }.joined(separator: ".")
            let (raw, nonce) = try await RawConnection.challenged(server, host: name)
            try await raw.send(RawConnection.auth(try .generate(), nonce: nonce, host: name))
            let close = try await raw.readFrame()
            #expect(close.closeCode == SignalingCloseCode.wrongHost.rawValue && close.payload.count <= 125)
        }
    }

    @Test(arguments: ["chat.example", "127.0.0.1", "localhost"])
    func acceptsItsOwnNames(host: String) async throws {
        try await withServer {
            $0.hosts = [try HostName("other.example"), try HostName("chat.example")]
        } _: { server in
            // A proxy may have written anything into the Host header.
            let (raw, nonce) = try await RawConnection.challenged(server, host: "backend.internal")
            try await raw.send(RawConnection.auth(try .generate(), nonce: nonce, host: host))
            guard case .welcome = try await raw.readFrame().signaling else { throw Unmet(description: "no WELCOME") }
        }
    }

    @Test func acceptsAClientThatDialsANameOrIPv6() async throws {
        try await withServer { server in
            let byName = try ServerURL("ws://localhost:\(server.port)")
            _ = try await TestClient.loggedIn(byName)
        }
        var configuration = ServerConfiguration.loopback(.v6(0, 0, 0, 0, 0, 0, 0, 1))
        configuration.stun = nil
        let server = try await SignalingServer.start(configuration, logger: quiet)
        let client = try await TestClient.loggedIn(try ServerURL("ws://[::1]:\(server.port)"))
        client.client.stop()
        await server.shutdown()
    }

    @Test func endsAConnectionThatDoesNotLogIn() async throws {
        try await withServer {
            $0.limits.authentication = .seconds(3)
        } _: { server in
            let (raw, _) = try await RawConnection.challenged(server)
            #expect(try await raw.readFrame().closeCode == SignalingCloseCode.authenticationTimeout.rawValue)
        }
    }

    @Test(arguments: ["", "GET / HT"])
    func endsAConnectionThatAsksForNothing(start: String) async throws {
        try await withServer {
            $0.limits.authentication = .milliseconds(100)
        } _: { server in
            let raw = try await RawConnection.connect(server.address)
            if !start.isEmpty { try? await raw.send(start) }
            #expect(try await raw.readToEnd() == [])
        }
    }

    @Test func takesNothingButAUTHBeforeTheLogin() async throws {
        try await withServer { server in
            let peer = try Identity.generate().peerID.key
            for frame in [
                SignalingFrame.signal(peer: peer, payload: [1]), .relay(peer: peer, segmentSize: 1, packets: [1]),
                .goAway(reason: .shutdown, retryAfter: 0),
            ] {
                let (raw, _) = try await RawConnection.challenged(server)
                try await raw.send(frame)
                #expect(try await raw.readFrame().closeCode == SignalingCloseCode.protocolError.rawValue)
            }
        }
    }

    @Test func takesAUTHOnlyOnce() async throws {
        try await withServer { server in
            let identity = try Identity.generate()
            let (raw, nonce) = try await RawConnection.challenged(server)
            let auth = try RawConnection.auth(identity, nonce: nonce, host: "127.0.0.1")
            try await raw.send(auth)
            guard case .welcome = try await raw.readFrame().signaling else { throw Unmet(description: "no WELCOME") }
            try await raw.send(auth)
            #expect(try await raw.readFrame().closeCode == SignalingCloseCode.protocolError.rawValue)
        }
    }

    /// Clients wait for WELCOME. Who does not is served, or closed for a frame that came too early.
    @Test(arguments: [20, 2000, 16_000])
    func mayTakeFramesThatComeTogetherWithTheLogin(count: Int) async throws {
        try await withServer { server in
            let identity = try Identity.generate()
            let (raw, nonce) = try await RawConnection.challenged(server)
            let auth = try RawConnection.auth(identity, nonce: nonce, host: "127.0.0.1").encode()
            let early = SignalingFrame.signal(peer: identity.peerID.key, payload: Array(repeating: 5, count: count))
            try await raw.send(RawConnection.frame(2, auth) + RawConnection.frame(2, try early.encode()))
            var frame = try await raw.readFrame()
            if case .welcome = frame.signaling { frame = try await raw.readFrame() }
            #expect(frame.signaling == early || frame.closeCode == SignalingCloseCode.frameTooLarge.rawValue)
        }
    }
}
