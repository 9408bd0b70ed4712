import Wire

/// The line being typed: a pure state machine from bytes to edits. It knows neither terminal nor screen.
///
/// The cursor stands between two grapheme clusters, so that no key takes a flag, an accent or a family apart. The text
/// never holds control characters or bidirectional overrides; line breaks come only from a paste or Alt-Enter.
struct LineEditor: Sendable {
    /// What the owner of the editor has to do.
    enum Event: Equatable, Sendable {
        /// Text or cursor changed: draw the line again.
        case changed
        /// Enter on a line that is not blank. The line is now empty.
        case submitted(String)
        /// Something did not fit, or there was nothing to do: a bell at most.
        case refused
        /// Ctrl-L: draw everything again.
        case redraw
        /// Ctrl-C.
        case interrupt
        /// Ctrl-D on an empty line.
        case endOfInput
        /// Ctrl-Z.
        case suspend
    }

    /// The text before the cursor.
    private(set) var beforeCursor = ""
    /// The text after the cursor.
    private(set) var afterCursor = ""
    /// The whole line.
    var text: String { beforeCursor + afterCursor }

    /// Longest line, in bytes of UTF-8.
    let limit: Int

    private var decoder = KeyDecoder()
    private var history: History
    private var killed = ""

    /// An empty line of at most `limit` bytes of UTF-8, which remembers the last `historyLimit` lines.
    init(limit: Int = 64 * 1024, historyLimit: Int = 500) {
        self.limit = limit
        history = History(limit: historyLimit)
    }

    /// Takes bytes as a terminal in raw mode sends them, cut anywhere. Adjacent changes are reported once.
    mutating func feed(_ bytes: some Collection<UInt8>) -> [Event] {
        var events: [Event] = []
        for key in decoder.decode(bytes) {
            guard let event = apply(key), !(event == .changed && events.last == .changed) else { continue }
            events.append(event)
        }
        return events
    }

    private mutating func apply(_ key: KeyDecoder.Key) -> Event? {
        switch key {
        case .text(let typed): return insert(DisplayText.harmless(typed))
        case .pasted(let pasted): return insert(DisplayText.harmless(pasted, keepingNewlines: true))
        case .lineBreak: return insert("\n")
        case .enter: return submit()
        case .interrupt: return .interrupt
        case .redraw: return .redraw
        case .suspend: return .suspend
        case .endOfInput: return text.isEmpty ? .endOfInput : edit { $0.deleteForward() }
        case .backspace: return edit { $0.beforeCursor.popLast() }
        case .delete: return edit { $0.deleteForward() }
        case .up: return recall(history.older(than: text))
        case .down: return recall(history.newer())
        case .yank: return killed.isEmpty ? nil : insert(killed)
        case .killToEnd, .killToStart, .killWordBack, .killWordForward: return kill(key)
        case .left, .right, .home, .end, .wordLeft, .wordRight: return move(key)
        }
    }

    // MARK: Editing

    private mutating func insert(_ new: String) -> Event? {
        let room = limit - beforeCursor.utf8.count - afterCursor.utf8.count
        var fitting = new
        if new.utf8.count > room {
            fitting = ""
            for character in new {
                guard fitting.utf8.count + character.utf8.count <= room else { break }
                fitting.append(character)
            }
        }
        if !fitting.isEmpty {
            beforeCursor += fitting
            mendCluster()
        }
        return fitting.utf8.count < new.utf8.count ? .refused : (new.isEmpty ? nil : .changed)
    }

    /// Runs a change and reports whether there was anything to change.
    private mutating func edit(_ change: (inout LineEditor) -> Character?) -> Event? {
        guard change(&self) != nil else { return nil }
        mendCluster()
        return .changed
    }

    private mutating func deleteForward() -> Character? {
        afterCursor.isEmpty ? nil : afterCursor.removeFirst()
    }

    private mutating func kill(_ key: KeyDecoder.Key) -> Event? {
        let (before, after) = (beforeCursor, afterCursor)
        switch key {
        case .killToEnd: afterCursor = ""
        case .killToStart: beforeCursor = ""
        case .killWordBack: beforeCursor = String(before[..<Self.wordStart(in: before, blanksOnly: true)])
        default: afterCursor = String(after[Self.wordEnd(in: after)...])
        }
        let removed = String(before.dropFirst(beforeCursor.count)) + String(after.dropLast(afterCursor.count))
        guard !removed.isEmpty else { return nil }
        killed = removed
        mendCluster()
        return .changed
    }

    /// Characters that came to stand beside each other may form one cluster: the cursor then moves behind it.
    private mutating func mendCluster() {
        guard !beforeCursor.isEmpty, !afterCursor.isEmpty else { return }
        let whole = beforeCursor + afterCursor
        guard whole.count != beforeCursor.count + afterCursor.count else { return }
        let cursor = beforeCursor.utf8.count
        var boundary = whole.startIndex
        while boundary < whole.endIndex, whole.utf8.distance(from: whole.startIndex, to: boundary) < cursor {
            boundary = whole.index(after: boundary)
        }
        beforeCursor = String(whole[..<boundary])
        afterCursor = String(whole[boundary...])
    }

    // MARK: Moving

    private mutating func move(_ key: KeyDecoder.Key) -> Event? {
        let whole = text
        let (before, after) = (beforeCursor, afterCursor)
        switch key {
        case .left: beforeCursor = String(before.dropLast())
        case .right: beforeCursor = before + after.prefix(1)
        case .home: beforeCursor = ""
        case .end: beforeCursor = whole
        case .wordLeft: beforeCursor = String(before[..<Self.wordStart(in: before, blanksOnly: false)])
        default: beforeCursor = before + after[..<Self.wordEnd(in: after)]
        }
        guard beforeCursor.utf8.count != before.utf8.count else { return nil }
        afterCursor = String(whole.utf8.dropFirst(beforeCursor.utf8.count)) ?? ""
        return .changed
    }

    /// Where the word begins that ends at the end of `text`, blanks behind it included. With `blanksOnly`, everything
    /// between blanks is one word, as Ctrl-W has it in shells.
    private static func wordStart(in text: String, blanksOnly: Bool) -> String.Index {
        var index = text.endIndex
        var inWord = false
        while index > text.startIndex {
            let previous = text.index(before: index)
            let isPart = blanksOnly ? !text[previous].isWhitespace : isWordCharacter(text[previous])
            if inWord, !isPart { break }
            inWord = isPart
            index = previous
        }
        return index
    }

    private static func wordEnd(in text: String) -> String.Index {
        var index = text.startIndex
        var inWord = false
        while index < text.endIndex {
            let isPart = isWordCharacter(text[index])
            if inWord, !isPart { break }
            inWord = isPart
            index = text.index(after: index)
        }
        return index
    }

    private static func isWordCharacter(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }

    // MARK: Lines

    private mutating func submit() -> Event? {
        let line = text
        beforeCursor = ""
        afterCursor = ""
        guard !line.allSatisfy(\.isWhitespace) else { return line.isEmpty ? nil : .changed }
        history.add(line)
        return .submitted(line)
    }

    private mutating func recall(_ line: String?) -> Event? {
        guard let line else { return nil }
        beforeCursor = line
        afterCursor = ""
        return .changed
    }

    /// The lines entered before, with the draft at the bottom.
    private struct History: Sendable {
        let limit: Int
        private var lines: [String] = []
        /// Which line is shown; nil is the draft.
        private var position: Int?
        private var draft = ""

        init(limit: Int) { self.limit = limit }

        mutating func add(_ line: String) {
            position = nil
            draft = ""
            guard lines.last != line else { return }
            lines.append(line)
            if lines.count > limit { lines.removeFirst(lines.count - limit) }
        }

        mutating func older(than shown: String) -> String? {
            let next = (position ?? lines.count) - 1
            guard next >= 0 else { return nil }
            if position == nil { draft = shown }
            position = next
            return lines[next]
        }

        mutating func newer() -> String? {
            guard let shown = position else { return nil }
            position = shown + 1 < lines.count ? shown + 1 : nil
            return position.map { lines[$0] } ?? draft
        }
    }
}
