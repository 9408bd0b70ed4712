import Foundation
import NATLab
import TestTools
import Testing

/// What is not a Sotto server, or not an honest one.
@Suite struct ServerTroubleTests {
    /// Two people whose server is at this URL.
    private func pair(at url: String) async throws -> Pair { try await Pair.make(server: url) }

    private static func expected(_ manner: FakeServer.Manner) -> String {
        switch manner {
        case .garbage: "this is no Sotto server: it does not answer in HTTP"
        case .hangsUp: "this is no Sotto server: it closes the connection at once"
        case .webPage: "this is no Sotto server: it answers HTTP 200 OK"
        case .rudeWebPage: "this is no Sotto server: "
        case .otherProtocol: "this is no Sotto server: it speaks something else over WebSocket"
        case .wrongAccept: "this is no Sotto server: its WebSocket handshake is wrong"
        case .endlessHeaders: "this is no Sotto server: it does not answer in HTTP"
        case .silent: "the server does not answer"
        }
    }

    @Test(arguments: FakeServer.Manner.allCases)
    func saysWhatListensThere(manner: FakeServer.Manner) async throws {
        let fake = try FakeServer(manner)
        let pair = try await pair(at: fake.url)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for command in [
                ["send", "bob", "hello", "--wait", "delivered", "--timeout", "15"], ["ping", "bob"], ["netcheck"],
            ] {
                // One home is online once at a time.
                let user = command[0] == "send" ? pair.alice : try copy(of: pair.alice, command[0])
                group.addTask {
                    let outcome = try await user.json(command)
                    let message = outcome.error?["message"] ?? ""
                    #expect(outcome.status == .code(1) && outcome.error?["code"] == "server", "\(command) \(outcome)")
                    #expect(message.hasPrefix(Self.expected(manner)), "\(command): \(message)")
                    guard command[0] == "send" else { return }
                    // Nothing is lost by that.
                    let waiting = try await user.json(["history", "bob"])
                    #expect(waiting.events.map { $0["state"] } == ["queued"], "\(waiting)")
                }
            }
            group.addTask { try await keepsTrying(pair.bob, Self.expected(manner)) }
            try await group.waitForAll()
        }
        withExtendedLifetime(fake) {}
    }

    private func copy(of user: User, _ name: String) throws -> User {
        let copy = User("\(URL(filePath: user.home).lastPathComponent)-\(name)", in: user.folder)
        try FileManager.default.copyItem(atPath: user.home, toPath: copy.home)
        return copy
    }

    /// `listen` says what is wrong and when it tries again, and leaves when asked.
    private func keepsTrying(_ user: User, _ reason: String) async throws {
        let listening = try user.start(["--json", "listen"])
        let event = try await listening.event("signaling")
        #expect(event["reason"]?.hasPrefix(reason) == true && event.number("retry_in_s") != nil, "\(event)")
        #expect(try await listening.end() == .code(0))
        #expect(listening.problems == [])
    }

    @Test func aServerThatIsDownIsNamedAtOnce() async throws {
        let server = try await Server.start()
        let pair = try await pair(at: server.url)
        await server.process.terminate()
        let sent = try await pair.alice.json(["send", "bob", "hello", "--wait", "delivered", "--timeout", "1"])
        #expect(sent.status == .code(1) && sent.error?["code"] == "server")
        #expect(sent.error?["message"]?.contains("nothing listens there") == true, "\(sent)")
        #expect(sent.error?["message"]?.contains("the message waits on this device") == true, "\(sent)")
        // Without demands that is success: the message is stored, and goes out later.
        let left = try await pair.alice.json(["send", "bob", "hello", "--timeout", "1"])
        #expect(left.status == .code(0) && left.error == nil, "\(left)")
        #expect(
            left.events.last?["kind"] == "waiting" && left.events.last?["message"]?.contains("nothing listens") == true)
        let text = try await pair.alice.run(["ping", "bob"])
        #expect(text.status == .code(1) && text.output.isEmpty)
        #expect(text.errors.split(separator: "\n").count == 1, "\(text.errors)")
        try await keepsTrying(pair.bob, "the server refuses: nothing listens there")
    }

    @Test func aNameWithoutAnAddressIsNamed() async throws {
        let pair = try await pair(at: "ws://nowhere.invalid:8080")
        let sent = try await pair.alice.json(["send", "bob", "hello", "--wait", "sent", "--timeout", "3"])
        #expect(sent.status == .code(1) && sent.error?["message"]?.contains("no such host") == true, "\(sent)")
    }

    @Test func comesBackWhenTheServerDoes() async throws {
        let first = try await Server.start()
        let pair = try await pair(at: first.url)
        let listening = try await pair.listening()
        let chatting = try pair.alice.start(["--json", "chat", "bob"])
        try chatting.write("{\"send\":\"before\"}\n")
        try await listening.event("message") { $0["text"] == "before" }
        await first.process.terminate()
        try await listening.event("signaling")
        try await chatting.event("signaling")
        try chatting.write("{\"send\":\"meanwhile\"}\n")
        let second = try await Server.start(port: first.port)
        try await listening.event("message") { $0["text"] == "meanwhile" }
        for process in [listening, chatting] {
            _ = try await process.firstOutput("second login") { lines in
                lines.count { Event($0.text)?.name == "ready" } >= 2 ? () : nil
            }
            let status = try await process.end()
            #expect(
                status == .code(0) && process.errorText == "", "\(process.lines.map(\.text)) \(process.errorText)")
            #expect(process.problems == [])
        }
        await second.process.terminate()
    }

    // MARK: Certificates

    @Test func aCertificateOfNobodyIsRefusedUntilItIsTrusted() async throws {
        let folder = try TemporaryFolder("cli")
        let made = try await Shell.finish(
            "/usr/bin/env",
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2",
                "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(folder.path)/key.pem",
                "-out",
                "\(folder.path)/cert.pem",
            ], input: "", within: .seconds(60))
        try #require(made.status == .code(0), "\(made.errors)")
        let server = try await Server.start([
            "--tls-cert", "\(folder.path)/cert.pem", "--tls-key", "\(folder.path)/key.pem",
        ])
        #expect(server.url.hasPrefix("wss://"))
        let pair = try await pair(at: server.url)

        let demands = ["--wait", "delivered", "--timeout", "3"]
        let refused = try await pair.alice.json(["send", "bob", "hello"] + demands)
        #expect(refused.status == .code(1) && refused.error?["message"]?.contains("certificate") == true, "\(refused)")
        let bad = try folder.write("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        for file in ["/nonexistent", "/dev/null", bad] {
            let outcome = try await pair.alice.json(["send", "bob", "hello", "--ca-file", file] + demands)
            #expect(outcome.status == .code(1) && outcome.error?["message"]?.contains(file) == true, "\(outcome)")
        }
        let trust = ["--ca-file", "\(folder.path)/cert.pem"]
        let listening = try await pair.listening(trust)
        #expect(try await pair.alice.json(["send", "bob", "hello"] + trust).status == .code(0))
        try await listening.event("message") { $0["text"] == "hello" }
        #expect(try await listening.end() == .code(0))

        // ws to wss, and wss to ws.
        let mistaken = try await self.pair(at: "ws://127.0.0.1:\(server.port)")
        let plain = try await mistaken.alice.json(["netcheck"])
        #expect(plain.status == .code(1) && plain.error?["code"] == "server", "\(plain)")
        let common = try await Common.shared.runningServer()
        let cautious = try await self.pair(at: "wss://127.0.0.1:\(common.port)")
        let secure = try await cautious.alice.json(["netcheck"])
        #expect(secure.error?["message"]?.contains("is it ws:// instead of wss://?") == true, "\(secure)")
        await server.process.terminate()
    }

    // MARK: Lies

    @Test func aServerCannotPutSomebodyElseInTheContactsPlace() async throws {
        let honest = try await Server.start()
        let (bob, mallory) = (Watched<[UInt8]>([]), Watched<[UInt8]>([]))
        let liar = try LyingServer(before: honest.port) { direction, message in
            let (from, to) = direction == .fromClient ? (bob.value, mallory.value) : (mallory.value, bob.value)
            SignalingBytes.replacePeer(from, by: to, in: &message)
        }
        // Mallory and Alice are contacts, so that nothing but the keys stands in the way.
        let pair = try await pair(at: "ws://127.0.0.1:\(liar.port)")
        let other = try await self.pair(at: honest.url)
        let introduced = try await other.bob.json([
            "add", try #require(try await pair.alice.json(["invite"]).events.first?["uri"]), "--as", "victim",
        ])
        #expect(introduced.status == .code(0))
        let bobsID = try #require(try await pair.bob.json(["id"]).events.first?["peer"])
        let mallorysID = try #require(try await other.bob.json(["id"]).events.first?["peer"])
        bob.update { $0 = SignalingBytes.peer(bobsID) }
        mallory.update { $0 = SignalingBytes.peer(mallorysID) }

        let listening = try await other.listening()
        let sent = try await pair.alice.json(["send", "bob", "for bob alone", "--wait", "delivered", "--timeout", "3"])
        #expect(sent.status == .code(1) && sent.error?["code"] == "undelivered", "\(sent)")
        #expect(!sent.events.contains { $0.name == "session" && $0["state"] == "online" }, "\(sent)")
        #expect(try await listening.end() == .code(0))
        #expect(!listening.hasMetAnybody)
        await honest.process.terminate()
    }

    @Test func aServerCannotPassOneContactOffAsAnother() async throws {
        let honest = try await Server.start()
        let (bob, carol) = (Watched<[UInt8]>([]), Watched<[UInt8]>([]))
        let liar = try LyingServer(before: honest.port) { direction, message in
            let (from, to) = direction == .fromClient ? (carol.value, bob.value) : (bob.value, carol.value)
            SignalingBytes.replacePeer(from, by: to, in: &message)
        }
        // Alice listens through the liar; bob and carol are her contacts; bob writes.
        let pair = try await pair(at: honest.url)
        let friend = try await self.pair(at: honest.url)
        let alice = User("victim", in: pair.folder)
        let started = try await alice.json([
            "init", "--server", "ws://127.0.0.1:\(liar.port)", "--no-passphrase", "--name", "alice",
        ])
        #expect(started.status == .code(0))
        for (user, name) in [(pair.bob, "bob"), (friend.bob, "carol")] {
            let invite = try #require(try await user.json(["invite"]).events.first?["uri"])
            #expect(try await alice.json(["add", invite, "--as", name]).status == .code(0))
        }
        let invite = try #require(try await alice.json(["invite"]).events.first?["uri"])
        #expect(try await pair.bob.json(["add", invite, "--as", "victim"]).status == .code(0))
        let bobsID = try #require(try await pair.bob.json(["id"]).events.first?["peer"])
        let carolsID = try #require(try await friend.bob.json(["id"]).events.first?["peer"])
        bob.update { $0 = SignalingBytes.peer(bobsID) }
        carol.update { $0 = SignalingBytes.peer(carolsID) }

        let listening = try alice.start(["--json", "listen"])
        try await listening.event("ready")
        let sent = try await pair.bob.json(["send", "victim", "I am carol", "--wait", "delivered", "--timeout", "3"])
        #expect(sent.status == .code(1) && sent.error?["code"] == "undelivered", "\(sent)")
        #expect(try await listening.end() == .code(0))
        #expect(!listening.hasMetAnybody)
        await honest.process.terminate()
    }
}
