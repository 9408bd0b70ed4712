import Testing

@testable import sotto

@Suite struct LineEditorTests {
    private static let esc = "\u{1B}"

    /// What is typed, and the line after it with `|` as the cursor.
    private static let editing: [(String, String)] = [
        ("hello", "hello|"),
        ("hello\(esc)[D\(esc)[D", "hel|lo"),
        ("hello\u{1}x", "x|hello"),
        ("hello\u{1}\u{5}x", "hellox|"),
        ("hello\u{2}\u{2}\u{6}x", "hellx|o"),
        ("hello\u{1}\(esc)[3~", "|ello"),
        ("hello\u{1}\u{4}", "|ello"),
        ("ab\u{7F}\u{7F}\u{7F}\u{7F}c", "c|"),
        ("one two\u{17}x", "one x|"),
        ("one two  \u{17}", "one |"),
        ("a-b c/d\u{17}", "a-b |"),
        ("one two three\(esc)b\(esc)b\u{B}", "one |"),
        ("one two three\(esc)b\(esc)b\u{15}", "|two three"),
        ("one two\u{1}\(esc)f!", "one!| two"),
        ("one two\u{1}\(esc)d", "| two"),
        ("one two\u{1}\(esc)[1;5C\(esc)[1;5C", "one two|"),
        ("one two\u{17}\u{1}\u{19} ", "two |one "),
        ("x\(esc)[A\(esc)[B", "x|"),
        // Clusters are one: accents, flags, families, Hangul made of parts.
        ("e\u{301}\u{7F}", "|"),
        ("🇩🇪🇫🇷\(esc)[D", "🇩🇪|🇫🇷"),
        ("👩‍👩‍👧x\(esc)[D\(esc)[D", "|👩‍👩‍👧x"),
        ("👍🏽\u{7F}", "|"),
        ("\u{1112}\u{1161}\u{11AB}a\(esc)[D\u{7F}", "|a"),
        ("漢字\(esc)[Dx", "漢x|字"),
        // An accent typed behind the letter in the middle joins it.
        ("ab\(esc)[D\u{301}", "a\u{301}|b"),
        // Two halves of a flag that come to meet are one, and the cursor is not inside.
        ("🇩x🇪\(esc)[D\u{7F}", "🇩🇪|"),
        // Pastes: line breaks become part of the text, controls do not.
        ("\(esc)[200~two\r\nlines\ttab\u{7}\u{1B}[31m\(esc)[201~", "two\nlines tab[31m|"),
        ("a\(esc)\rb", "a\nb|"),
        // Neither bidirectional overrides nor other invisible marks.
        ("a\u{202E}b\u{2066}c\u{FEFF}", "abc|"),
        ("\t", "|"),
    ]

    @Test(arguments: editing.indices)
    func edits(index: Int) {
        let (input, expected) = Self.editing[index]
        var editor = LineEditor()
        _ = editor.feed(Array(input.utf8))
        #expect(editor.beforeCursor + "|" + editor.afterCursor == expected)
    }

    @Test(arguments: editing.indices)
    func editsTheSameByteByByte(index: Int) {
        let (input, expected) = Self.editing[index]
        var editor = LineEditor()
        for byte in input.utf8 { _ = editor.feed([byte]) }
        #expect(editor.beforeCursor + "|" + editor.afterCursor == expected)
    }

    private static let reporting: [(String, [LineEditor.Event])] = [
        ("hi\r", [.changed, .submitted("hi")]),
        ("a\rb\n", [.changed, .submitted("a"), .changed, .submitted("b")]),
        ("\r", []),
        ("  \r", [.changed]),
        ("\u{3}", [.interrupt]),
        ("text\u{3}", [.changed, .interrupt]),
        ("\u{4}", [.endOfInput]),
        ("x\u{1}\u{4}\u{4}", [.changed, .endOfInput]),
        ("\u{C}", [.redraw]),
        ("\u{1A}", [.suspend]),
        ("\u{7F}\u{1B}[D\u{1B}[C\u{1B}[A\u{1B}[B\u{B}\u{19}", []),
        ("abc", [.changed]),
    ]

    @Test(arguments: reporting.indices)
    func reports(index: Int) {
        let (input, expected) = Self.reporting[index]
        var editor = LineEditor()
        #expect(editor.feed(Array(input.utf8)) == expected)
    }

    @Test func goesThroughTheHistoryAndBackToTheDraft() {
        var editor = LineEditor()
        func after(_ input: String) -> String {
            _ = editor.feed(Array(input.utf8))
            return editor.text
        }
        #expect(after("one\rtwo\rtwo\rdraft") == "draft")
        #expect(after("\u{1B}[A") == "two")
        #expect(after("\u{1B}[A") == "one")
        #expect(after("\u{1B}[A") == "one")
        #expect(after("!\u{1B}[B") == "two")
        #expect(after("\u{1B}[B") == "draft")
        #expect(after("\u{1B}[B") == "draft")
        #expect(after("\u{1B}[A\r") == "")
        #expect(after("\u{1B}[A") == "two")
    }

    @Test func forgetsTheOldestLines() {
        var editor = LineEditor(historyLimit: 2)
        _ = editor.feed(Array("1\r2\r3\r\u{1B}[A\u{1B}[A\u{1B}[A".utf8))
        #expect(editor.text == "2")
    }

    @Test func takesNoMoreThanItsLimit() {
        var editor = LineEditor(limit: 10)
        #expect(editor.feed(Array("12345678".utf8)) == [.changed])
        #expect(editor.feed(Array("漢字".utf8)) == [.refused])
        #expect(editor.text == "12345678")
        #expect(editor.feed(Array("9äb".utf8)) == [.refused])
        #expect(editor.text == "123456789")
        #expect(editor.feed(Array("\u{1B}[200~xyz\u{1B}[201~".utf8)) == [.refused])
        #expect(editor.text == "123456789x")
    }
}
