/// Just enough understanding of Swift's surface to tell code from comments and string literals.
enum SourceText {
    /// The code with the contents of comments and string literals replaced by spaces; line breaks stay, so that line
    /// numbers still hold. Code inside interpolations is blanked, too: imports cannot stand there.
    static func withoutCommentsAndStrings(_ source: String) -> String {
        var scanner = Scanner(input: Array(source.utf8))
        return String(decoding: scanner.run(), as: UTF8.self)
    }

    /// The lines of a text with their numbers, from 1.
    static func numberedLines(_ text: String) -> [(number: Int, text: Substring)] {
        text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { ($0.offset + 1, $0.element) }
    }

    private struct Scanner {
        let input: [UInt8]
        var position = 0
        var output: [UInt8] = []

        init(input: [UInt8]) {
            self.input = input
            output.reserveCapacity(input.count)
        }

        mutating func run() -> [UInt8] {
            while position < input.count {
                let byte = input[position]
                guard byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "#") else {
                    output.append(byte)
                    position += 1
                    continue
                }
                if starts(with: "//") {
                    while position < input.count, input[position] != UInt8(ascii: "\n") { blank() }
                } else if starts(with: "/*") {
                    blankBlockComment()
                } else if let delimiter = stringDelimiter() {
                    blankString(delimiter)
                } else {
                    output.append(input[position])
                    position += 1
                }
            }
            return output
        }

        func starts(with text: StaticString) -> Bool {
            starts(with: Array("\(text)".utf8))
        }

        func starts(with bytes: [UInt8]) -> Bool {
            input[position...].starts(with: bytes)
        }

        mutating func blank(_ count: Int = 1) {
            for _ in 0..<count where position < input.count {
                output.append(input[position] == UInt8(ascii: "\n") ? UInt8(ascii: "\n") : UInt8(ascii: " "))
                position += 1
            }
        }

        /// Block comments nest.
        mutating func blankBlockComment() {
            var depth = 0
            repeat {
                if starts(with: "/*") {
                    depth += 1
                    blank(2)
                } else if starts(with: "*/") {
                    depth -= 1
                    blank(2)
                } else {
                    blank()
                }
            } while depth > 0 && position < input.count
        }

        /// The opening delimiter at this place: `"`, `"""`, or either behind any number of `#`.
        func stringDelimiter() -> (pounds: Int, quotes: Int)? {
            let pounds = input[position...].prefix { $0 == UInt8(ascii: "#") }.count
            let rest = input[(position + pounds)...]
            guard rest.first == UInt8(ascii: "\"") else { return nil }
            return (pounds, rest.starts(with: Array("\"\"\"".utf8)) ? 3 : 1)
        }

        mutating func blankString(_ delimiter: (pounds: Int, quotes: Int)) {
            let pounds = [UInt8](repeating: UInt8(ascii: "#"), count: delimiter.pounds)
            let closing = [UInt8](repeating: UInt8(ascii: "\""), count: delimiter.quotes) + pounds
            let escape = [UInt8(ascii: "\\")] + pounds
            blank(delimiter.pounds + delimiter.quotes)
            while position < input.count {
                let byte = input[position]
                guard byte == closing.first || byte == escape.first || byte == UInt8(ascii: "\n") else {
                    blank()
                    continue
                }
                if starts(with: closing) {
                    blank(closing.count)
                    return
                } else if starts(with: escape + [UInt8(ascii: "(")]) {
                    blank(escape.count)
                    blankParentheses()
                } else if starts(with: escape) {
                    blank(escape.count + 1)
                } else if delimiter.quotes == 1, starts(with: "\n") {
                    return
                } else {
                    blank()
                }
            }
        }

        /// An interpolation, with whatever strings it contains.
        mutating func blankParentheses() {
            var depth = 0
            repeat {
                if let delimiter = stringDelimiter() {
                    blankString(delimiter)
                    continue
                }
                if starts(with: "(") { depth += 1 }
                if starts(with: ")") { depth -= 1 }
                blank()
            } while depth > 0 && position < input.count
        }
    }
}

/// One import declaration.
struct ImportDeclaration: Equatable {
    let module: String
    let line: Int

    /// All imports of a Swift source, also scoped ones (`import struct A.B`), attributed ones (`@testable import A`),
    /// and those behind an access level or a semicolon.
    static func all(in source: String) -> [ImportDeclaration] {
        SourceText.numberedLines(SourceText.withoutCommentsAndStrings(source)).flatMap { line in
            line.text.split(separator: ";").compactMap { statement in
                module(importedBy: statement).map { ImportDeclaration(module: $0, line: line.number) }
            }
        }
    }

    private static let prefixes: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
    private static let kinds: Set<Substring> = [
        "typealias", "struct", "class", "enum", "protocol", "let", "var", "func", "macro",
    ]

    private static func module(importedBy statement: Substring) -> String? {
        var words = statement.split(whereSeparator: \.isWhitespace)[...]
        while let first = words.first, prefixes.contains(first) || first.hasPrefix("@") { words.removeFirst() }
        guard words.popFirst() == "import" else { return nil }
        if let kind = words.first, kinds.contains(kind) { words.removeFirst() }
        return words.first.map { String($0.prefix { $0 != "." }) }
    }
}
