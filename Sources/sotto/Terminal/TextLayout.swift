/// The part of a long line that is on the screen, and where the cursor stands in it.
struct LineView: Equatable, Sendable {
    /// What to draw; never wider than the columns given.
    let visible: String
    /// Column of the cursor, from 0.
    let cursorColumn: Int

    /// Shows a line in `columns` columns. A line that fits is shown whole; else the part around the cursor, which
    /// scrolls by half a screen, with marks where text is hidden. Line breaks are shown as `↵`.
    init(before: String, after: String, columns: Int) {
        let width = max(columns, 4)
        let cells = (before + after).map(Cell.init)
        let cursor = before.reduce(0) { $0 + Cell($1).width }
        let total = cells.reduce(0) { $0 + $1.width }
        // One column stays free for the cursor behind the last character.
        guard total >= width else {
            (visible, cursorColumn) = (cells.map(\.text).joined(), cursor)
            return
        }
        let half = width / 2
        let start = cursor < width - 1 ? 0 : (cursor / half - 1) * half
        var shown = start > 0 ? "‹" : ""
        var shownWidth = start > 0 ? 1 : 0
        var column = 0
        for cell in cells {
            defer { column += cell.width }
            if column < start + shownWidth, start > 0 || column < shownWidth {
                // Left of the window, or under the mark; a wide character cut by the mark leaves a blank.
                if column + cell.width > start + shownWidth {
                    shown += " "
                    shownWidth += 1
                }
                continue
            }
            guard column - start + cell.width <= width - 1 else {
                shown += "›"
                break
            }
            shown += cell.text
            shownWidth = max(shownWidth, column - start + cell.width)
        }
        (visible, cursorColumn) = (shown, cursor - start)
    }

    private struct Cell {
        let text: String
        let width: Int

        init(_ character: Character) {
            text = character.isNewline ? "↵" : String(character)
            width = character.isNewline ? 1 : TextWidth.columns(of: character)
        }
    }
}

/// Text cut into lines for the screen.
enum TextLayout {
    /// Breaks `text` at its line breaks and at blanks (within words where nothing else helps), so that no line exceeds
    /// `columns`. Every line but the first is indented by `indent` columns, so that nothing in a text can pass for the
    /// beginning of another entry. `firstColumn` columns of the first line are already taken.
    static func wrap(_ text: String, columns: Int, firstColumn: Int, indent: Int) -> [String] {
        let width = max(columns, 8)
        // On a screen too narrow for the indentation, the text is worth more.
        let margin = min(indent, width / 2)
        var lines: [String] = []
        for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
            var room = width - (lines.isEmpty ? min(firstColumn, width - 2) : margin)
            var rest = paragraph[...]
            repeat {
                let piece = firstPiece(of: rest, room: max(room, 2))
                lines.append((lines.isEmpty ? "" : String(repeating: " ", count: margin)) + piece)
                rest = rest[piece.endIndex...]
                if !rest.isEmpty { rest = rest.drop { $0 == " " } }
                room = width - margin
            } while !rest.isEmpty
        }
        return lines
    }

    /// Cuts a text to `columns`, with an ellipsis where something is missing.
    static func truncate(_ text: String, columns: Int) -> String {
        guard TextWidth.columns(of: text) > columns else { return text }
        var result = ""
        var width = 0
        for character in text {
            width += TextWidth.columns(of: character)
            guard width < columns else { break }
            result.append(character)
        }
        return columns > 0 ? result + "…" : ""
    }

    /// As much of `text` as fits, up to a blank if there is one.
    private static func firstPiece(of text: Substring, room: Int) -> Substring {
        var width = 0
        var lastBlank: Substring.Index?
        var index = text.startIndex
        while index < text.endIndex {
            width += TextWidth.columns(of: text[index])
            if width > room {
                if text[index] == " " { return text[..<index] }
                if let lastBlank { return text[..<lastBlank] }
                // At least one character, or there would be no end.
                return index > text.startIndex ? text[..<index] : text.prefix(1)
            }
            if text[index] == " " { lastBlank = index > text.startIndex ? index : nil }
            index = text.index(after: index)
        }
        return text
    }
}
