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

    /// - Throws: ``Failure`` with code `input` when the line is none of these.
    init(_ line: String) throws {
        guard let object = try? JSONDecoder().decode(Object.self, from: Data(line.utf8)) else {
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
