import Testing

@testable import sotto

@Suite struct TextLayoutTests {
    @Test(arguments: [
        ("", 0), ("abc", 3), ("ü", 1), ("u\u{308}", 1), ("漢字", 4), ("ｗ", 2), ("한국", 4), ("かな", 4),
        ("\u{1112}\u{1161}\u{11AB}", 2), ("👍", 2), ("👍🏽", 2), ("🇩🇪", 2), ("👩‍👩‍👧", 2), ("❤", 1), ("❤️", 2), ("☺", 1),
        ("\u{200D}", 0), ("\u{301}", 0), ("\u{7}", 0), ("नि", 1), ("ไทย", 3), ("→·─", 3), ("\u{20000}", 2),
    ])
    func measures(text: String, columns: Int) {
        #expect(TextWidth.columns(of: text) == columns)
    }

    /// Ten columns; `|` is the cursor in the line and in what is shown.
    @Test(arguments: [
        ("|", "|"),
        ("hello|", "hello|"),
        ("hello wor|", "hello wor|"),
        ("hello worl|", "‹worl|"),
        ("hello world and more|", "‹more|"),
        ("|hello world", "|hello wor›"),
        ("hello w|orld", "hello w|or›"),
        ("hello wo|rld", "hello wo|r›"),
        ("hello worl|d and more", "‹worl|d an›"),
        ("a\nb|", "a↵b|"),
        ("漢字漢|", "漢字漢|"),
        ("漢字漢字漢|字", "‹字漢|字"),
    ])
    func scrollsALongLine(line: String, shown: String) {
        let parts = line.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let view = LineView(before: parts[0], after: parts[1], columns: 10)
        var withCursor = ""
        var column = 0
        for character in view.visible {
            if column == view.cursorColumn { withCursor += "|" }
            withCursor.append(character)
            column += TextWidth.columns(of: character)
        }
        if column <= view.cursorColumn { withCursor += String(repeating: " ", count: view.cursorColumn - column) + "|" }
        #expect(withCursor == shown)
    }

    @Test func neverShowsMoreThanFitsAndAlwaysTheCursor() {
        let line = Array("ab漢字 é👍x🇩🇪 yz漢漢漢漢漢漢漢漢漢漢漢漢漢ab")
        for columns in 0..<40 {
            for cursor in 0...line.count {
                let view = LineView(
                    before: String(line[..<cursor]), after: String(line[cursor...]), columns: columns)
                let width = max(columns, 4)
                #expect(TextWidth.columns(of: view.visible) <= width)
                #expect((0..<width).contains(view.cursorColumn))
            }
        }
    }

    @Test(arguments: [
        ("short", ["short"]),
        ("the quick brown fox", ["the quick", "   brown fox"]),
        ("the quick brown foxes jump", ["the quick", "   brown", "   foxes", "   jump"]),
        ("exactly 12ch", ["exactly 12ch"]),
        ("abcdefghijklmnopqrst", ["abcdefghijkl", "   mnopqrst"]),
        ("a\nb\n\nc", ["a", "   b", "   ", "   c"]),
        ("漢字漢字漢字漢字", ["漢字漢字漢字", "   漢字"]),
        ("", [""]),
        ("a            b", ["a           ", "   b"]),
    ])
    func wraps(text: String, lines: [String]) {
        #expect(TextLayout.wrap(text, columns: 12, firstColumn: 0, indent: 3) == lines)
    }

    @Test func wrapsWhateverTheWidth() {
        let text = "some words 漢字漢字 andonethatistoolongforanything 👩‍👩‍👧\nend"
        for columns in -1..<30 {
            for indent in 0..<40 {
                let lines = TextLayout.wrap(text, columns: columns, firstColumn: indent, indent: indent)
                #expect(lines.dropFirst().allSatisfy { TextWidth.columns(of: $0) <= max(columns, 8) })
                #expect(lines.joined().filter { $0 != " " } == text.filter { $0 != " " && $0 != "\n" })
            }
        }
    }

    @Test(arguments: [("hello", 5, "hello"), ("hello", 4, "hel…"), ("漢字", 3, "漢…"), ("x", 0, ""), ("ab", 1, "…")])
    func truncates(text: String, columns: Int, result: String) {
        #expect(TextLayout.truncate(text, columns: columns) == result)
    }
}
