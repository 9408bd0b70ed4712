import Glibc

/// Why there is no passphrase.
enum PassphraseError: Error, Equatable {
    /// No terminal to ask at: use a file or a descriptor; the advice names the options for that.
    case noTerminal(advice: String)
    case unreadable(path: String, errno: Int32)
    case empty
    /// More than `Passphrase.capacity` bytes.
    case tooLong
    /// The second time something else was entered.
    case mismatch
    /// Ctrl-C or Ctrl-D.
    case cancelled
}

extension PassphraseError: CustomStringConvertible {
    /// The options that give the passphrase which unlocks the home.
    static let advice = "--passphrase-file or --passphrase-fd"

    /// What the user can do about it.
    var description: String {
        switch self {
        case .noTerminal(let advice): "there is no terminal to ask for the passphrase: give it with \(advice)"
        case .unreadable(let path, let errno):
            "cannot read the passphrase from \(path): \(String(cString: strerror(errno)))"
        case .empty: "the passphrase is empty"
        case .tooLong: "the passphrase is longer than \(Passphrase.capacity) bytes"
        case .mismatch: "the two passphrases differ; nothing was changed"
        case .cancelled: "cancelled"
        }
    }
}

/// A passphrase in memory that is wiped when it goes out of scope. Never printed, never compared by users.
struct Passphrase: ~Copyable {
    /// Longest passphrase in bytes.
    static let capacity = 1024

    private let storage: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    fileprivate init() {
        storage = .allocate(byteCount: Self.capacity, alignment: 16)
    }

    deinit {
        if let base = storage.baseAddress { explicit_bzero(base, storage.count) }
        storage.deallocate()
    }

    /// The bytes, for the time of the call.
    borrowing func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(rebasing: storage[..<count]))
    }

    fileprivate mutating func append(_ byte: UInt8) throws(PassphraseError) {
        guard count < Self.capacity else { throw .tooLong }
        storage[count] = byte
        count += 1
    }

    /// Removes the last character, whatever its length in UTF-8.
    fileprivate mutating func removeLast() {
        while count > 0 {
            count -= 1
            if storage[count] & 0xC0 != 0x80 { return }
        }
    }

    fileprivate mutating func removeAll() { count = 0 }

    /// In time that does not depend on where the two differ.
    fileprivate borrowing func matches(_ other: borrowing Passphrase) -> Bool {
        var difference: UInt8 = count == other.count ? 0 : 1
        for index in 0..<min(count, other.count) { difference |= storage[index] ^ other.storage[index] }
        return difference == 0
    }
}

/// Where a passphrase comes from.
enum PassphraseSource: Equatable, Sendable {
    /// Asked at the terminal; `confirmed` asks twice, for a new passphrase.
    case prompt(String, confirmed: Bool)
    /// The first line of a file.
    case file(String)
    /// The first line that comes from a descriptor which the process inherited; it is closed afterwards.
    case descriptor(Int32)
}

/// Reads passphrases without leaving them anywhere.
enum PassphrasePrompt {
    /// Reads one. `warn` is told when others may read the file, too. `terminal` is where questions are asked: not
    /// standard input, which may be a pipe.
    static func read(
        _ source: PassphraseSource, terminal: String = "/dev/tty", advice: String = PassphraseError.advice,
        warn: (String) -> Void
    ) throws(PassphraseError) -> Passphrase {
        switch source {
        case .prompt(let question, let confirmed):
            let passphrase = try ask(question + ": ", at: terminal, advice)
            if confirmed {
                let again = try ask(question + " (again): ", at: terminal, advice)
                guard passphrase.matches(again) else { throw .mismatch }
            }
            return passphrase
        case .file(let path): return try firstLine(ofFile: path, warn: warn)
        case .descriptor(let descriptor): return try firstLine(of: descriptor, path: "descriptor \(descriptor)")
        }
    }

    private static func firstLine(
        ofFile path: String, warn: (String) -> Void
    ) throws(PassphraseError) -> Passphrase {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .unreadable(path: path, errno: errno) }
        var information = stat()
        if fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG,
            information.st_mode & 0o077 != 0
        {
            warn("\(path) can be read by others; `chmod 600` would keep it to you")
        }
        return try firstLine(of: descriptor, path: path)
    }

    private static func firstLine(of descriptor: Int32, path: String) throws(PassphraseError) -> Passphrase {
        defer { close(descriptor) }
        var passphrase = Passphrase()
        while let byte = try nextByte(descriptor, path: path), byte != UInt8(ascii: "\n") {
            try passphrase.append(byte)
        }
        passphrase.dropCarriageReturn()
        guard passphrase.count > 0 else { throw .empty }
        return passphrase
    }

    /// One byte at a time: nothing stays behind in a buffer, and nothing behind the line is consumed.
    private static func nextByte(_ descriptor: Int32, path: String) throws(PassphraseError) -> UInt8? {
        var byte: UInt8 = 0
        while true {
            let count = Glibc.read(descriptor, &byte, 1)
            if count == 1 { return byte }
            if count == 0 { return nil }
            if errno != EINTR { throw .unreadable(path: path, errno: errno) }
        }
    }

    private static func ask(_ question: String, at terminal: String, _ advice: String) throws(PassphraseError)
        -> Passphrase
    {
        let descriptor = open(terminal, O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .noTerminal(advice: advice) }
        defer { close(descriptor) }
        var original = termios()
        guard tcgetattr(descriptor, &original) == 0 else { throw .noTerminal(advice: advice) }
        // Keys one by one and no signals from them: Ctrl-C must not leave a terminal without echo behind.
        var silent = original
        silent.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG | IEXTEN)
        TerminalRestoration.arm(input: descriptor, original: original, output: descriptor, epilogue: "\n")
        defer { TerminalRestoration.disarm() }
        guard tcsetattr(descriptor, TCSAFLUSH, &silent) == 0 else { throw .noTerminal(advice: advice) }
        _ = question.utf8.withContiguousStorageIfAvailable { write(descriptor, $0.baseAddress, $0.count) }
        return try line(from: descriptor, path: terminal)
    }

    private static func line(from descriptor: Int32, path: String) throws(PassphraseError) -> Passphrase {
        var passphrase = Passphrase()
        while let byte = try nextByte(descriptor, path: path) {
            switch byte {
            case 0x0A, 0x0D:
                guard passphrase.count > 0 else { throw .empty }
                return passphrase
            case 0x03: throw .cancelled  // ^C
            case 0x04 where passphrase.count == 0: throw .cancelled  // ^D
            case 0x08, 0x7F: passphrase.removeLast()
            case 0x15: passphrase.removeAll()  // ^U
            case 0x00..<0x20: break
            default: try passphrase.append(byte)
            }
        }
        throw .cancelled
    }
}

extension Passphrase {
    fileprivate mutating func dropCarriageReturn() {
        let endsSo = withUnsafeBytes { $0.last == UInt8(ascii: "\r") }
        if endsSo { removeLast() }
    }
}
