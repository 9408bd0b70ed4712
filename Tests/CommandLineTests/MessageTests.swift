import Foundation
import NATLab
import Testing

/// What is sent, what is not, and what scripts read and write.
@Suite struct MessageTests {
    @Test(arguments: [
        "hello", " ", "two\nlines\n", "tab\tand \"quotes\" \\ back", "\u{1B}[31mred\u{7}\u{202E}", "👨‍👩‍👧 名前 é", "-n",
        "$(id)",
        String(repeating: "é", count: 32_768),
    ])
    func arrivesAsItWasWritten(text: String) async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let sent = try await pair.alice.json(["send", "bob", "-"], input: text + "\n")
        #expect(sent.status == .code(0), "\(sent)")
        let message = try await listening.event("message")
        #expect(message["text"] == text && message["contact"] == "alice")
        let states = sent.events.filter { $0.name == "state" }.map { $0["state"] }
        #expect(states == ["queued", "delivered"] && sent.events.contains { $0["id"] == message["id"] })
        #expect(try await listening.end() == .code(0) && listening.problems == [])
    }

    @Test func saysDeliveredToPeople() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try pair.bob.start(["listen"])
        try await listening.line("Reachable as sotto1")
        let sent = try await pair.alice.run(["send", "bob", "--", "-x\u{1B}[2J"])
        #expect(sent.status == .code(0) && sent.output == "delivered\n" && sent.errors.isEmpty, "\(sent)")
        try await listening.line("alice: -x")
        try await listening.line("alice: left.")
        #expect(try await listening.end() == .code(0))
        #expect(!listening.lines.contains { $0.text.contains("\u{1B}") } && listening.errorText.isEmpty)
    }

    private static let unsendable: [(String, String)] = [
        ("$sotto --json send bob ''", "an empty message is not sent"),
        ("$sotto --json send bob - </dev/null", "an empty message is not sent"),
        ("echo | $sotto --json send bob -", "an empty message is not sent"),
        ("$sotto --json send bob - <&-", "an empty message is not sent"),
        ("$sotto --json send bob - < /", "cannot read standard input: Is a directory"),
        ("printf 'a\\377b' | $sotto --json send bob -", "the message is not UTF-8"),
        ("head -c 65537 /dev/zero | tr '\\0' a | $sotto --json send bob -", "a message has at most 65536 bytes"),
        ("tr '\\0' a < /dev/zero | $sotto --json send bob -", "a message has at most 65536 bytes"),
    ]

    @Test(arguments: unsendable)
    func saysWhyItIsNotSent(command: String, message: String) async throws {
        let pair = try await Common.shared.onlinePair()
        let outcome = try await pair.alice.shell(command)
        #expect(outcome.status == .code(1) && outcome.events.count == 1)
        #expect(outcome.error?["message"] == message, "\(outcome)")
    }

    @Test func saysThatTheContactIsNotOnline() async throws {
        let pair = try await Common.shared.onlinePair()
        let pinged = try await pair.alice.run(["ping", "bob"])
        #expect(
            pinged.status == .code(1) && pinged.output.isEmpty && pinged.errors == "sotto: bob: not online\n",
            "\(pinged)")
    }

    @Test func saysThatTheContactDoesNotKnowUs() async throws {
        let pair = try await Common.shared.onlinePair()
        let stranger = try await Common.shared.onlinePair()
        // An invite that was never made: its token admits nobody.
        let invite = try #require(try await pair.bob.json(["invite"]).events.first?["uri"])
        let token = try #require(invite.firstRange(of: /t=[^&]+/))
        let forged = invite.replacingCharacters(in: token, with: "t=AAAAAAAAAAAAAAAAAAAAAA")
        let home = User("mallory", in: stranger.folder)
        let server = try await Common.shared.runningServer()
        #expect(try await home.json(["init", "--server", server.url, "--no-passphrase"]).status == .code(0))
        #expect(try await home.json(["add", forged]).status == .code(0))
        let listening = try await pair.listening()
        let sent = try await home.json(["send", "bob", "let me in", "--wait", "delivered", "--timeout", "3"])
        #expect(sent.status == .code(1) && sent.error?["code"] == "undelivered", "\(sent)")
        #expect(try await listening.end() == .code(0))
        #expect(!listening.hasMetAnybody, "\(listening.lines)")
    }

    @Test func whoComesWithAnInviteBecomesAContact() async throws {
        let pair = try await Common.shared.onlinePair()
        let server = try await Common.shared.runningServer()
        let carol = User("carol", in: pair.folder)
        #expect(
            try await carol.json(["init", "--server", server.url, "--no-passphrase", "--name", "alice"]).status
                == .code(0))
        let invite = try #require(try await pair.bob.json(["invite"]).events.first?["uri"])
        #expect(try await carol.json(["add", invite]).status == .code(0))
        let listening = try await pair.listening()
        #expect(try await carol.json(["send", "bob", "hello"]).status == .code(0))
        // The name is taken, so this alice is another one.
        let admitted = try await listening.event("contact")
        #expect(admitted["name"] == "alice 2" && admitted.flag("verified") == false)
        #expect(try await listening.event("message")["contact"] == "alice 2")
        #expect(try await listening.end() == .code(0) && listening.problems == [])
        #expect(try await pair.bob.json(["contacts"]).events.map { $0["name"] } == ["alice", "alice 2"])
    }

    // MARK: Scripts

    @Test func refusesLinesThatItDoesNotUnderstandAndGoesOn() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let chatting = try pair.alice.start(shell: "exec $sotto --json chat bob")
        let wrong = [
            "", "   ", "hello", "{", "[]", "{}", #"{"send":1}"#, #"{"quit":"yes"}"#, #"{"send":""}"#,
            #"{"send":"x","to":"carol"}"#,
        ]
        for line in wrong { try chatting.write(line + "\n") }
        try chatting.write(#"{"send":"\u0041 \ud83d\ude00","later":[1]}"# + "\r\n")
        try await listening.event("message") { $0["text"] == "A 😀" }
        try chatting.write(#"{"quit":true}"# + "\n")
        #expect(try await chatting.exit(within: .seconds(60)) == .code(0))
        let errors = chatting.lines.compactMap { Event($0.text) }.filter { $0.name == "error" }
        #expect(
            errors.map { $0["code"] } == ["input", "input", "input", "input", "input", "input", "message", "contact"],
            "\(errors)")
        #expect(chatting.problems == [] && chatting.errorText.isEmpty)
        try await listening.event("session") { $0["state"] == "offline" && $0["reason"] == "left" }
        #expect(try await listening.end() == .code(0))
    }

    @Test func refusesLinesThatAreTooLongOrNotUTF8() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let script = """
            { head -c 3000000 /dev/zero | tr '\\0' a; echo; printf '{"send":"\\377"}\\n'
              printf '{"send":"'; head -c 65537 /dev/zero | tr '\\0' a; printf '"}\\n'; printf '{"send":"after"}'; } |
            $sotto --json chat bob
            """
        let chatting = try await pair.alice.shell(script)
        #expect(chatting.status == .code(0))
        let errors = chatting.events.filter { $0.name == "error" }
        #expect(errors.map { $0["code"] } == ["input", "input", "message"], "\(errors)")
        // The last line needs no end, and is delivered before the chat leaves.
        try await listening.event("message") { $0["text"] == "after" }
        #expect(try await listening.end() == .code(0))
    }

    @Test func listenAnswersByName() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let chatting = try pair.alice.start(["--json", "chat", "bob"])
        try chatting.write("{\"send\":\"hello\"}\n")
        try await listening.event("message")
        try listening.write(
            "{\"send\":\"to nobody\"}\n{\"to\":\"alice\",\"send\":\"hello yourself\"}\n{\"quit\":true}\n")
        try await chatting.event("message") { $0["text"] == "hello yourself" }
        #expect(try await listening.exit(within: .seconds(60)) == .code(0))
        #expect(listening.lines.compactMap { Event($0.text) }.contains { $0["code"] == "input" })
        try await chatting.event("session") { $0["state"] == "offline" }
        #expect(try await chatting.end() == .code(0))
        #expect(chatting.problems == [] && listening.problems == [])
    }

    @Test func pingAnswersAreEvents() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let pinged = try await pair.alice.json(["ping", "bob", "-c", "3", "-i", "0.05"])
        #expect(pinged.status == .code(0) && pinged.events.filter { $0.name == "pong" }.count == 3, "\(pinged)")
        let shown = try await pair.alice.run(["ping", "bob", "-c", "1"])
        #expect(
            shown.status == .code(0) && shown.output.contains("answer from bob: ")
                && shown.output.contains("1 answer, "))
        #expect(try await listening.end() == .code(0))
    }

    @Test func logsGoToStandardErrorOnly() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening(["--log-level", "debug"])
        let sent = try await pair.alice.json(["send", "bob", "a secret text", "--log-level", "debug"])
        #expect(sent.status == .code(0) && !sent.errors.isEmpty && !sent.errors.contains("a secret text"))
        #expect(try await listening.end() == .code(0))
        #expect(listening.problems == [] && !listening.errorText.contains("a secret text"))
    }

    @Test func netcheckOnTheLoopback() async throws {
        let pair = try await Common.shared.onlinePair()
        let checked = try await pair.alice.json(["netcheck"])
        let event = try #require(checked.events.first)
        #expect(
            checked.status == .code(0) && event.flag("udp_blocked") == false && event["mapping"] == "none", "\(checked)"
        )
        #expect(event["mapped_v4"]?.hasPrefix("127.0.0.1:") == true && event["mapped_v6"] == nil)
        #expect(event.number("relay_rtt_ms") != nil && event.number("stun_rtt_ms") != nil)
        #expect(event["port_mapping"] != nil)
        let shown = try await pair.alice.run(["netcheck", "--no-port-mapping"])
        #expect(shown.status == .code(0) && shown.output.contains("the server sees the address that this device has"))
        #expect(shown.output.contains("not asked for ports"), "\(shown)")
    }

    @Test func netcheckWithoutSTUN() async throws {
        let server = try await Server.start(["--stun", "off"])
        let pair = try await Pair.make(server: server.url)
        let checked = try await pair.alice.json(["netcheck"])
        #expect(checked.status == .code(0) && checked.events.first?.flag("udp_blocked") == nil, "\(checked)")
        #expect(checked.events.first?["mapping"] == nil && checked.events.first?.number("login_ms") != nil)
        let shown = try await pair.alice.run(["netcheck"])
        #expect(shown.output.contains("the server offers no STUN"), "\(shown)")
        await server.process.terminate()
    }
}
