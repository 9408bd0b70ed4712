import ArgumentParser
import Dispatch
import Foundation
import Messenger

/// Runs a command that needs the network: unlock, go online, work, and leave in good order whatever happened.
enum Online {
    /// - Parameter body: ends when its work is done, when ``Messenger/events`` end, or when its task is cancelled by Ctrl-C or SIGTERM.
    static func run(
        _ common: CommonOptions, _ network: NetworkOptions, failsWhenAbsent: Bool = false,
        body: @escaping @Sendable (Messenger) async throws -> Void
    ) async throws {
        let home = try common.unlock()
        let thread = EventThread()
        let messenger: Messenger
        do {
            messenger = try Messenger(
                home: home, options: network.messengerOptions(failsWhenAbsent: failsWhenAbsent), thread: thread,
                logger: common.logger)
            try await messenger.start()
        } catch {
            await thread.shutdown()
            throw error
        }
        let work = Task { try await body(messenger) }
        let signals = SignalWatch { isFirst in
            guard isFirst else { exit(1) }
            work.cancel()
        }
        let result = await work.result
        await messenger.stop()
        await messenger.settled()
        await thread.shutdown()
        signals.cancel()
        try result.get()
    }
}

/// Tells when the user or the system wants the program to end.
/// `@unchecked Sendable`.
/// Safety: the sources are made in `init`, and only cancelled after that, which any thread may do.
final class SignalWatch: @unchecked Sendable {
    private let sources: [any DispatchSourceSignal]

    /// - Parameter action: called with true for the first signal, with false for each further one.
    init(_ action: @escaping @Sendable (Bool) -> Void) {
        let queue = DispatchQueue(label: "sotto.signals")
        let count = Counter()
        sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { action(count.next() == 1) }
            source.resume()
            return source
        }
    }

    func cancel() { for source in sources { source.cancel() } }

    /// Touched on the signal queue only.
    private final class Counter: @unchecked Sendable {
        // Safety: used by the handlers of one serial queue.
        private var value = 0

        func next() -> Int {
            value += 1
            return value
        }
    }
}
