import Messenger
import NIOConcurrencyHelpers

/// Carries out the lines that a script writes to standard input in JSON mode.
final class ScriptReader: Sendable {
    /// How long leaving waits for messages that are on their way, in seconds.
    static let farewell = 5.0

    private let messenger: Messenger
    private let only: Contact?
    private let output: Output
    /// What the answers to lines carry, by the message that they brought.
    private let refs = NIOLockedValueBox<[MessageID: String]>([:])

    /// - Parameter only: the contact that lines are about when they do not name one.
    init(_ messenger: Messenger, only: Contact?, _ output: Output) {
        self.messenger = messenger
        self.only = only
        self.output = output
    }

    /// What the answer to the line carries that brought a message; once.
    func ref(of event: MessengerEvent) -> String? {
        guard case .state(let id, _, let state, _) = event, state == .queued || state == .failed else { return nil }
        return refs.withLockedValue { $0.removeValue(forKey: id) }
    }

    /// - Returns: true when the script said `quit`, false when its input ended.
    func run() async -> Bool {
        for await line in StandardInput.lines() {
            if Task.isCancelled { return true }
            var ref: String?
            do {
                guard let line = try ScriptLine(line) else { continue }
                ref = line.ref
                if line.order == .quit { return true }
                try await carryOut(line)
            } catch {
                output.failure(Failure(error), ref: ref)
            }
        }
        return false
    }

    private func carryOut(_ line: ScriptLine) async throws {
        guard let contact = try await contact(line.to) else {
            throw Failure("input", "say whom it is for: {\"to\":\"name\",\"send\":\"text\"}")
        }
        switch line.order {
        case .send(let text, let answers):
            // Before anything happens: the answer may be there sooner than the call returns.
            let id = MessageID.random()
            if let ref = line.ref { refs.withLockedValue { $0[id] = ref } }
            do {
                try await messenger.send(text, to: contact, answers: answers, id: id)
            } catch {
                refs.withLockedValue { $0[id] = nil }
                throw error
            }
        case .edit(let id, let text): try await messenger.edit(id, to: text, in: contact)
        case .delete(let id): try await messenger.delete(id, in: contact)
        case .react(let id, let text): try await messenger.react(to: id, with: text, in: contact)
        case .typing(let isTyping): await messenger.setTyping(isTyping, to: contact)
        case .quit: break
        }
    }

    /// Waits a little for what is on its way, and goes. What is not confirmed by then is sent the next time.
    static func leave(_ messenger: Messenger) async {
        let end = ContinuousClock.now + .seconds(farewell)
        while await messenger.isBusy, .now < end, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
        }
        await messenger.stop()
    }

    private func contact(_ name: String?) async throws -> Contact? {
        guard let name else { return only }
        return try await messenger.contact(named: name)
    }
}
