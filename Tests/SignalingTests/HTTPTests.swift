import NIOCore
import SignalingServer
import Testing
import Wire

@Suite struct HTTPTests {
    private func get(_ server: SignalingServer, _ request: String) async throws -> String {
        let raw = try await RawConnection.connect(server.address)
        try await raw.send(request)
        return String(decoding: try await raw.readToEnd(), as: UTF8.self)
    }

    @Test func answersHealthChecks() async throws {
        try await withServer { server in
            let answer = try await get(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\nok\n"))
            let head = try await get(server, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func showsItsCounters() async throws {
        try await withServer { server in
            let client = try await TestClient.loggedIn(try server.url)
            let page = try await get(server, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(page.contains("text/plain; version=0.0.4"))
            #expect(page.contains("\nsotto_signal_logins_total 1\n") && page.contains("\nsotto_signal_peers 1\n"))
            #expect(page.contains("# TYPE sotto_signal_logins_total counter\n"))
            #expect(!page.contains(client.key.description))
        }
    }

    @Test(arguments: [
        ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "426"),
        (RawConnection.handshake.replacing("sotto.v1", with: "other.v1"), "400"),
        (RawConnection.handshake.replacing("Version: 13", with: "Version: 8"), "400"),
        (RawConnection.handshake.replacing("GET / ", with: "GET /other "), "404"),
        (RawConnection.handshake.replacing("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", with: ""), "400"),
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "a", count: 10_000))\r\n\r\n", "400"),
    ])
    func refuses(request: String, status: String) async throws {
        try await withServer { server in
            let answer = try await get(server, request)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
        }
    }

    @Test func survivesAHandshakeCutOrChangedAtEveryByte() async throws {
        try await withServer {
            $0.limits.authentication = .milliseconds(300)
            $0.limits.closing = .milliseconds(300)
            $0.limits.newConnections = RateLimit(rate: 1e6, burst: 1e6)
            $0.limits.connectionsPerAddress = 4096
        } _: { server in
            let handshake = Array(RawConnection.handshake.utf8)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in handshake.indices {
                    group.addTask {
                        let cut = try await RawConnection.connect(server.address)
                        try? await cut.send(Array(handshake[..<index]))
                        let changed = try await RawConnection.connect(server.address)
                        var bytes = handshake
                        bytes[index] ^= UInt8(1 + index % 255)
                        try? await changed.send(bytes + RawConnection.frame(2, [2]))
                        _ = try await cut.readToEnd()
                        _ = try await changed.readToEnd()
                    }
                    if index % 16 == 15 { try await group.next() }
                }
                try await group.waitForAll()
            }
            #expect(try await get(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").hasSuffix("ok\n"))
        }
    }
}
