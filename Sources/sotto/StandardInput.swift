import Glibc
import Messenger

/// Standard input as it is, for input that is made by programs.
enum StandardInput {
    /// Longest line in bytes: JSON may need six for one character of a message.
    static let lineLimit = 1 << 20

    /// A line without its end, or why it cannot be taken.
    enum Line: Equatable, Sendable {
        case text(String)
        case notUTF8
        case tooLong
    }

    /// All of standard input, less one line end.
    ///
    /// - Throws: ``Failure`` when it is not UTF-8 or cannot be read, ``SendError/tooLong(limit:)`` when it has more than `limit` bytes.
    static func whole(limit: Int, of descriptor: Int32 = STDIN_FILENO) throws -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw Failure("input", "cannot read standard input: \(String(cString: strerror(errno)))")
            }
            bytes += buffer[..<count]
            // One more for the line end.
            guard bytes.count <= limit + 1 else { throw SendError.tooLong(limit: limit) }
            if count == 0 { break }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("message", "the message is not UTF-8")
        }
        return text.utf8.last == UInt8(ascii: "\n") ? String(text.dropLast()) : text
    }

    /// The lines that come in; at most 64 wait to be read. For one reader.
    static func lines(of descriptor: Int32 = STDIN_FILENO) -> AsyncStream<Line> {
        let queue = InputQueue<Line>(capacity: 64)
        let cutter = Cutter()
        let reader = DescriptorReader(descriptor) { bytes in
            for line in cutter.take(bytes) { queue.push(line) }
            if bytes == nil { queue.finish() }
        }
        reader.start()
        return AsyncStream(
            unfolding: { await queue.next() },
            onCancel: {
                queue.finish()
                reader.stop()
            })
    }

    /// Cuts bytes into lines.
    struct LineCutter {
        private var bytes: [UInt8] = []
        private var isTooLong = false

        /// The lines that end in `new`; nil is the end of the input.
        mutating func take(_ new: [UInt8]?) -> [Line] {
            guard let new else { return bytes.isEmpty && !isTooLong ? [] : [next()] }
            var lines: [Line] = []
            for byte in new {
                if byte == UInt8(ascii: "\n") {
                    lines.append(next())
                } else if bytes.count < StandardInput.lineLimit {
                    bytes.append(byte)
                } else {
                    isTooLong = true
                }
            }
            return lines
        }

        private mutating func next() -> Line {
            defer { (bytes, isTooLong) = ([], false) }
            guard !isTooLong else { return .tooLong }
            if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            return String(validating: bytes, as: UTF8.self).map { .text($0) } ?? .notUTF8
        }
    }

    /// `@unchecked Sendable`.
    /// Safety: used by the reader's thread alone.
    private final class Cutter: @unchecked Sendable {
        private var cutter = LineCutter()

        func take(_ bytes: [UInt8]?) -> [Line] { cutter.take(bytes) }
    }
}
