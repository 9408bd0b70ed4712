import ArgumentParser
import Foundation
import Messenger

struct Ping: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show path and round-trip time to a contact who is online.",
        usage: "sotto ping NAME [-c COUNT] [-i SECONDS] [--timeout SECONDS] [options]",
        discussion: "Exit status 1 when the contact did not answer, or stopped answering before the count was reached.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    @Argument(help: "The contact.")
    var name: String

    @Option(name: .short, help: ArgumentHelp("How many pings; 0 goes on until Ctrl-C.", valueName: "count"))
    var count = 0

    @Option(name: .shortAndLong, help: ArgumentHelp("Seconds between pings.", valueName: "seconds"))
    var interval: Double = 1

    @Option(help: ArgumentHelp("Give up when an answer does not come within so many seconds.", valueName: "seconds"))
    var timeout: Double = 10

    func validate() throws {
        guard count >= 0 else { throw ValidationError("-c takes a number from 0") }
        guard interval >= 0.01, interval <= 3600 else { throw ValidationError("--interval takes 0.01 to 3600 seconds") }
        guard timeout > 0, timeout <= 3600 else { throw ValidationError("--timeout takes 0 to 3600 seconds") }
    }

    func run() async throws {
        try await common.run { output in
            try await Online.run(common, network, contact: name) { messenger, _ in
                try await ping(messenger, output)
            }
        }
    }

    private func ping(_ messenger: Messenger, _ output: Output) async throws {
        let contact = try await messenger.contact(named: name)
        await messenger.keepConnected(to: contact, onScreen: true)
        try await withThrowingDiscardingTaskGroup { group in
            defer { group.cancelAll() }
            let silence = Silence(limit: timeout)
            group.addTask {
                guard await silence.isOver() else { return }
                await messenger.stop()
            }
            try await follow(contact, messenger, silence, output) {
                group.addTask { await pingRegularly(messenger, contact) }
            }
        }
    }

    /// Tells the answers, until there are enough.
    ///
    /// - Parameter beginPinging: called when the contact is there.
    private func follow(
        _ contact: Contact, _ messenger: Messenger, _ silence: Silence, _ output: Output, beginPinging: () -> Void
    ) async throws {
        var isPinging = false
        var answers: [Double] = []
        var isLoggedIn = false
        for await event in messenger.events {
            // What comes in meanwhile is for 'listen' and 'chat' to show.
            if case .message = event { continue }
            output.common(event)
            switch event {
            case .ready:
                isLoggedIn = true
            case .online:
                if !isPinging { beginPinging() }
                isPinging = true
            case .path(_, let report):
                output.say("\(contact.name): \(report.summary)")
            case .pong(_, let report, let roundTrip):
                await silence.broken(next: interval)
                answers.append(roundTrip)
                output.say(
                    "answer from \(contact.name): \(milliseconds(roundTrip)) over \(report?.kind.rawValue ?? "relay")")
            case .offline(_, let reason):
                if answers.isEmpty { throw Failure("unreachable", "\(contact.name): \(reason)") }
                output.notice("\(contact.name): \(reason)")
            case .server(.disconnected(let reason, let retryIn)) where retryIn == nil || answers.isEmpty:
                throw Failure("server", reason)
            default:
                break
            }
            if count > 0, answers.count >= count { break }
        }
        if !isLoggedIn, !Task.isCancelled { throw Failure("server", "the server does not answer") }
        try summarize(answers, contact, output)
    }

    private func pingRegularly(_ messenger: Messenger, _ contact: Contact) async {
        var sent = 0
        while count == 0 || sent < count {
            await messenger.ping(contact)
            sent += 1
            guard (try? await Task.sleep(for: .seconds(interval))) != nil else { return }
        }
    }

    private func summarize(_ answers: [Double], _ contact: Contact, _ output: Output) throws {
        guard !answers.isEmpty else {
            if Task.isCancelled { throw Failure("interrupted", "interrupted before \(contact.name) answered") }
            throw Failure("unreachable", "\(contact.name) did not answer within \(timeout.formatted()) seconds")
        }
        let sorted = answers.sorted()
        output.say(
            "\(answers.count) \(answers.count == 1 ? "answer" : "answers"), round trip least \(milliseconds(sorted[0])), median \(milliseconds(sorted[sorted.count / 2])), most \(milliseconds(sorted[sorted.count - 1]))"
        )
        guard Task.isCancelled || (count > 0 && answers.count >= count) else {
            throw Failure("silent", "\(contact.name) stopped answering")
        }
    }

    private func milliseconds(_ value: Double) -> String { String(format: "%.2f ms", value) }
}

/// Measures how long nothing has come.
private actor Silence {
    private let limit: Duration
    private var deadline: ContinuousClock.Instant

    init(limit: Double) {
        self.limit = .seconds(limit)
        self.deadline = .now + self.limit
    }

    /// An answer came; the next is due after another `interval` seconds.
    func broken(next interval: Double) { deadline = .now + .seconds(interval) + limit }

    /// Returns true once nothing has come for the limit, false when the task is cancelled before.
    func isOver() async -> Bool {
        while .now < deadline {
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return false }
        }
        return true
    }
}
