import Identity
import NIOCore
import SignalingClient
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct LifecycleTests {
    /// Far longer than a test takes: beats come when the test says so.
    private let heartbeat = TimeAmount.minutes(10)

    @Test func closesWhoDoesNotAnswerPings() async throws {
        try await withServer {
            $0.limits.heartbeat = heartbeat
        } _: { server in
            let (raw, _) = try await RawConnection.loggedIn(server)
            let start = NIODeadline.now()
            for beat in 1...3 { try await server.sweep(now: start + heartbeat * beat) }
            for _ in 0..<2 { #expect(try await raw.readFrame(pings: true).opcode == 9) }
            #expect(try await raw.readFrame(pings: true).closeCode == SignalingCloseCode.heartbeatTimeout.rawValue)
        }
    }

    @Test func keepsWhoAnswersPings() async throws {
        try await withServer {
            $0.limits.heartbeat = heartbeat
        } _: { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            let start = NIODeadline.now()
            for beat in 1...6 {
                try await server.sweep(now: start + heartbeat * beat)
                let frame = try await raw.readFrame(pings: true)
                #expect(frame.opcode == 9)
                try await raw.send(10, frame.payload)
                // What came after the answer has arrived, so the answer has.
                let signal = SignalingFrame.signal(peer: key, payload: [UInt8(beat)])
                try await raw.send(signal)
                #expect(try await raw.readFrame(pings: true).signaling == signal)
            }
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
        // Nothing else would end the connection.
        configuration.limits.closing = .minutes(10)
        configuration.limits.heartbeat = .minutes(10)
        let server = try await SignalingServer.start(configuration, logger: quiet)
        let (raw, _) = try await RawConnection.loggedIn(server)
        let isStopped = EventLog<Void>()
        Task {
            await server.shutdown()
            isStopped.append(())
        }
        try await isStopped.next("the end") { $0 }
        #expect(try await raw.readFrame().signaling != nil)
        #expect(try await raw.readFrame().closeCode == 1001)
        #expect(try await raw.readToEnd() == [])
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
