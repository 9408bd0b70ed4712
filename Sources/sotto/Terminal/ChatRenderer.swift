import Wire

/// What the status line of a chat tells.
struct ChatStatus: Equatable, Sendable {
    /// What carries the conversation.
    enum Path: String, Sendable {
        case relay, direct, turn
    }

    /// nil while no path is known.
    var path: Path?
    var rttMilliseconds: Double?
    /// Whether the safety number was compared.
    var verified: Bool
    var connected: Bool
    /// The contact is writing.
    var isTyping = false
    /// How far the user's last message has come; empty when there is none.
    var lastState = ""

    init(path: Path? = nil, rttMilliseconds: Double? = nil, verified: Bool = false, connected: Bool = false) {
        self.path = path
        self.rttMilliseconds = rttMilliseconds
        self.verified = verified
        self.connected = connected
    }
}

/// Draws a chat: entries that scroll away upwards and, below them, the status line and the line being typed.
///
/// Pure: returns what to write. It never needs to know where on the screen it is: the two rows at the bottom (the
/// footer) are erased relative to the cursor, which always rests in the last of them.
struct ChatRenderer: Sendable {
    let contact: String
    var traits: TerminalTraits
    var status = ChatStatus()

    /// What is drawn at the bottom: the width of the status line and the column of the cursor; nil if nothing is.
    private var footer: (statusWidth: Int, cursorColumn: Int)?

    /// Who wrote an entry.
    enum Author: Equatable, Sendable {
        case peer(String)
        case own
        case notice
        /// A line between entries: a day, or where the unread messages begin.
        case divider
    }

    init(contact: String, traits: TerminalTraits) {
        self.contact = DisplayText.harmless(contact)
        self.traits = traits
    }

    // MARK: What to write

    /// An entry above the footer; the line being typed stays as it is.
    mutating func show(_ text: String, by author: Author, time: String, line: LineEditor) -> String {
        let entry = lines(text, by: author, time: time).map { $0 + "\r\n" }.joined()
        return eraseFooter() + entry + drawFooter(line)
    }

    /// The footer anew, for instance after a change of the status.
    mutating func redrawFooter(_ line: LineEditor) -> String {
        eraseFooter() + drawFooter(line)
    }

    /// The last row alone, after a key.
    mutating func redrawLine(_ line: LineEditor) -> String {
        guard traits.isInteractive, let footer else { return redrawFooter(line) }
        return "\r" + inputRow(line, statusWidth: footer.statusWidth)
    }

    /// Everything on an empty screen.
    mutating func clear(_ line: LineEditor) -> String {
        footer = nil
        return traits.isInteractive ? "\u{1B}[H\u{1B}[2J" + drawFooter(line) : ""
    }

    /// The footer after the terminal changed its width. Terminals put rows that became too long into several: so many
    /// are erased.
    mutating func resize(columns: Int, _ line: LineEditor) -> String {
        traits.columns = columns
        return redrawFooter(line)
    }

    /// Takes the footer away.
    mutating func eraseFooter() -> String {
        guard traits.isInteractive, let shown = footer else { return "" }
        footer = nil
        let columns = max(traits.columns, 1)
        let rowsAbove = max(1, (shown.statusWidth + columns - 1) / columns) + shown.cursorColumn / columns
        return "\r\u{1B}[\(rowsAbove)A\u{1B}[J"
    }

    /// The footer is no longer on the screen, or not where it was.
    mutating func forgetFooter() {
        footer = nil
    }

    // MARK: The footer

    private mutating func drawFooter(_ line: LineEditor) -> String {
        guard traits.isInteractive else { return "" }
        let columns = max(traits.columns - 1, 4)
        let text = TextLayout.truncate(statusText(columns: columns), columns: columns)
        return style(text, statusColor) + "\r\n" + inputRow(line, statusWidth: TextWidth.columns(of: text))
    }

    private mutating func inputRow(_ line: LineEditor, statusWidth: Int) -> String {
        let prompt = "> "
        let view = LineView(
            before: line.beforeCursor, after: line.afterCursor, columns: traits.columns - prompt.count - 1)
        let column = prompt.count + view.cursorColumn
        footer = (statusWidth, column)
        return style(prompt, .bold) + view.visible + "\u{1B}[K\u{1B}[\(column + 1)G"
    }

    /// The status line's words, without colours. When there is not enough room, the contact's name is what gets shorter.
    func statusText(columns: Int = .max) -> String {
        let dash = traits.hasUnicode ? "──" : "--"
        let dot = traits.hasUnicode ? " · " : " | "
        let rest = "\(dot)\(statusWords.joined(separator: dot)) \(dash)"
        let room = columns - TextWidth.columns(of: rest) - 3
        return "\(dash) \(TextLayout.truncate(contact, columns: max(room, 8)))\(rest)"
    }

    private var statusWords: [String] {
        let news = (status.isTyping ? ["is writing"] : []) + (status.lastState.isEmpty ? [] : [status.lastState])
        return pathWords + news
    }

    private var pathWords: [String] {
        guard status.connected else { return ["not connected", securityWord] }
        let path =
            switch status.path {
            case .direct: "direct"
            case .relay: "through the relay"
            case .turn: "through TURN"
            case nil: "connecting"
            }
        return [path] + (status.rttMilliseconds.map { [Self.milliseconds($0)] } ?? []) + [securityWord]
    }

    private var securityWord: String {
        status.verified ? (traits.hasUnicode ? "verified ✓" : "verified") : "not verified"
    }

    /// `0.4 ms`, `12 ms`.
    static func milliseconds(_ value: Double) -> String {
        guard value.isFinite, value >= 0, value < 1_000_000 else { return "? ms" }
        guard value < 9.95 else { return "\(Int(value.rounded())) ms" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) ms"
    }

    private var statusColor: Style {
        guard status.connected else { return .red }
        return status.path == .direct && status.verified ? .green : .yellow
    }

    // MARK: Entries

    /// Continuation lines of somebody with a long name begin here, so that there is room for them.
    private static let deepestIndent = 14

    /// An entry, sanitized and broken into lines. Continuation lines are indented: whatever a peer writes, it cannot
    /// look like another entry.
    private func lines(_ text: String, by author: Author, time: String) -> [String] {
        if author == .divider {
            let dash = traits.hasUnicode ? "──" : "--"
            return [style("\(dash) \(DisplayText.harmless(text)) \(dash)", .dim)]
        }
        var body = Self.thinned(DisplayText.harmless(text, keepingNewlines: true))
        while body.hasSuffix("\n") { body.removeLast() }
        let (lead, color) = lead(author)
        let start = time.count + 1 + TextWidth.columns(of: lead)
        let columns = traits.isInteractive ? traits.columns : Int.max / 2
        let wrapped = TextLayout.wrap(
            body, columns: columns, firstColumn: start, indent: min(start, Self.deepestIndent))
        let first = style(time, .dim) + " " + style(lead, color)
        return wrapped.enumerated().map { index, line in
            let styled = author == .notice ? style(line, .dim) : line
            return index == 0 ? first + styled : styled
        }
    }

    private func lead(_ author: Author) -> (String, Style) {
        switch author {
        case .peer(let name): (TextLayout.truncate(DisplayText.harmless(name), columns: 24) + ": ", .cyan)
        case .own: ("you: ", .bold)
        case .notice, .divider: (traits.hasUnicode ? "· " : "* ", .dim)
        }
    }

    /// Text without towers of combining marks: what a single cluster may contain is bounded.
    static func thinned(_ text: String) -> String {
        let limit = 16
        guard text.contains(where: { $0.unicodeScalars.count > limit }) else { return text }
        return text.reduce(into: "") { result, character in
            result.unicodeScalars.append(contentsOf: character.unicodeScalars.prefix(limit))
        }
    }

    private enum Style: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
    }

    private func style(_ text: String, _ style: Style) -> String {
        traits.hasColor && !text.isEmpty ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }
}
