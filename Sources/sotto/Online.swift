import ArgumentParser
import Foundation
import Messenger
import Synchronization

/// Runs a command that needs the network: unlock, go online, work, and leave in good order whatever happened.
enum Online {
    /// - Parameters:
    ///   - contact: who is talked with; an unknown name fails before anything else happens.
    ///   - body: ends when its work is done, when ``Messenger/events`` end, or when its task is cancelled: by a signal, or because nobody
    ///     reads standard output any more.
    static func run(
        _ common: CommonOptions, _ network: NetworkOptions, contact: String? = nil, failsWhenAbsent: Bool = false,
        body: @escaping @Sendable (Messenger) async throws -> Void
    ) async throws {
        let home = try common.unlock()
        if let contact { _ = try home.book().contact(named: contact) }
        let options = try network.messengerOptions(failsWhenAbsent: failsWhenAbsent)
        let thread = EventThread()
        let messenger: Messenger
        do {
            messenger = try Messenger(home: home, options: options, thread: thread, logger: common.logger)
            try await messenger.start()
        } catch {
            await thread.shutdown()
            throw error
        }
        let work = Task { try await body(messenger) }
        let end = Ending(work)
        let result = await work.result
        await messenger.stop()
        await messenger.settled()
        await thread.shutdown()
        end.finish()
        try result.get()
        if StandardOutput.isBroken { throw ExitCode(1) }
    }

    /// Cancels the work at the first signal that wants the program to end, and ends the program at the second.
    private final class Ending: Sendable {
        private let signals: SignalEvents

        init(_ work: Task<Void, any Error>) {
            let isSecond = Atomic(false)
            signals = SignalEvents([SIGINT, SIGTERM, SIGHUP]) { _ in
                guard !isSecond.exchange(true, ordering: .relaxed) else { exit(1) }
                work.cancel()
            }
            StandardOutput.whenBroken { work.cancel() }
        }

        func finish() {
            StandardOutput.whenBroken(nil)
            signals.cancel()
        }
    }
}
