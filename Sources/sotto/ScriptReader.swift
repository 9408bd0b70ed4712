import Messenger

/// Carries out the lines that a script writes to standard input in JSON mode.
enum ScriptReader {
    /// How long leaving waits for messages that were not confirmed yet, in seconds.
    static let farewell = 5.0

    /// - Parameter only: the contact that messages go to when a line does not name one.
    /// - Returns: true when the script said `quit`, false when its input ended.
    static func run(_ messenger: Messenger, only: Contact?, _ output: Output) async -> Bool {
        for await line in StandardInput.lines() {
            if Task.isCancelled { return true }
            do {
                guard let order = try ScriptLine(line) else { continue }
                switch order {
                case .quit:
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

    /// Waits a little for what was not confirmed yet, and goes.
    static func leave(_ messenger: Messenger) async {
        let end = ContinuousClock.now + .seconds(farewell)
        while await messenger.unsettled > 0, .now < end, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
        }
        await messenger.stop()
    }

    private static func contact(_ name: String?, _ only: Contact?, _ messenger: Messenger) async throws -> Contact? {
        guard let name else { return only }
        return try await messenger.contact(named: name)
    }
}
