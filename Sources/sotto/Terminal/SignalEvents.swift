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
    /// longer do. Hangups that the process was started to ignore (nohup) stay ignored.
    init(_ signals: [Int32], handler: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "sotto.signals")
        let heeded = signals.filter { $0 != SIGHUP || !Self.isIgnored(SIGHUP) }
        // Dispatch puts a handler of its own in place when a source begins; until then the signal must do no harm. One
        // that is there already, for another source, must stay: it is not set again.
        previous = heeded.filter { number in
            let found = Self.disposition(number)
            return Self.endsTheProcess(number) && (found == 0 || TerminalRestoration.isHandler(found))
        }.map { ($0, Glibc.signal($0, SIG_IGN)) }
        sources = heeded.map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }

    deinit { cancel() }

    /// Ends the calls and puts the old dispositions back. Idempotent.
    func cancel() {
        guard sources.contains(where: { !$0.isCancelled }) else { return }
        for source in sources { source.cancel() }
        for (number, handler) in previous { Glibc.signal(number, handler) }
    }

    /// 0 for the default, 1 for ignored, or the address of a handler.
    static func disposition(_ number: Int32) -> Int {
        var action = sigaction()
        sigaction(number, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    }

    private static func isIgnored(_ number: Int32) -> Bool { disposition(number) == 1 }

    private static func endsTheProcess(_ number: Int32) -> Bool {
        ![SIGWINCH, SIGCONT, SIGCHLD, SIGURG].contains(number)
    }
}
