import Wire

/// Lines from input that is not edited here: a pipe, a file, a terminal in line mode. Pure.
struct PlainInput: Sendable {
    /// Longest line in bytes; what exceeds it becomes a line of its own.
    static let limit = 64 * 1024

    private var partial: [UInt8] = []

    /// The lines that are complete after these bytes, without blank ones.
    mutating func feed(_ bytes: [UInt8]) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte != UInt8(ascii: "\n") { partial.append(byte) }
            if byte == UInt8(ascii: "\n") || partial.count >= Self.limit {
                if let line = finish() { lines.append(line) }
            }
        }
        return lines
    }

    /// The last line, when it has no line end; nil if there is nothing.
    mutating func finish() -> String? {
        defer { partial = [] }
        let line = DisplayText.harmless(String(decoding: partial, as: UTF8.self))
        let trimmed = line.reversed().drop { $0 == " " }.reversed()
        return trimmed.isEmpty ? nil : String(trimmed)
    }
}
