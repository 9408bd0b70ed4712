import ArgumentParser
import Foundation
import Messenger
import Wire

/// `--cipher`, as typed.
extension CipherName: ExpressibleByArgument {}

struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure throughput and round-trip time to a contact who runs 'sotto listen --bench'.",
        usage: "sotto bench NAME [--seconds SECONDS] [--path auto|direct|relay] [--cipher CIPHER] [options]",
        discussion: """
            Sends as much as goes through, then receives as much, then measures round trips of 64 bytes, in the session that \
            messages use. Nothing of it is stored.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    @Argument(help: "The contact.")
    var name: String

    @Option(help: ArgumentHelp("How long each direction is measured, up to 60.", valueName: "seconds"))
    var seconds: Double = 5

    @Option(
        help: ArgumentHelp(
            "Offer only this cipher for the packets, not the best that both sides have.", valueName: "cipher"))
    var cipher: CipherName?

    @Option(
        help: ArgumentHelp(
            "Give up when the contact, or with '--path direct' a direct path, is not there within so many seconds.",
            valueName: "seconds"))
    var timeout: Double = 20

    /// Seconds that a direct path has to come about, before the relay is measured instead.
    private static let patience = 5.0

    func validate() throws {
        guard seconds >= 0.1, seconds <= 60 else { throw ValidationError("--seconds takes 0.1 to 60") }
        guard timeout > 0, timeout <= 3600 else { throw ValidationError("--timeout takes 0 to 3600 seconds") }
    }

    func run() async throws {
        try await common.run { output in
            var options = try network.messengerOptions()
            if let cipher {
                guard Messenger.offers(cipher) else {
                    throw Failure("cipher", "the processor of this machine does not do \(cipher.rawValue) in hardware")
                }
                options.cipher = cipher
            }
            try await Online.run(common, options, contact: name) { messenger, _ in
                try await measure(messenger, output)
            }
        }
    }

    private func measure(_ messenger: Messenger, _ output: Output) async throws {
        let contact = try await messenger.contact(named: name)
        let start = Start(messenger, contact, milliseconds: UInt32(seconds * 1000))
        await messenger.keepConnected(to: contact, onScreen: true)
        try await withThrowingDiscardingTaskGroup { group in
            defer { group.cancelAll() }
            group.addTask {
                guard (try? await Task.sleep(for: .seconds(timeout))) != nil, await !start.isDone else { return }
                await messenger.stop()
            }
            try await follow(contact, messenger, start, output) {
                group.addTask {
                    if (try? await Task.sleep(for: .seconds(Self.patience))) != nil { await start.begin() }
                }
            }
        }
    }

    /// - Parameter beginLater: called when the contact is there, and a direct path may follow.
    private func follow(
        _ contact: Contact, _ messenger: Messenger, _ start: Start, _ output: Output, beginLater: () -> Void
    ) async throws {
        let line = ProgressLine(output)
        defer { line.clear() }
        var isLoggedIn = false
        for await event in messenger.events {
            // What comes in meanwhile is for 'listen' and 'chat' to show.
            if case .message = event { continue }
            output.common(event)
            switch event {
            case .ready: isLoggedIn = true
            case .online(let other) where other.peer == contact.peer:
                if network.path == .relay { await start.begin() }
                if network.path == .auto { beginLater() }
            case .path(let other, let report) where other.peer == contact.peer:
                line.clear()
                output.say("\(contact.name): \(report.summary)")
                if report.kind != .relay { await start.begin() }
            case .benchmark(_, .progress(let progress)):
                output.progress(progress, with: contact)
                line.show(progress)
            case .benchmark(_, .finished(let report)):
                line.clear()
                return output.bench(report, with: contact)
            case .benchmark(_, .failed(let failure)): throw Failure(failure, contact)
            case .offline(let other, let reason) where other.peer == contact.peer:
                throw Failure("unreachable", "\(contact.name): \(reason)")
            case .server(.disconnected(let reason, let retryIn)):
                let isDone = await start.isDone
                if retryIn == nil || !isDone { throw Failure("server", reason) }
            default: break
            }
        }
        throw unfinished(contact, isLoggedIn: isLoggedIn)
    }

    private func unfinished(_ contact: Contact, isLoggedIn: Bool) -> Failure {
        if Task.isCancelled { return Failure("interrupted", "interrupted before everything was measured") }
        guard isLoggedIn else { return Failure("server", "the server does not answer") }
        let what =
            network.path == .direct ? "there is no direct path to \(contact.name)" : "\(contact.name) is not there"
        return Failure("unreachable", "\(what) within \(timeout.formatted()) seconds")
    }
}

/// Begins once.
private actor Start {
    private(set) var isDone = false
    private let messenger: Messenger
    private let contact: Contact
    private let milliseconds: UInt32

    init(_ messenger: Messenger, _ contact: Contact, milliseconds: UInt32) {
        self.messenger = messenger
        self.contact = contact
        self.milliseconds = milliseconds
    }

    func begin() async {
        guard !isDone else { return }
        isDone = true
        await messenger.benchmark(contact, milliseconds: milliseconds)
    }
}

/// A line at the terminal that is written again and again; nothing where there is no terminal.
private struct ProgressLine {
    private let isShown: Bool

    init(_ output: Output) { isShown = !output.isJSON && isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

    func show(_ progress: BenchmarkProgress) {
        guard isShown else { return }
        let what =
            switch progress.phase {
            case .upload: "sending \(BenchText.rate(progress.bitsPerSecond))"
            case .download: "receiving \(BenchText.rate(progress.bitsPerSecond))"
            case .echo: "measuring round trips"
            }
        StandardError.write("\r\u{1B}[K\(what), \(String(format: "%.0f s", progress.seconds))")
    }

    func clear() {
        if isShown { StandardError.write("\r\u{1B}[K") }
    }
}

extension Failure {
    init(_ failure: BenchmarkFailure, _ contact: Contact) {
        let name = contact.name
        switch failure {
        case .notOffered:
            self.init("not-offered", "\(name) does not let you measure: 'sotto listen --bench' has to run there")
        case .busy: self.init("busy", "\(name) measures with somebody else")
        case .interrupted(let reason): self.init("silent", "\(name): \(reason)")
        case .silent: self.init("silent", "\(name) stopped answering")
        case .misbehaved: self.init("failed", "what \(name) sent makes no sense")
        }
    }
}
