import Foundation

/// One line of standard input in JSON mode: `{"send":"text"}`, with `"to":"name"` where several contacts are in reach, or `{"quit":true}`.
enum ScriptLine: Equatable {
    case send(text: String, to: String?)
    case quit

    private struct Object: Decodable {
        var send: String?
        var to: String?
        var quit: Bool?
    }

    /// `nil` for a blank line.
    ///
    /// - Throws: ``Failure`` with code `input` when the line is none of these.
    init?(_ line: StandardInput.Line) throws {
        let text: String
        switch line {
        case .text(let line): text = line
        case .notUTF8: throw Failure("input", "a line is not UTF-8")
        case .tooLong: throw Failure("input", "a line has more than \(StandardInput.lineLimit) bytes")
        }
        guard !text.allSatisfy(\.isWhitespace) else { return nil }
        guard let object = try? JSONDecoder().decode(Object.self, from: Data(text.utf8)) else {
            throw Failure("input", "not understood: a line is {\"send\":\"text\"} or {\"quit\":true}")
        }
        if object.quit == true {
            self = .quit
        } else if let text = object.send {
            self = .send(text: text, to: object.to)
        } else {
            throw Failure("input", "not understood: a line is {\"send\":\"text\"} or {\"quit\":true}")
        }
    }
}
