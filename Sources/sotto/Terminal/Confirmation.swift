import Glibc

/// Asks at the terminal before something is destroyed.
enum Confirmation {
    /// Returns when the user types the word that is asked for.
    ///
    /// - Throws: ``Failure`` with code `not-confirmed`: something else was typed, or there is no terminal to ask at.
    static func ask(_ question: String, expecting word: String, at terminal: String = "/dev/tty") throws {
        let descriptor = open(terminal, O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            throw Failure("not-confirmed", "there is no terminal to ask at: --yes says that you mean it")
        }
        defer { close(descriptor) }
        let text = Array("\(question) Type '\(word)': ".utf8)
        _ = text.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard answer(from: descriptor) == word else {
            throw Failure("not-confirmed", "not confirmed: nothing was changed")
        }
    }

    private static func answer(from descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count < 64 {
            let count = read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1, byte != UInt8(ascii: "\n") else { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
