import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import sotto

/// What the user sees, on a small emulated terminal.
@Suite struct ChatScreenTests {
    private static let time = Date(timeIntervalSince1970: 1_800_000_000)
    private static let esc = "\u{1B}"

    private func chat(
        columns: Int = 60, height: Int = 10, color: Bool = false
    ) -> (terminal: TestTerminal, screen: ChatScreen) {
        let terminal = TestTerminal(columns: columns, height: height, color: color)
        let status = ChatStatus(path: .relay, rttMilliseconds: 12.3, verified: false, connected: true)
        return (terminal, ChatScreen(contact: "bob", terminal: terminal, status: status))
    }

    /// The screen with the time of day, which depends on where one is, made `00:00`.
    private func rows(_ terminal: TestTerminal) -> [String] {
        #expect(terminal.screen.unknown.isEmpty)
        return terminal.screen.everything.map { $0.replacing(/^\d\d:\d\d/, with: "00:00") }
    }

    private let footer = "── bob · through the relay · 12 ms · not verified ──"

    @Test func showsStatusAndPrompt() {
        let (terminal, screen) = chat()
        #expect(rows(terminal) == [footer, ">"])
        #expect(terminal.screen.cursor == (2, 0))
        screen.close()
    }

    @Test func incomingTextDoesNotGarbleTheLineBeingTyped() {
        let (terminal, screen) = chat()
        terminal.type("how are y")
        screen.show(incoming: "hello", from: "bob", at: Self.time)
        #expect(rows(terminal) == ["00:00 bob: hello", footer, "> how are y"])
        #expect(terminal.screen.cursor == (11, 0))
        terminal.type("ou\(Self.esc)[D\(Self.esc)[D\(Self.esc)[D")
        screen.show(incoming: "again", from: "bob", at: Self.time)
        terminal.type("?")
        #expect(rows(terminal) == ["00:00 bob: hello", "00:00 bob: again", footer, "> how are ?you"])
        #expect(terminal.screen.cursor == (11, 0))
        screen.close()
    }

    @Test func submitsAndShowsWhatWasSent() async {
        let (terminal, screen) = chat()
        terminal.type("hello\r")
        var inputs = screen.inputs.makeAsyncIterator()
        #expect(await inputs.next() == .line("hello"))
        screen.showOwn("hello", at: Self.time)
        #expect(rows(terminal) == ["00:00 you: hello", footer, ">"])
        terminal.type("x\u{3}\u{7F}\u{4}")
        #expect(await inputs.next() == .interrupt)
        #expect(await inputs.next() == .endOfInput)
        screen.close()
        #expect(await inputs.next() == nil)
    }

    @Test func scrollsWhenTheScreenIsFull() {
        let (terminal, screen) = chat(height: 5)
        terminal.type("typing")
        for number in 1...20 { screen.show(incoming: "message \(number)", from: "bob", at: Self.time) }
        let expected = (1...20).map { "00:00 bob: message \($0)" } + [footer, "> typing"]
        #expect(rows(terminal) == expected)
        #expect(terminal.screen.visible.count == 5)
        screen.close()
    }

    @Test func dividesTheConversation() {
        let (terminal, screen) = chat()
        screen.showDivider("Sat 2026-11-21\u{1B}[2J")
        screen.show(incoming: "hello", from: "bob", at: Self.time)
        #expect(rows(terminal) == ["── Sat 2026-11-21[2J ──", "00:00 bob: hello", footer, ">"])
        screen.close()
    }

    @Test func saysWhenALineIsBeingWritten() {
        let terminal = TestTerminal()
        let told = NIOLockedValueBox<[Bool]>([])
        let screen = ChatScreen(contact: "bob", terminal: terminal) { isTyping in
            told.withLockedValue { $0.append(isTyping) }
        }
        terminal.type("he")
        terminal.type("llo\r")
        terminal.type("/edit x\r")
        terminal.type("x")
        screen.close()
        terminal.type("y")
        #expect(told.withLockedValue { $0 } == [true, false, true, false])
    }

    @Test func theStatusLineTellsOfTheLastMessageAndOfWriting() {
        let (terminal, screen) = chat(columns: 80)
        var status = ChatStatus(path: .relay, verified: false, connected: true)
        (status.isTyping, status.lastState) = (true, "read")
        screen.setStatus(status)
        #expect(rows(terminal) == ["── bob · through the relay · not verified · is writing · read ──", ">"])
        screen.close()
    }

    @Test func breaksLongMessagesAndIndentsThem() {
        let (terminal, screen) = chat(columns: 30)
        screen.show(incoming: "one two three four five six seven", from: "bob", at: Self.time)
        #expect(
            rows(terminal).dropLast(2) == ["00:00 bob: one two three four", "           five six seven"])
        screen.close()
    }

    @Test func aMessageAsWideAsTheScreenLeavesNoGap() {
        let (terminal, screen) = chat(columns: 30)
        screen.show(incoming: String(repeating: "x", count: 19), from: "bob", at: Self.time)
        #expect(rows(terminal).count == 3)
        screen.close()
    }

    @Test(arguments: [
        "\u{1B}[2J\u{1B}[Hgone", "\u{1B}]0;title\u{7}", "a\u{8}\u{8}\u{8}b", "\u{9B}2J", "a\rb", "\u{202E}txet",
        "a\u{2067}b", "\u{1B}", "\u{0}\u{1}\u{7F}",
    ])
    func aPeerCannotReachTheTerminal(text: String) {
        let (terminal, screen) = chat()
        let before = terminal.raw.unicodeScalars.count
        screen.show(incoming: text, from: "bob", at: Self.time)
        screen.showNotice(text, at: Self.time)
        let written = String(String.UnicodeScalarView(terminal.raw.unicodeScalars.dropFirst(before)))
        // What remains once the screen's own sequences are taken away.
        let rest = written.replacing(/\x{1B}\[[0-9]*[AGJKm]|\r\n|\r/, with: "")
        #expect(
            rest.unicodeScalars.allSatisfy {
                $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) && !(0x202A...0x202E).contains($0.value)
                    && !(0x2066...0x2069).contains($0.value)
            })
        #expect(rows(terminal).suffix(2) == [footer, ">"])
        screen.close()
    }

    @Test func aPeerCannotForgeAnotherEntry() {
        let (terminal, screen) = chat(columns: 40)
        screen.show(incoming: "hi\n12:00 you: I agree", from: "bob", at: Self.time)
        screen.show(incoming: String(repeating: " ", count: 29) + "12:00 you: I agree", from: "bob", at: Self.time)
        screen.show(incoming: "x", from: "bob\n12:00 you", at: Self.time)
        let entries = rows(terminal).dropLast(2).filter { !$0.hasPrefix(" ") }
        #expect(entries.allSatisfy { $0.hasPrefix("00:00 bob") })
        #expect(entries.count == 3)
        screen.close()
    }

    @Test func boundsTowersOfMarks() {
        let (terminal, screen) = chat()
        screen.show(incoming: "a" + String(repeating: "\u{301}", count: 5000), from: "bob", at: Self.time)
        #expect(terminal.raw.unicodeScalars.count < 500)
        screen.close()
    }

    @Test func drawsAgainWhenTheStatusChanges() {
        let (terminal, screen) = chat()
        terminal.type("typing")
        screen.setStatus(ChatStatus(path: .direct, rttMilliseconds: 0.44, verified: true, connected: true))
        #expect(rows(terminal) == ["── bob · direct · 0.4 ms · verified ✓ ──", "> typing"])
        screen.setStatus(ChatStatus(verified: true, connected: false))
        #expect(rows(terminal) == ["── bob · not connected · verified ✓ ──", "> typing"])
        screen.setStatus(ChatStatus(verified: true, connected: true))
        #expect(rows(terminal) == ["── bob · connecting · verified ✓ ──", "> typing"])
        screen.close()
    }

    @Test(arguments: [(60, 30), (60, 20), (30, 90), (60, 59), (52, 51), (80, 12)])
    func survivesAChangeOfTheWidth(from: Int, to: Int) {
        let (terminal, screen) = chat(columns: from)
        screen.show(incoming: "before", from: "bob", at: Self.time)
        terminal.type("typing a line")
        terminal.resize(columns: to)
        screen.show(incoming: "after", from: "bob", at: Self.time)
        terminal.type("!")
        let shown = rows(terminal)
        #expect(shown.filter { $0.contains("── bob") }.count == 1)
        let letters = shown.joined().filter { !$0.isWhitespace }
        #expect(letters.contains("before") && letters.contains("after"))
        #expect(shown.last?.hasPrefix(to > 20 ? "> typing a line!" : ">") == true)
        #expect(shown.allSatisfy { TextWidth.columns(of: $0) <= to })
        screen.close()
    }

    @Test func scrollsALineLongerThanTheScreen() {
        let (terminal, screen) = chat(columns: 30)
        terminal.type(String(repeating: "abcdefghij", count: 10))
        #expect(rows(terminal).count == 2)
        terminal.type("\u{1}")
        #expect(rows(terminal).last?.hasPrefix("> abcdefghij") == true)
        #expect(rows(terminal).last?.hasSuffix("›") == true)
        #expect(terminal.screen.cursor == (2, 0))
        screen.close()
    }

    @Test func wideTextKeepsTheCursorInPlace() {
        let (terminal, screen) = chat()
        terminal.type("漢字 é\(Self.esc)[D")
        #expect(rows(terminal).last == "> 漢字 é")
        #expect(terminal.screen.cursor == (7, 0))
        screen.close()
    }

    @Test func controlLDrawsTheScreenAgain() {
        let (terminal, screen) = chat()
        screen.show(incoming: "hello", from: "bob", at: Self.time)
        terminal.type("abc\u{C}")
        #expect(terminal.screen.visible == [footer, "> abc"])
        screen.close()
    }

    @Test func comesBackAfterSuspension() {
        let (terminal, screen) = chat()
        terminal.type("abc\u{1A}")
        #expect(terminal.suspended == 1)
        #expect(terminal.screen.visible.isEmpty)
        terminal.write("$ fg\r\n")
        terminal.send(.resumed)
        #expect(rows(terminal) == ["$ fg", footer, "> abc"])
        screen.close()
    }

    @Test func leavesTheConversationOnTheScreenWhenItCloses() {
        let (terminal, screen) = chat()
        screen.show(incoming: "hello", from: "bob", at: Self.time)
        terminal.type("unsent")
        screen.close()
        screen.close()
        screen.show(incoming: "late", from: "bob", at: Self.time)
        terminal.type("late")
        #expect(rows(terminal) == ["00:00 bob: hello"])
        #expect(terminal.screen.cursor == (0, 0))
        #expect(terminal.closed >= 1)
    }

    @Test func usesColorsOnlyWhereTheyAreWanted() {
        for color in [false, true] {
            let (terminal, screen) = chat(color: color)
            screen.show(incoming: "hello", from: "bob", at: Self.time)
            screen.showNotice("direct", at: Self.time)
            #expect(terminal.raw.contains("\u{1B}[33m") == color)
            #expect(rows(terminal) == ["00:00 bob: hello", "00:00 · direct", footer, ">"])
            screen.close()
        }
    }

    @Test func elsewhereWritesPlainLines() async {
        let terminal = TestTerminal(interactive: false, echoes: false)
        let screen = ChatScreen(contact: "bob", terminal: terminal)
        terminal.send(.bytes(Array("hel".utf8)))
        terminal.send(.bytes(Array("lo\r\n\n  \nunfinished".utf8)))
        terminal.send(.endOfInput)
        var inputs = screen.inputs.makeAsyncIterator()
        #expect(await inputs.next() == .line("hello"))
        #expect(await inputs.next() == .line("unfinished"))
        #expect(await inputs.next() == .endOfInput)
        screen.showOwn("hello", at: Self.time)
        screen.show(incoming: "a\u{1B}[31m\nb", from: "bob", at: Self.time)
        screen.setStatus(ChatStatus(path: .direct, rttMilliseconds: 3, verified: false, connected: true))
        screen.setStatus(ChatStatus(path: .direct, rttMilliseconds: 4, verified: false, connected: true))
        screen.close()
        let lines = terminal.raw.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.replacing(/^\d\d:\d\d/, with: "00:00")
        }
        #expect(
            lines == [
                "00:00 you: hello", "00:00 bob: a[31m", "           b",
                "00:00 · ── bob · direct · 3.0 ms · not verified ──", "",
            ])
    }

    @Test func doesNotRepeatWhatATerminalEchoed() {
        let terminal = TestTerminal(interactive: false, echoes: true)
        let screen = ChatScreen(contact: "bob", terminal: terminal)
        screen.showOwn("hello", at: Self.time)
        #expect(terminal.raw.isEmpty)
        screen.close()
    }

    @Test(arguments: [
        (true, true, ["TERM": "xterm-256color"], true, true, true),
        (true, true, ["TERM": "dumb"], false, false, true),
        (true, true, [:], false, false, true),
        (true, true, ["TERM": "xterm", "NO_COLOR": "1"], true, false, true),
        (true, true, ["TERM": "xterm", "NO_COLOR": ""], true, true, true),
        (false, true, ["TERM": "xterm"], false, true, true),
        (true, false, ["TERM": "xterm"], false, false, true),
        (true, true, ["TERM": "xterm", "LANG": "C"], true, true, false),
        (true, true, ["TERM": "xterm", "LANG": "C", "LC_ALL": "de_DE.utf8"], true, true, true),
        (true, true, ["TERM": "xterm", "LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"], true, true, false),
    ])
    func judgesTheTerminal(
        input: Bool, output: Bool, environment: [String: String], interactive: Bool, color: Bool, unicode: Bool
    ) {
        let traits = TerminalTraits.judged(
            inputIsTerminal: input, outputIsTerminal: output, columns: 80, environment: environment)
        #expect(traits.isInteractive == interactive)
        #expect(traits.hasColor == color)
        #expect(traits.hasUnicode == unicode)
    }

    @Test(arguments: [
        (0, "0.0 ms"), (0.44, "0.4 ms"), (9.94, "9.9 ms"), (9.96, "10 ms"), (250.4, "250 ms"), (.nan, "? ms"),
        (-1, "? ms"), (.infinity, "? ms"),
    ])
    func writesMilliseconds(value: Double, text: String) {
        #expect(ChatRenderer.milliseconds(value) == text)
    }
}
