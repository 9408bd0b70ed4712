import ArgumentParser
import Foundation
import Messenger
import NIOConcurrencyHelpers

/// Runs a command that needs the network: unlock, go online, work, and leave in good order whatever happened.
enum Online {
    /// - Parameters:
    ///   - contact: who is talked with; an unknown name fails before anything else happens.
    ///   - body: ends when its work is done, when ``Messenger/events`` end, or when its task is cancelled: by a signal, or because nobody
    ///     reads standard output any more. No task of its may outlive it: the thread that the messenger runs on ends next.
    static func run(
        _ common: CommonOptions, _ network: NetworkOptions, contact: String? = nil,
        body: @escaping @Sendable (Messenger, Home) async throws -> Void
    ) async throws {
        try await run(common, try network.messengerOptions(), contact: contact, body: body)
    }

    /// As above, with options that the command has completed.
    static func run(
        _ common: CommonOptions, _ options: MessengerOptions, contact: String? = nil,
        body: @escaping @Sendable (Messenger, Home) async throws -> Void
    ) async throws {
        let home = try common.unlock()
        if let contact { _ = try home.book().recipient(named: contact) }
        try await run(home, common, options, body: body)
    }

    /// As above, with a home that is unlocked already.
    static func run(
        _ home: Home, _ common: CommonOptions, _ network: NetworkOptions,
        body: @escaping @Sendable (Messenger, Home) async throws -> Void
    ) async throws {
        try await run(home, common, try network.messengerOptions(), body: body)
    }

    private static func run(
        _ home: Home, _ common: CommonOptions, _ options: MessengerOptions,
        body: @escaping @Sendable (Messenger, Home) async throws -> Void
    ) async throws {
        let ending = Ending()
        defer { ending.finish() }
        let thread = EventThread()
        let messenger: Messenger
        do {
            messenger = try Messenger(home: home, options: options, thread: thread, logger: common.logger)
            try await messenger.start()
        } catch {
            await thread.shutdown()
            throw error
        }
        let work = Task { try await body(messenger, home) }
        ending.ends(work)
        let result = await work.result
        await linger(messenger)
        await messenger.stop()
        await messenger.settled()
        await thread.shutdown()
        try result.get()
        if StandardOutput.isBroken { throw ExitCode(1) }
    }

    /// What is left to say: receipts for what came in, above all. They would be said the next time, if that is too long.
    private static func linger(_ messenger: Messenger) async {
        let end = ContinuousClock.now + .seconds(1)
        while await messenger.isBusy, .now < end {
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    /// Does something that signals may end before its time, as those that are online are ended.
    static func heedingSignals(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let ending = Ending()
        defer { ending.finish() }
        let work = Task { try await body() }
        ending.ends(work)
        try await work.value
    }

    /// Cancels the work at the first signal that wants the program to end, and ends the program at the second. Signals are
    /// heeded as long as the process lives: one that was sent when the work came to its end by itself may arrive later, and
    /// must not turn a program that leaves in good order into one that was killed.
    private final class Ending: Sendable {
        private final class Order: Sendable {
            private struct State {
                var isGiven = false
                var work: Task<Void, any Error>?
            }

            private let state = NIOLockedValueBox(State())

            /// Whether this is the first time.
            @discardableResult
            func give() -> Bool {
                let (isFirst, work) = state.withLockedValue { state in
                    defer { state.isGiven = true }
                    return (!state.isGiven, state.work)
                }
                work?.cancel()
                return isFirst
            }

            func concerns(_ work: Task<Void, any Error>) {
                let isLate = state.withLockedValue { state in
                    state.work = work
                    return state.isGiven
                }
                if isLate { work.cancel() }
            }
        }

        private static let heeded = NIOLockedValueBox<[SignalEvents]>([])
        private let order = Order()

        init() {
            let signals = SignalEvents([SIGINT, SIGTERM, SIGHUP]) { [order] _ in
                if !order.give() { exit(1) }
            }
            Self.heeded.withLockedValue { $0.append(signals) }
            StandardOutput.whenBroken { [order] in order.give() }
        }

        func ends(_ work: Task<Void, any Error>) { order.concerns(work) }

        func finish() {
            StandardOutput.whenBroken(nil)
        }
    }
}
