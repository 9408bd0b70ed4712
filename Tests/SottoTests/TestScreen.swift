@testable import sotto

/// A small VT100: enough to see what a user would see. Columns of characters, autowrap with the pending wrap of real
/// terminals, cursor movement, erasing, scrolling, and putting rows anew into a changed width.
struct TestScreen {
    private struct Row {
        var cells: [Character?] = []
        /// Whether the text goes on in the next row.
        var isWrapped = false
    }

    private(set) var columns: Int
    let height: Int
    private var rows = [Row()]
    /// Absolute: rows that scrolled away stay in `rows`.
    private var row = 0
    private var column = 0
    private var wrapIsPending = false
    private(set) var bells = 0
    /// Sequences this terminal does not know: a test expects none.
    private(set) var unknown: [String] = []
    private(set) var modes: Set<String> = []

    init(columns: Int = 60, height: Int = 10) {
        self.columns = columns
        self.height = height
    }

    private var top: Int { max(0, rows.count - height) }

    /// The rows on the screen without blanks at their ends, and without empty rows at the bottom.
    var visible: [String] { Self.trimmed(rows[top...].map(Self.text)) }
    /// The same with all that scrolled away.
    var everything: [String] { Self.trimmed(rows.map(Self.text)) }
    /// Column of the cursor, and its row counted from the last row that was ever used.
    var cursor: (column: Int, rowsAboveBottom: Int) { (column, rows.count - 1 - row) }

    private static func text(_ row: Row) -> String {
        var text = String(row.cells.compactMap { $0 })
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }

    private static func trimmed(_ lines: [String]) -> [String] {
        Array(lines.reversed().drop(while: \.isEmpty).reversed())
    }

    mutating func write(_ text: String) {
        var rest = Array(text.unicodeScalars)[...]
        var printable = ""
        while let scalar = rest.first {
            if scalar.value >= 0x20, scalar.value != 0x7F, !(0x80..<0xA0).contains(scalar.value) {
                printable.unicodeScalars.append(scalar)
                rest.removeFirst()
                continue
            }
            put(&printable)
            rest.removeFirst()
            control(scalar, &rest)
        }
        put(&printable)
    }

    private mutating func put(_ printable: inout String) {
        for character in printable { put(character) }
        printable = ""
    }

    private mutating func put(_ character: Character) {
        let width = TextWidth.columns(of: character)
        guard width > 0 else { return }
        if wrapIsPending || column + width > columns {
            rows[row].isWrapped = true
            lineFeed()
            column = 0
        }
        wrapIsPending = false
        while rows[row].cells.count < column + width { rows[row].cells.append(" ") }
        rows[row].cells[column] = character
        if width == 2 { rows[row].cells[column + 1] = nil }
        column += width
        if column >= columns {
            column = columns - 1
            wrapIsPending = true
        }
    }

    private mutating func lineFeed() {
        row += 1
        if row == rows.count { rows.append(Row()) }
    }

    private mutating func control(_ scalar: Unicode.Scalar, _ rest: inout ArraySlice<Unicode.Scalar>) {
        wrapIsPending = wrapIsPending && scalar.value == 7
        switch scalar.value {
        case 7: bells += 1
        case 8: column = max(0, column - 1)
        case 10: lineFeed()
        case 13: column = 0
        case 0x1B where rest.first == "[":
            rest.removeFirst()
            let parameters = rest.prefix { (0x20...0x3F).contains($0.value) }
            rest = rest.dropFirst(parameters.count)
            guard let final = rest.popFirst() else { return unknown.append("unfinished") }
            sequence(String(String.UnicodeScalarView(parameters)), Character(final))
        default: unknown.append("control \(scalar.value)")
        }
    }

    private mutating func sequence(_ parameters: String, _ final: Character) {
        let number = Int(parameters) ?? 1
        switch (final, parameters) {
        case ("A", _): row = max(top, row - number)
        case ("G", _): column = min(number - 1, columns - 1)
        case ("H", ""): (row, column) = (top, 0)
        case ("J", ""), ("J", "0"):
            eraseToEndOfLine()
            rows.removeSubrange((row + 1)...)
        case ("J", "2"):
            for index in top..<rows.count { rows[index] = Row() }
        case ("K", ""), ("K", "0"): eraseToEndOfLine()
        case ("m", _): break
        case ("h", _): modes.insert(parameters)
        case ("l", _): modes.remove(parameters)
        default: unknown.append(parameters + String(final))
        }
    }

    private mutating func eraseToEndOfLine() {
        rows[row].cells.removeSubrange(min(column, rows[row].cells.count)...)
        rows[row].isWrapped = false
    }

    /// Changes the width as terminals do that keep long lines together.
    mutating func resize(columns new: Int) {
        var result: [Row] = []
        var place = (row: 0, column: 0)
        var index = 0
        while index < rows.count {
            var line: [Character?] = []
            var cursorOffset: Int?
            var isContinued = true
            while isContinued, index < rows.count {
                if index == row { cursorOffset = line.count + column }
                line += rows[index].cells
                isContinued = rows[index].isWrapped
                index += 1
            }
            let needed = max(line.count, cursorOffset.map { $0 + 1 } ?? 0)
            let count = max(1, (needed + new - 1) / new)
            if let cursorOffset { place = (result.count + cursorOffset / new, cursorOffset % new) }
            for piece in 0..<count {
                let cells = line.dropFirst(piece * new).prefix(new)
                result.append(Row(cells: Array(cells), isWrapped: piece + 1 < count))
            }
        }
        (rows, columns) = (result, new)
        (row, column) = place
        wrapIsPending = false
    }
}
