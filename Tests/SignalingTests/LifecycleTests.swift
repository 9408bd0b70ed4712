import Identity
import NIOCore
import SignalingClient
import SignalingServer
import Testing
import Wire

@Suite struct LifecycleTests {
    @Test func closesWhoDoesNotAnswerPings() async throws {
        try await withServer {
            $0.limits.heartbeat = .milliseconds(60)
        } _: { server in
            let (raw, _) = try await RawConnection.loggedIn(server)
            var pings = 0
            while true {
                let frame = try await raw.readFrame(pings: true)
                if frame.opcode == 9 { pings += 1 }
                guard let code = frame.closeCode else { continue }
                #expect(code == SignalingCloseCode.heartbeatTimeout.rawValue)
                break
            }
            #expect(pings == 2)
        }
    }

    @Test func keepsWhoAnswersPings() async throws {
        try await withServer {
            $0.limits.heartbeat = .milliseconds(400)
        } _: { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            for _ in 0..<4 {
                let frame = try await raw.readFrame(pings: true)
                #expect(frame.opcode == 9)
                try await raw.send(10, frame.payload)
            }
            try await raw.send(.signal(peer: key, payload: [1]))
            while try await raw.readFrame(pings: false).signaling != .signal(peer: key, payload: [1]) {}
        }
    }

    @Test func clientLeavesAServerThatFallsSilent() async throws {
        try await withServer { server in
            var timing = impatient
            timing.heartbeat = .milliseconds(80)
            let client = try await TestClient.loggedIn(try server.url, timing: timing)
            #expect(try await client.disconnect().0 == .heartbeat)
            _ = try await client.welcome()
        }
    }

    @Test func saysGoAwayToEverybodyAtTheEnd() async throws {
        let server = try await SignalingServer.start(.loopback(), logger: quiet)
        let (raw, _) = try await RawConnection.loggedIn(server)
        let client = try await TestClient.loggedIn(try server.url)
        async let stopped: Void = server.shutdown()
        guard case .goAway(.shutdown, let retryAfter) = try await raw.readFrame().signaling else {
            throw Unmet(description: "no GOAWAY")
        }
        #expect((500...5000).contains(retryAfter))
        #expect(try await raw.readFrame().closeCode == 1001)
        let (reason, retryIn) = try await client.disconnect()
        let wait = try #require(retryIn)
        #expect(reason == .goAway && (0.5...5).contains(wait))
        try await raw.channel.close()
        await stopped
        await server.shutdown()
    }

    @Test func endsInTimeThoughAClientDoesNotLeave() async throws {
        var configuration = ServerConfiguration.loopback()
        configuration.limits.shutdown = .milliseconds(300)
        let server = try await SignalingServer.start(configuration, logger: quiet)
        let (raw, _) = try await RawConnection.loggedIn(server)
        let start = ContinuousClock.now
        await server.shutdown()
        // The default is five seconds; a loaded machine is late by itself.
        #expect(ContinuousClock.now - start < .seconds(5))
        _ = raw
    }

    @Test func reconnectsWhenTheServerIsBack() async throws {
        var configuration = ServerConfiguration.loopback()
        let first = try await SignalingServer.start(configuration, logger: quiet)
        let url = try first.url
        let client = try await TestClient.loggedIn(url)
        await first.shutdown()
        #expect(try await client.disconnect().0 == .goAway)
        client.client.reconnectNow()
        #expect(try await client.disconnect().0 == .refused("nothing listens there"))
        configuration.listen = ListenAddress(host: url.host, port: url.port)
        let second = try await SignalingServer.start(configuration, logger: quiet)
        _ = try await client.welcome()
        try await client.send(.signal(peer: client.key, payload: [1]))
        #expect(try await client.signal().payload == [1])
        client.client.stop()
        await second.shutdown()
    }

    @Test func saysThatAPortIsInUse() async throws {
        try await withServer { server in
            var configuration = ServerConfiguration.loopback()
            configuration.listen = ListenAddress(host: try server.url.host, port: server.port)
            await #expect(throws: ServerError.listen(address: "127.0.0.1:\(server.port)", reason: "the port is in use"))
            {
                try await SignalingServer.start(configuration, logger: quiet)
            }
            configuration.listen = ListenAddress(host: try server.url.host, port: 0)
            let stun = try #require(server.stunAddress?.port)
            configuration.stun = ListenAddress(host: try server.url.host, port: UInt16(stun))
            await #expect(throws: ServerError.listen(address: "127.0.0.1:\(stun)", reason: "the port is in use")) {
                try await SignalingServer.start(configuration, logger: quiet)
            }
            configuration.stun = ListenAddress(host: try server.url.host, port: 0)
            configuration.secondSTUN = .at(ListenAddress(host: try server.url.host, port: UInt16(stun)))
            await #expect(throws: ServerError.listen(address: "127.0.0.1:\(stun)", reason: "the port is in use")) {
                try await SignalingServer.start(configuration, logger: quiet)
            }
        }
    }
}
