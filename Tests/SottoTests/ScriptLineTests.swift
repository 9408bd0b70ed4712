import Messenger
import Testing

@testable import sotto

@Suite struct ScriptLineTests {
    private static let id = String(repeating: "0a", count: 16)
    private static let message = MessageID(id) ?? .random()

    @Test(arguments: [
        (#"{"send":"x"}"#, ScriptLine(.send(text: "x", answers: nil))),
        (#"{"send":"x","to":"bob","ref":"17"}"#, ScriptLine(.send(text: "x", answers: nil), to: "bob", ref: "17")),
        (#"{"send":"x","reply_to":"\#(id)"}"#, ScriptLine(.send(text: "x", answers: message))),
        (#"{"edit":"\#(id)","text":"y"}"#, ScriptLine(.edit(message, text: "y"))),
        (#"{"delete":"\#(id)"}"#, ScriptLine(.delete(message))),
        (#"{"react":"\#(id)","text":"👍"}"#, ScriptLine(.react(message, text: "👍"))),
        (#"{"react":"\#(id)"}"#, ScriptLine(.react(message, text: ""))),
        (#"{"typing":true}"#, ScriptLine(.typing(true))), (#"{"quit":true,"send":"x"}"#, ScriptLine(.quit)),
    ])
    func understands(line: String, order: ScriptLine) throws {
        #expect(try ScriptLine(.text(line)) == order)
    }

    @Test(arguments: [
        "{", "[]", "{}", #"{"send":1}"#, #"{"edit":"x","text":"y"}"#, #"{"send":"x","reply_to":"1"}"#, #"{"ref":"1"}"#,
        #"{"quit":false}"#, #"{"send":"x","ref":1}"#,
    ])
    func refuses(line: String) {
        #expect(throws: Failure.self) { try ScriptLine(.text(line)) }
    }

    @Test func skipsBlankLines() throws {
        #expect(try ScriptLine(.text(" \t")) == nil)
        #expect(throws: Failure.self) { try ScriptLine(.notUTF8) }
        #expect(throws: Failure.self) { try ScriptLine(.tooLong) }
    }
}
