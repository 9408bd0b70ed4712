import Foundation
import NATLab
import TestTools
import Testing

/// The programs on a terminal: script(1) makes one, keys are written to it, and what it shows is read from it.
@Suite struct InteractiveTests {
    /// `$sotto …` on a terminal of 80 columns; afterwards the status and the terminal's settings are printed.
    private func onTerminal(_ user: User, _ command: String) throws -> LabProcess {
        let inner = """
            stty cols 80 rows 24; before=$(stty -g)
            sh -c 'echo "pid $$"; exec \(Programs.sotto) \(command)'; echo "status $?"
            test "$before" = "$(stty -g)" && echo "terminal restored"
            """
        let quoted = inner.replacingOccurrences(of: "'", with: "'\\''")
        return try user.start(
            shell: "export TERM=xterm-256color LC_ALL=C.UTF-8; exec script -qefc '\(quoted)' /dev/null")
    }

    private func processID(_ terminal: LabProcess) async throws -> Int32 {
        let line = try await terminal.line("pid ")
        return try #require(line.split(whereSeparator: { !$0.isNumber }).last.flatMap { Int32($0) })
    }

    /// Everything the terminal was told, control sequences included: without line ends there are no lines, so all of it is looked at.
    private func shows(_ text: String, _ terminal: LabProcess) async throws {
        try await terminal.text(text)
    }

    @Test func chatsAndLeavesWithControlD() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let terminal = try onTerminal(pair.alice, "chat bob")
        try await shows("bob is here", terminal)
        try terminal.write("hello from a terminal\r")
        try await listening.event("message") { $0["text"] == "hello from a terminal" }
        try terminal.write("half a line")
        try listening.write("{\"to\":\"alice\",\"send\":\"evil \\u001b]0;title\\u0007 \\u202e text\"}\n")
        try await shows("evil", terminal)
        // The line that was being typed is still there, and can be sent.
        try terminal.write(" and the rest\r")
        try await listening.event("message") { $0["text"] == "half a line and the rest" }
        // Several lines pasted are one message, sent when the user says so.
        try terminal.write("\u{1B}[200~one\ntwo\u{1B}[201~")
        try terminal.write("\r")
        try await listening.event("message") { $0["text"] == "one\ntwo" }
        try terminal.write("\u{04}")
        try await shows("terminal restored", terminal)
        #expect(terminal.everything.contains("status 0") && !terminal.everything.contains("\u{1B}]0;title"))
        try await listening.event("session") { $0["reason"] == "left" }
        #expect(try await listening.end() == .code(0))
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func aSignalLeavesAndRestoresTheTerminal(signal: Int32) async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let terminal = try onTerminal(pair.alice, "chat bob")
        try await shows("bob is here", terminal)
        try await listening.event("session") { $0["state"] == "online" }
        kill(try await processID(terminal), signal)
        try await shows("terminal restored", terminal)
        #expect(terminal.everything.contains("status 0"))
        try await listening.event("session") { $0["reason"] == "left" }
        #expect(try await listening.end() == .code(0))
    }

    @Test func controlZSuspendsUntilTheShellContinues() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let script = "set -m; \(Programs.sotto) chat bob; echo \"stopped $?\"; read line; fg; echo \"status $?\""
        let terminal = try pair.alice.start(
            shell: "export TERM=xterm-256color LC_ALL=C.UTF-8; exec script -qefc '\(script)' /dev/null")
        try await shows("bob is here", terminal)
        try terminal.write("half a ")
        try terminal.write("\u{1A}")
        try await shows("stopped 148", terminal)
        try terminal.write("\r")
        // The shell names what it continues, and the chat takes the terminal over again.
        try await shows("chat bob\r\n\u{1B}[?2004h", terminal)
        try terminal.write("line\r")
        try await listening.event("message") { $0["text"] == "half a line" }
        try terminal.write("\u{04}")
        try await shows("status 0", terminal)
        #expect(try await listening.end() == .code(0))
    }

    @Test func whatWaitsIsStoredWhenTheChatEnds() async throws {
        let pair = try await Common.shared.onlinePair()
        let terminal = try onTerminal(pair.alice, "chat bob")
        try await shows("not online", terminal)
        try terminal.write("are you there?\r")
        try await shows("the message is stored, and waits here", terminal)
        try terminal.write("\u{03}")
        try await shows("1 message not delivered yet", terminal)
        try await shows("terminal restored", terminal)
        #expect(terminal.everything.contains("status 0"))
        // Bob comes, and Alice too.
        let listening = try await pair.listening()
        let again = try onTerminal(pair.alice, "chat bob")
        try await shows("are you there?  (waiting)", again)
        try await listening.event("message") { $0["text"] == "are you there?" }
        try again.write("/quit\r")
        try await shows("terminal restored", again)
        #expect(try await listening.end() == .code(0))
    }

    @Test func showsWhatWasSaidAndTakesCommands() async throws {
        let pair = try await Common.shared.onlinePair()
        for text in ["first question", "second question"] {
            #expect(try await pair.bob.json(["send", "alice", text, "--wait", "queued"]).status == .code(0))
        }
        let listening = try await pair.listening()
        let terminal = try onTerminal(pair.alice, "chat bob")
        try await shows("second question", terminal)
        try terminal.write("/reply ^2 the first answer\r")
        let answer = try await listening.event("message") { $0["text"] == "the first answer" }
        #expect(answer["reply_to"] != nil)
        try terminal.write("/edit the better answer\r")
        try await listening.event("changed") { $0["text"] == "the better answer" && $0.flag("edited") == true }
        try terminal.write("/react 👍\r")
        try await listening.event("changed") { $0["text"] == "second question" }
        try await shows("you reacted 👍", terminal)
        try listening.write("{\"to\":\"alice\",\"typing\":true}\n")
        try await shows("is writing", terminal)
        try terminal.write("half a lin")
        try await listening.event("typing") { $0.flag("typing") == true }
        try terminal.write("\u{15}/search BETTER\r")
        try await shows("1 message found", terminal)
        try terminal.write("/verify\r")
        try await shows("the same on both sides", terminal)
        try terminal.write("/disappear 5m\r")
        try await shows("messages disappear 5m after they were read", terminal)
        try terminal.write("/nonsense\r//slash\r")
        try await shows("there is no command /nonsense", terminal)
        let slash = try await listening.event("message") { $0["text"] == "/slash" }
        #expect(slash.number("expires_after_s") == 300)
        try terminal.write("/delete\r")
        try await listening.event("changed") { $0.flag("deleted") == true }
        try terminal.write("\u{04}")
        try await shows("terminal restored", terminal)
        #expect(try await listening.end() == .code(0) && listening.problems == [])
    }

    @Test func saysWhenTheServerIsGoneAndBack() async throws {
        let first = try await Server.start()
        let pair = try await Pair.make(server: first.url)
        let terminal = try onTerminal(pair.alice, "chat bob")
        try await shows("not online", terminal)
        await first.process.terminate()
        try await shows("no connection to the server", terminal)
        let second = try await Server.start(port: first.port)
        try await shows("connected to the server again", terminal)
        try terminal.write("\u{04}")
        try await shows("terminal restored", terminal)
        await second.process.terminate()
    }

    // MARK: Passphrases

    @Test func asksTwiceForANewPassphraseAndShowsNothingOfIt() async throws {
        let folder = try TemporaryFolder("cli")
        let user = User("home", in: folder)
        let making = try onTerminal(user, "init --server ws://127.0.0.1")
        try await shows("New passphrase: ", making)
        try making.write("correct horse\r")
        try await shows("(again): ", making)
        try making.write("correct horse\r")
        try await shows("terminal restored", making)
        #expect(making.everything.contains("status 0") && !making.everything.contains("horse"))

        let opening = try onTerminal(user, "contacts")
        try await shows("Passphrase: ", opening)
        try opening.write("wrong\r")
        try await shows("terminal restored", opening)
        #expect(opening.everything.contains("wrong passphrase") && opening.everything.contains("status 1"))
    }

    @Test(arguments: [
        ("one\r", "two\r", "the two passphrases differ"), ("\r", "", "the passphrase is empty"),
        ("x\u{03}", "", "cancelled"),
    ])
    func refusesWithoutATrace(first: String, second: String, message: String) async throws {
        let folder = try TemporaryFolder("cli")
        let user = User("home", in: folder)
        let making = try onTerminal(user, "init --server ws://127.0.0.1")
        try await shows("New passphrase: ", making)
        try making.write(first)
        if !second.isEmpty {
            try await shows("(again): ", making)
            try making.write(second)
        }
        try await shows("terminal restored", making)
        #expect(making.everything.contains(message) && making.everything.contains("status 1"), "\(making.everything)")
        #expect(try Snapshot(user.home).isEmpty)
    }
}
