import Identity
import NIOCore
import NIOPosix
import SignalingServer
import TestTools
import Testing
import Wire

@testable import SignalingClient

@Suite struct ClientTests {
    @Test func saysThatNothingListens() async throws {
        let server = try await SignalingServer.start(.loopback(), logger: quiet)
        let url = try server.url
        await server.shutdown()
        let client = try TestClient(url)
        let (reason, retryIn) = try await client.disconnect()
        #expect(reason == .refused("nothing listens there"))
        #expect(retryIn != nil)
    }

    @Test func saysThatThereIsNoSuchHost() async throws {
        let client = try TestClient(try ServerURL("ws://no-such-host.invalid:1"))
        let reason = try await client.disconnect().0
        guard case .network(let text) = reason else { throw Unmet(description: "\(reason)") }
        #expect(text.contains("no such host"))
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "it answers HTTP 200 OK"),
        ("HTTP/1.1 302 \u{1B}[31mFound\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", nil),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "its WebSocket handshake is wrong"
        ),
        ("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}F", "it does not answer in HTTP"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "it does not answer in HTTP"),
        ("", "it closes the connection at once"),
    ])
    func recognisesWhatIsNoSottoServer(answer: String, expected: String?) async throws {
        let fake = try await FakeServer(Array(answer.utf8), closes: true)
        let client = try TestClient(try fake.url())
        let (reason, retryIn) = try await client.disconnect()
        guard case .notSotto(let text) = reason else { throw Unmet(description: "\(reason)") }
        #expect(retryIn != nil && !text.contains("\u{1B}"))
        if let expected { #expect(text == expected) }
    }

    @Test func givesUpOnAServerThatDoesNotAnswer() async throws {
        let fake = try await FakeServer(nil, closes: false)
        var timing = impatient
        timing.connect = .milliseconds(150)
        let client = try TestClient(try fake.url(), timing: timing)
        #expect(try await client.disconnect().0 == .network("the server does not answer"))
    }

    @Test(arguments: [false, true])
    func tellsPlainFromTLS(serverHasTLS: Bool) async throws {
        let files = try await TestCertificate()
        try await withServer {
            if serverHasTLS { $0.tls = files.files }
        } _: { server in
            let url = try ServerURL(isSecure: !serverHasTLS, host: try HostName("127.0.0.1"), port: server.port)
            let client = try TestClient(url)
            let reason = try await client.disconnect().0
            switch reason {
            case .tls where !serverHasTLS, .notSotto where serverHasTLS: break
            default: throw Unmet(description: "\(reason)")
            }
        }
    }

    @Test func sendsNothingWhileNotConnected() async throws {
        let fake = try await FakeServer(nil, closes: false)
        let client = try TestClient(try fake.url())
        #expect(try await !client.send(.signal(peer: client.key, payload: [1])))
        #expect(try await !client.relay(to: client.key, segmentSize: 1, [1]))
    }

    @Test func refusesToSendWhatBreaksTheLimits() async throws {
        try await withServer { server in
            let client = try await TestClient.loggedIn(try server.url)
            #expect(try await !client.send(.signal(peer: client.key, payload: [])))
            #expect(try await !client.relay(to: client.key, segmentSize: 0, [1]))
            #expect(try await !client.relay(to: client.key, segmentSize: 70_000, [1]))
            #expect(try await !client.relay(to: client.key, segmentSize: 1, Array(repeating: 0, count: 129)))
            #expect(try await !client.relay(to: client.key, segmentSize: 1200, Array(repeating: 0, count: 65_472)))
            try await client.send(.signal(peer: client.key, payload: [1]))
            #expect(try await client.signal().payload == [1])
        }
    }

    @Test func dropsPacketsWhenTheServerDoesNotRead() async throws {
        try await withServer {
            $0.limits.bytes = RateLimit(rate: 1, burst: 1)
        } _: { server in
            let client = try await TestClient.loggedIn(try server.url)
            // A thousand times are more than the system keeps of a connection.
            let taken = try await client.client.eventLoop.submit { [client = client.client, key = client.key] in
                let packets = Array(repeating: UInt8(1), count: 65_000)
                return packets.withUnsafeBytes { packets in
                    (0..<1000).prefix { _ in client.sendRelay(to: key, segmentSize: 1000, packets: packets) }.count
                }
            }.get()
            #expect(taken < 1000)
            // Nothing but the packets is lost. The first of them may have come back already.
            let others = client.all.filter { if case .relay = $0 { false } else { true } }
            #expect(others.count == 2)
        }
    }

    @Test func mayBeStoppedAndStartedInEveryState() async throws {
        try await withServer { server in
            let client = try TestClient(try server.url)
            for _ in 0..<20 {
                client.client.stop()
                client.client.start()
                client.client.start()
                client.client.reconnectNow()
            }
            _ = try await client.welcome()
            client.client.stop()
            client.client.stop()
            client.client.reconnectNow()
            // Whatever it was connected to until it was stopped does not count any more.
            try await client.forget()
            try await eventually("gone") { server.peers == 0 }
            client.client.start()
            _ = try await client.welcome()
            #expect(try await client.send(.signal(peer: client.key, payload: [1])))
            #expect(try await client.signal().payload == [1])
        }
    }

    @Test func saysNothingAfterItWasStopped() async throws {
        try await withServer { server in
            let client = try await TestClient.loggedIn(try server.url)
            client.client.stop()
            let count = try await client.client.eventLoop.submit { client.all.count }.get()
            try await eventually("gone") { server.peers == 0 }
            #expect(try await client.client.eventLoop.submit { client.all.count }.get() == count)
        }
    }

    @Test func keepsALiveConnectionWhenTheNetworkMayHaveChanged() async throws {
        try await withServer { server in
            var timing = impatient
            timing.probe = .minutes(10)
            let client = try await TestClient.loggedIn(try server.url, timing: timing)
            client.client.reconnectNow()
            // What comes back was sent after the question.
            try await client.send(.signal(peer: client.key, payload: [0]))
            #expect(try await client.signal().payload == [0])
            try await client.client.eventLoop.submit { [client = client.client] in client.core.value.endProbe() }.get()
            try await client.send(.signal(peer: client.key, payload: [1]))
            #expect(try await client.signal().payload == [1])
            #expect(server.metrics.value("logins_total") == 1)
        }
    }

    @Test func waitsLongerWithEachFailure() {
        var backoff = Backoff(first: .milliseconds(250), last: .seconds(30))
        let most = (0..<12).map { _ in backoff.next(chance: 1).nanoseconds / 1_000_000 }
        #expect(most == [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000])
        backoff.reset()
        #expect(backoff.next(chance: 0) == .milliseconds(125))
        for _ in 0..<200 { #expect(backoff.next(chance: 0) <= .seconds(15)) }
    }
}
