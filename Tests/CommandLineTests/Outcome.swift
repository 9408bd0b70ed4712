import Foundation
import NATLab

/// What a command that has ended left behind.
struct Outcome: Sendable {
    let status: ExitStatus
    let output: String
    let errors: String
    let events: [Event]

    /// The error event, or else nil.
    var error: Event? { events.last { $0.name == "error" } }
}

enum Shell {
    private static let slots = Slots(8)

    static func finish(
        _ program: String, _ arguments: [String], input: String, within limit: Duration
    ) async throws -> Outcome {
        await slots.take()
        do {
            let outcome = try await finishNow(program, arguments, input, limit)
            await slots.giveBack()
            return outcome
        } catch {
            await slots.giveBack()
            throw error
        }
    }

    private static func finishNow(
        _ program: String, _ arguments: [String], _ input: String, _ limit: Duration
    ) async throws -> Outcome {
        let process = try LabProcess.onThisMachine(program, arguments)
        if !input.isEmpty { try process.write(input) }
        process.closeInput()
        do {
            let status = try await process.exit(within: limit)
            return Outcome(
                status: status, output: process.lines.map { $0.text + "\n" }.joined(), errors: process.errorText,
                events: process.lines.compactMap { Event($0.text) })
        } catch {
            await process.kill()
            throw error
        }
    }
}

/// So many at a time; the others wait in order.
private actor Slots {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { free = count }

    func take() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func giveBack() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

extension LabProcess {
    /// Waits for an event that satisfies the condition, among all so far.
    @discardableResult
    func event(
        _ name: String, within limit: Duration = .seconds(60),
        where matches: @escaping @Sendable (Event) -> Bool = { _ in true }
    ) async throws -> Event {
        try await firstOutput(name, within: limit) { lines in
            lines.lazy.compactMap { Event($0.text) }.first { $0.name == name && matches($0) }
        }
    }

    /// Waits for a line that contains the text.
    @discardableResult
    func line(_ part: String, within limit: Duration = .seconds(60)) async throws -> String {
        try await firstOutput(part, within: limit) { lines in lines.map(\.text).first { $0.contains(part) } }
    }

    /// Ends it with a signal and returns how it ended.
    func end(by number: Int32 = SIGTERM) async throws -> ExitStatus {
        signal(number)
        return try await exit(within: .seconds(60))
    }

    /// Whether it has told of a session, a message, a new contact or a request.
    var hasMetAnybody: Bool {
        lines.compactMap { Event($0.text) }.contains { event in
            event.name == "message" || event.name == "request" || event.name == "contact"
                || (event.name == "session" && event["state"] == "online")
        }
    }

    /// Every line so far is an event as documented.
    var problems: [String] { lines.flatMap { EventSchema.problems($0.text) } }
}
