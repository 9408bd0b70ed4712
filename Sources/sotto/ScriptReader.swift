import Messenger

/// Carries out the lines that a script writes to standard input in JSON mode.
enum ScriptReader {
    /// - Parameter only: the contact that messages go to when a line does not name one.
    /// - Returns: true when the script said `quit`, false when its input ended.
    @discardableResult
    static func run(_ messenger: Messenger, only: Contact?, _ output: Output) async -> Bool {
        for await line in StandardInput.lines() {
            if Task.isCancelled { return true }
            guard !line.allSatisfy(\.isWhitespace) else { continue }
            do {
                switch try ScriptLine(line) {
                case .quit:
                    if only == nil { await messenger.stop() }
                    return true
                case .send(let text, let name):
                    guard let contact = try await contact(name, only, messenger) else {
                        throw Failure("input", "say whom it is for: {\"to\":\"name\",\"send\":\"text\"}")
                    }
                    try await messenger.send(text, to: contact)
                }
            } catch {
                output.failure(Failure(error))
            }
        }
        return false
    }

    private static func contact(_ name: String?, _ only: Contact?, _ messenger: Messenger) async throws -> Contact? {
        guard let name else { return only }
        return try await messenger.contact(named: name)
    }
}
