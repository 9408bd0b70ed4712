import Testing

@testable import sotto

@Suite struct ChatCommandTests {
    @Test(arguments: [
        ("hello", ChatCommand.send("hello")), (" /x", .send(" /x")), ("//etc/fstab", .send("/etc/fstab")),
        ("/reply yes", .reply(1, "yes")), ("/reply ^3 yes  no", .reply(3, "yes  no")),
        ("/edit new\ntext", .edit(1, "new\ntext")),
        ("/edit ^2 x", .edit(2, "x")), ("/delete", .delete(1)), ("/delete ^12", .delete(12)),
        ("/react 👍", .react(1, "👍")),
        ("/react", .react(1, "")), ("/react ^2", .react(2, "")), ("/search two words", .search("two words")),
        ("/history", .history(20)), ("/history 5", .history(5)), ("/disappear off", .disappear(nil)),
        ("/disappear 7d", .disappear(604_800)), ("/verify", .verify(confirmed: false)),
        ("/verify yes", .verify(confirmed: true)), ("/help", .help), ("/quit", .quit),
    ])
    func understands(line: String, command: ChatCommand) {
        #expect(ChatCommand(line) == command)
    }

    @Test(arguments: [
        "/nonsense", "/", "/reply", "/reply ^2", "/reply ^x y", "/reply ^0 y", "/edit", "/delete all", "/search",
        "/history x", "/history 0", "/disappear", "/disappear 0s", "/verify no", "/etc/fstab",
        "/react ^99999999999999999999 x",
    ])
    func sendsNothingThatLooksLikeACommand(line: String) {
        guard case .wrong(let why) = ChatCommand(line) else {
            Issue.record("\(ChatCommand(line))")
            return
        }
        #expect(!why.isEmpty)
    }

    @Test(
        arguments: [
            ("30", 30), ("30s", 30), ("5m", 300), ("12h", 43_200), ("7d", 604_800), ("4w", 2_419_200),
            ("4294967295s", .max),
        ] as [(String, UInt32)])
    func readsSpansOfTime(text: String, seconds: UInt32) {
        #expect(DurationText.seconds(text) == seconds)
        #expect(DurationText.seconds(DurationText.text(seconds)) == seconds)
    }

    @Test(arguments: ["", "0", "0d", "m", "-1s", "+1s", "1.5h", "7 d", "4294967296", "99999999w", "٣s"])
    func refusesWhatIsNoSpanOfTime(text: String) {
        #expect(DurationText.seconds(text) == nil)
    }
}
