import Foundation
import Messenger

/// One line of standard input in JSON mode, an object. Contract: docs/command-line.md.
struct ScriptLine: Equatable {
    enum Order: Equatable {
        case send(text: String, answers: MessageID?)
        case edit(MessageID, text: String)
        case delete(MessageID)
        case react(MessageID, text: String)
        case typing(Bool)
        case quit
    }

    let order: Order
    /// The contact's name, where several are in reach.
    let to: String?
    /// What the answer is to carry.
    let ref: String?

    init(_ order: Order, to: String? = nil, ref: String? = nil) {
        self.order = order
        self.to = to
        self.ref = ref
    }

    private struct Object: Decodable {
        var send: String?
        var edit: String?
        var delete: String?
        var react: String?
        var text: String?
        var answers: String?
        var typing: Bool?
        var quit: Bool?
        var to: String?
        var ref: String?

        enum CodingKeys: String, CodingKey {
            case send, edit, delete, react, text, typing, quit, to, ref
            case answers = "reply_to"
        }
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
        guard let object = try? JSONDecoder().decode(Object.self, from: Data(text.utf8)),
            let order = try Self.order(object)
        else { throw Failure("input", "not understood: a line is {\"send\":\"text\"} or {\"quit\":true}") }
        self.init(order, to: object.to, ref: object.ref)
    }

    private static func order(_ object: Object) throws -> Order? {
        if object.quit == true { return .quit }
        if let text = object.send { return .send(text: text, answers: try object.answers.map(id)) }
        if let message = object.edit { return .edit(try id(message), text: object.text ?? "") }
        if let message = object.delete { return .delete(try id(message)) }
        if let message = object.react { return .react(try id(message), text: object.text ?? "") }
        return object.typing.map { .typing($0) }
    }

    private static func id(_ text: String) throws -> MessageID {
        guard let id = MessageID(text) else { throw Failure("input", "a message's id has 32 hexadecimal digits") }
        return id
    }
}
