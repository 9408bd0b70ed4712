import Foundation
import NATLab

/// Somebody with a home directory on a host of the laboratory, using `sotto`.
final class Person: Sendable {
    let name: String
    let home: String
    let host: LabHost

    private struct Run {
        var process: LabProcess?
        var journal = Watched(Journal())
        var previous: [Journal] = []
        var sent = 0
        /// Set when messages have to say whom they are for.
        var addressee: String?
    }

    private let run = Locked(Run())

    init(_ name: String, home: String, on host: LabHost) {
        self.name = name
        self.home = home
        self.host = host
    }

    // MARK: Running

    /// Starts `sotto chat CONTACT --json`.
    func chat(with contact: String, options: [String] = []) throws {
        try start(["chat", contact] + options, addressee: nil)
    }

    /// Starts `sotto listen --json`; messages will go to `contact`.
    func listen(for contact: String, options: [String] = []) throws {
        try start(["listen"] + options, addressee: contact)
    }

    /// Starts `sotto bench CONTACT --json`; the contact listens with `--bench`.
    func measure(with contact: String, seconds: Double) throws {
        try start(["bench", contact, "--seconds", "\(seconds)"], addressee: nil)
    }

    private func start(_ arguments: [String], addressee: String?) throws {
        let journal = Watched(Journal())
        let process = try host.spawn(
            Programs.sotto, ["--home", home, "--json"] + arguments, environment: ["HOME": home],
            observer: { change in journal.update { $0.take(change) } })
        run.withLock { run in
            if run.process != nil { run.previous.append(run.journal.value) }
            (run.process, run.journal, run.addressee) = (process, journal, addressee)
        }
    }

    var process: LabProcess? { run.withLock { $0.process } }

    /// What the present run has said.
    var journal: Watched<Journal> { run.withLock { $0.journal } }

    /// What earlier runs said, oldest first.
    var previousJournals: [Journal] { run.withLock { $0.previous } }

    /// Runs a command of `sotto` to its end and returns its events.
    func command(_ arguments: String...) async throws -> [Event] {
        try await Person.command(arguments, home: home, on: host)
    }

    static func command(_ arguments: [String], home: String, on host: LabHost) async throws -> [Event] {
        let all = ["--home", home, "--json"] + arguments
        let process = try host.spawn(Programs.sotto, all, environment: ["HOME": home])
        process.closeInput()
        let status = try await process.exit(within: .seconds(30))
        guard status.succeeded else {
            let said = process.lines.map(\.text).joined(separator: "\n") + process.errorText
            throw LabError.commandFailed("sotto \(arguments.joined(separator: " "))", status, output: said)
        }
        return process.lines.compactMap { Event($0.text) }
    }

    // MARK: Talking

    /// The number of messages sent so far, over all runs.
    var sentCount: Int { run.withLock { $0.sent } }

    /// Sends the next message, "NAME NUMBER", counted from 0.
    func sayNext() throws {
        let (process, line) = run.withLock { run -> (LabProcess?, String) in
            defer { run.sent += 1 }
            let addressee = run.addressee.map { "\"to\":\"\($0)\"," } ?? ""
            return (run.process, "{\(addressee)\"send\":\"\(name) \(run.sent)\"}\n")
        }
        try process?.write(line)
    }

    /// The texts of all messages that came in, with their times, over all runs.
    var received: [Journal.Message] {
        run.withLock { run in run.previous.flatMap(\.messages) + run.journal.value.messages }
    }

    // MARK: Waiting

    /// Waits for something in the present run's journal. An ended program ends the wait with an error.
    @discardableResult
    func first<Result: Sendable>(
        _ what: String, within limit: Duration = .seconds(20), _ check: @escaping @Sendable (Journal) -> Result?
    ) async throws -> Result {
        let (journal, name) = (journal, name)
        do {
            return try await journal.first("\(what) by \(name)", within: limit) { journal in
                if let result = check(journal) { return result }
                if let end = journal.end {
                    throw LabError.ended(waitingFor: "\(what) by \(name)", end, sofar: "\(journal)")
                }
                return nil
            }
        } catch let error as LabError {
            throw Failure(error: error, standardError: String((process?.errorText ?? "").suffix(3000)))
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let error: LabError
        let standardError: String

        var description: String { standardError.isEmpty ? "\(error)" : "\(error)\nstandard error:\n\(standardError)" }
    }

    /// Waits until the server knows this person.
    func waitUntilReady() async throws {
        try await first("ready") { $0.isReady ? () : nil }
    }

    /// Waits until the session is carried by this kind of path; returns the event that said so.
    @discardableResult
    func waitForPath(
        _ kind: String, after time: ContinuousClock.Instant? = nil, within limit: Duration = .seconds(20)
    ) async throws -> Journal.Path {
        try await first("path \(kind)", within: limit) { journal in
            guard journal.path == kind, let path = journal.paths.last else { return nil }
            // With a time given, the path has to be one that began after it.
            let began = journal.paths.reversed().prefix { $0.kind == kind }.last
            if let time, (began ?? path).time < time { return nil }
            return began ?? path
        }
    }
}
