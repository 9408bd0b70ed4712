import Dispatch
import Glibc

/// Signals as calls on a queue, for as long as the object is not cancelled.
///
/// `@unchecked Sendable`.
/// Safety: everything is set in `init` and immutable afterwards; Dispatch sources may be cancelled from any thread.
final class SignalEvents: @unchecked Sendable {
    private let sources: [any DispatchSourceSignal]
    private let previous: [(Int32, sighandler_t?)]

    /// Calls `handler` with the number of a signal, one call after the other. Signals that would end the process no
    /// longer do.
    init(_ signals: [Int32], handler: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "sotto.signals")
        previous = signals.filter(Self.endsTheProcess).map { ($0, Glibc.signal($0, SIG_IGN)) }
        sources = signals.map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }

    deinit { cancel() }

    /// Dispatch sees signals although they are ignored. To be called again when somebody changed that.
    func ignore() {
        for (number, _) in previous { Glibc.signal(number, SIG_IGN) }
    }

    /// Ends the calls and puts the old dispositions back. Idempotent.
    func cancel() {
        guard sources.contains(where: { !$0.isCancelled }) else { return }
        for source in sources { source.cancel() }
        for (number, handler) in previous { Glibc.signal(number, handler) }
    }

    private static func endsTheProcess(_ number: Int32) -> Bool {
        ![SIGWINCH, SIGCONT, SIGCHLD, SIGURG].contains(number)
    }
}
