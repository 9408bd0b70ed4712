import Glibc

/// The lines of standard input as they are, for input that is made by programs.
enum StandardInput {
    /// Longest line in bytes; a longer one ends the input.
    static let lineLimit = 1 << 20

    /// Lines without their ends, decoded as UTF-8; at most 64 wait to be read. For one reader.
    static func lines(of descriptor: Int32 = STDIN_FILENO) -> AsyncStream<String> {
        let queue = InputQueue<String>(capacity: 64)
        let partial = Partial()
        let reader = DescriptorReader(descriptor) { bytes in
            for line in partial.take(bytes) { queue.push(line) }
            if bytes == nil || partial.isTooLong { queue.finish() }
        }
        reader.start()
        return AsyncStream(
            unfolding: { await queue.next() },
            onCancel: {
                queue.finish()
                reader.stop()
            })
    }

    /// `@unchecked Sendable`.
    /// Safety: used by the reader's thread alone.
    private final class Partial: @unchecked Sendable {
        private var bytes: [UInt8] = []
        var isTooLong: Bool { bytes.count > StandardInput.lineLimit }

        func take(_ new: [UInt8]?) -> [String] {
            guard let new else {
                defer { bytes = [] }
                return bytes.isEmpty ? [] : [String(decoding: bytes, as: UTF8.self)]
            }
            guard !isTooLong else { return [] }
            var lines: [String] = []
            for byte in new {
                guard byte == UInt8(ascii: "\n") else {
                    bytes.append(byte)
                    continue
                }
                if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
                lines.append(String(decoding: bytes, as: UTF8.self))
                bytes = []
            }
            return lines
        }
    }
}
