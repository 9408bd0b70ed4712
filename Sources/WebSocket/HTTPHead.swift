/// What is wrong with the head of an HTTP/1 message.
package enum HTTPHeadError: Error, Hashable {
    /// Not a start line and header lines as RFC 9112 writes them.
    case malformed
    /// Longer than ``HTTPHead/maximumLength``.
    case tooLarge
}

/// The head of an HTTP/1.1 message (RFC 9112): start line and header fields, as much of HTTP as a WebSocket needs.
package struct HTTPHead: Hashable, Sendable {
    /// Longest head that is accepted, in bytes, with the empty line that ends it.
    package static let maximumLength = 8192

    /// The three parts of the start line: method, target, version; or version, status, reason.
    package let startLine: [String]
    private let fields: [(name: String, value: String)]

    package static func == (left: HTTPHead, right: HTTPHead) -> Bool {
        left.startLine == right.startLine && left.fields.elementsEqual(right.fields, by: ==)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(startLine)
    }

    /// Reads a head from the start of `bytes`.
    ///
    /// - Returns: the head and its length in bytes; nil when its end has not arrived yet.
    /// - Throws: ``HTTPHeadError``.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer
    ) throws(HTTPHeadError) -> (head: HTTPHead, length: Int)? {
        guard let first = bytes.first else { return nil }
        // A TLS ClientHello, another binary protocol, or a method nobody has: refused at the first byte.
        guard (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first) else { throw .malformed }
        guard let length = endOfHead(bytes) else {
            guard bytes.count < maximumLength else { throw .tooLarge }
            return nil
        }
        guard length <= maximumLength else { throw .tooLarge }
        let text = bytes[..<(length - 4)]
        guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x0D || $0 == 0x0A || $0 == 0x09 }) else {
            throw .malformed
        }
        var lines = String(decoding: text, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)
        let start = lines.removeFirst().split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard start.count >= 2, start.allSatisfy({ !$0.contains { $0 == "\r" || $0 == "\n" } }) else {
            throw .malformed
        }
        return (HTTPHead(startLine: start.map(String.init), fields: try lines.map(field)), length)
    }

    /// The values of the header `name` (lowercase), in order, lists taken apart at their commas.
    package func values(_ name: String) -> [String] {
        fields.filter { $0.name == name }.flatMap { field in
            field.value.split(separator: ",").map { Self.trimmed($0) }
        }
    }

    /// The value of the header `name` (lowercase) when it is there exactly once.
    package func value(_ name: String) -> String? {
        let found = fields.filter { $0.name == name }
        return found.count == 1 ? found[0].value : nil
    }

    /// Whether the list in header `name` (lowercase) has `token`, whatever its case.
    package func has(_ token: String, in name: String) -> Bool {
        values(name).contains { $0.lowercased() == token }
    }

    private static func field(_ line: Substring) throws(HTTPHeadError) -> (name: String, value: String) {
        guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else { throw .malformed }
        let name = line[..<colon]
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !line.contains(where: { $0 == "\r" || $0 == "\n" })
        else { throw .malformed }
        return (name.lowercased(), trimmed(line[line.index(after: colon)...]))
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }

    private static func endOfHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 4 else { return nil }
        let limit = min(bytes.count, maximumLength + 4)
        var index = 3
        while index < limit {
            if bytes[index] == 0x0A, bytes[index - 1] == 0x0D, bytes[index - 2] == 0x0A, bytes[index - 3] == 0x0D {
                return index + 1
            }
            index += 1
        }
        return nil
    }
}
