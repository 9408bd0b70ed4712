/// Turns what a terminal in raw mode sends into keys. Pure: bytes in, keys out, in pieces of any size.
///
/// Understood: UTF-8, control characters, the escape sequences of cursor and editing keys as xterm, VT220, rxvt and the
/// Linux console send them, Alt as an ESC prefix, and bracketed paste. Unknown sequences are swallowed whole.
struct KeyDecoder: Sendable {
    /// What a key press means to an editor of one line.
    enum Key: Equatable, Sendable {
        case text(String)
        case pasted(String)
        case enter
        case lineBreak
        case backspace, delete
        case left, right, wordLeft, wordRight, home, end
        case up, down
        case killToEnd, killToStart, killWordBack, killWordForward, yank
        case redraw, interrupt, endOfInput, suspend
    }

    /// Bytes of one paste that are kept; what exceeds them is dropped.
    static let pasteLimit = 1 << 20
    /// Bytes of one escape sequence; a longer one is swallowed up to its final byte, unread.
    private static let sequenceLimit = 32
    private static let pasteEnd = Array("\u{1B}[201~".utf8)

    private enum State: Sendable {
        case ground
        case escape
        case csi([UInt8])
        case ss3
        /// The letter behind `ESC [ [`, a function key of the Linux console.
        case linuxFunctionKey
        case paste([UInt8])
    }

    private var state = State.ground
    /// The first bytes of a UTF-8 sequence whose rest has not come yet.
    private var partial: [UInt8] = []
    private var partialLength = 0
    private var text = ""
    private var keys: [Key] = []

    /// The keys that are complete after these bytes.
    mutating func decode(_ bytes: some Collection<UInt8>) -> [Key] {
        // A terminal that never ends its paste must not take Ctrl-C away.
        if case .paste = state, bytes.count == 1, bytes.first == 0x03 { state = .ground }
        for byte in bytes { take(byte) }
        flushText()
        defer { keys = [] }
        return keys
    }

    private mutating func take(_ byte: UInt8) {
        switch state {
        case .ground: takeGround(byte)
        case .escape: takeEscape(byte)
        case .csi(let parameters): takeCSI(byte, parameters)
        case .ss3:
            state = .ground
            if let key = Self.cursorKey(byte, modifier: Self.isLowercase(byte) ? 5 : 1) { emit(key) }
        case .linuxFunctionKey: state = .ground
        case .paste: takePaste(byte)
        }
    }

    private mutating func takeGround(_ byte: UInt8) {
        if byte < 0x20 || byte == 0x7F {
            dropPartial()
            if byte == 0x1B {
                state = .escape
            } else if let key = Self.controlKey(byte) {
                emit(key)
            }
        } else {
            takeUTF8(byte)
        }
    }

    private mutating func takeUTF8(_ byte: UInt8) {
        if byte & 0xC0 == 0x80, !partial.isEmpty {
            partial.append(byte)
            guard partial.count == partialLength else { return }
            text += String(validating: partial, as: UTF8.self) ?? "\u{FFFD}"
            partial = []
            return
        }
        dropPartial()
        switch byte {
        case 0x20..<0x7F: text.unicodeScalars.append(Unicode.Scalar(byte))
        case 0xC2...0xDF: (partial, partialLength) = ([byte], 2)
        case 0xE0...0xEF: (partial, partialLength) = ([byte], 3)
        case 0xF0...0xF4: (partial, partialLength) = ([byte], 4)
        default: text += "\u{FFFD}"
        }
    }

    /// An unfinished UTF-8 sequence was cut off by something else.
    private mutating func dropPartial() {
        guard !partial.isEmpty else { return }
        partial = []
        text += "\u{FFFD}"
    }

    private mutating func takeEscape(_ byte: UInt8) {
        state = .ground
        switch byte {
        case UInt8(ascii: "["): state = .csi([])
        case UInt8(ascii: "O"): state = .ss3
        case 0x1B: state = .escape
        case UInt8(ascii: "b"): emit(.wordLeft)
        case UInt8(ascii: "f"): emit(.wordRight)
        case UInt8(ascii: "d"): emit(.killWordForward)
        case 0x08, 0x7F: emit(.killWordBack)
        case 0x0A, 0x0D: emit(.lineBreak)
        // A lone ESC, then something typed: the ESC meant nothing.
        default: takeGround(byte)
        }
    }

    private mutating func takeCSI(_ byte: UInt8, _ parameters: [UInt8]) {
        switch byte {
        case 0x20...0x3F:
            state = .csi(parameters.count < Self.sequenceLimit ? parameters + [byte] : parameters)
        case UInt8(ascii: "[") where parameters.isEmpty:
            state = .linuxFunctionKey
        case 0x40...0x7E:
            state = .ground
            if parameters.count < Self.sequenceLimit { finishCSI(byte, parameters) }
        default:
            // Not part of a sequence: the sequence was cut off.
            state = .ground
            takeGround(byte)
        }
    }

    private mutating func finishCSI(_ final: UInt8, _ parameters: [UInt8]) {
        let numbers = parameters.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
            .map { Int(String(decoding: $0, as: UTF8.self)) ?? 1 }
        let modifier = numbers.count > 1 ? numbers[1] : 1
        guard final == UInt8(ascii: "~") else {
            // Small letters and private parameters are answers of the terminal, not keys.
            guard !Self.isLowercase(final), parameters.first != UInt8(ascii: "?") else { return }
            if let key = Self.cursorKey(final, modifier: modifier) { emit(key) }
            return
        }
        switch numbers.first {
        case 1, 7: emit(.home)
        case 4, 8: emit(.end)
        case 3: emit(modifier == 1 ? .delete : .killWordForward)
        case 200:
            flushText()
            state = .paste([])
        default: break
        }
    }

    private mutating func takePaste(_ byte: UInt8) {
        guard case .paste(var bytes) = state else { return }
        // Taken out of the enum while it grows, so that it is not copied for each byte.
        state = .ground
        // Past the limit only the end is looked for: the newest bytes replace each other behind it.
        if bytes.count >= Self.pasteLimit + Self.pasteEnd.count { bytes.remove(at: Self.pasteLimit) }
        bytes.append(byte)
        if byte == UInt8(ascii: "~"), bytes.suffix(Self.pasteEnd.count) == Self.pasteEnd[...] {
            keys.append(.pasted(String(decoding: bytes.dropLast(Self.pasteEnd.count), as: UTF8.self)))
        } else {
            state = .paste(bytes)
        }
    }

    private mutating func emit(_ key: Key) {
        flushText()
        keys.append(key)
    }

    private mutating func flushText() {
        guard !text.isEmpty else { return }
        keys.append(.text(text))
        text = ""
    }

    private static func isLowercase(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) }

    /// `modifier` as xterm encodes it: 1 is none, 2 Shift, 3 Alt, 5 Ctrl. rxvt sends small letters with Ctrl.
    private static func cursorKey(_ final: UInt8, modifier: Int) -> Key? {
        switch (isLowercase(final) ? final - 0x20 : final, modifier) {
        case (UInt8(ascii: "A"), _): .up
        case (UInt8(ascii: "B"), _): .down
        case (UInt8(ascii: "C"), 1), (UInt8(ascii: "C"), 2): .right
        case (UInt8(ascii: "D"), 1), (UInt8(ascii: "D"), 2): .left
        case (UInt8(ascii: "C"), _): .wordRight
        case (UInt8(ascii: "D"), _): .wordLeft
        case (UInt8(ascii: "H"), _): .home
        case (UInt8(ascii: "F"), _): .end
        default: nil
        }
    }

    private static func controlKey(_ byte: UInt8) -> Key? {
        switch byte {
        case 0x01: .home  // ^A
        case 0x02: .left  // ^B
        case 0x03: .interrupt  // ^C
        case 0x04: .endOfInput  // ^D
        case 0x05: .end  // ^E
        case 0x06: .right  // ^F
        case 0x08, 0x7F: .backspace  // ^H, DEL
        case 0x0A, 0x0D: .enter  // ^J, ^M
        case 0x0B: .killToEnd  // ^K
        case 0x0C: .redraw  // ^L
        case 0x0E: .down  // ^N
        case 0x10: .up  // ^P
        case 0x15: .killToStart  // ^U
        case 0x17: .killWordBack  // ^W
        case 0x19: .yank  // ^Y
        case 0x1A: .suspend  // ^Z
        default: nil
        }
    }
}
