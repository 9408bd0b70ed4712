import Dispatch
import Glibc

/// Signals as calls on a queue, for as long as the object is not cancelled.
///
/// `@unchecked Sendable`.
/// Safety: everything is set in `init` and immutable afterwards; Dispatch sources may be cancelled from any thread.
final class SignalEvents: @unchecked Sendable {
    private let sources: [any DispatchSourceSignal]
    private let previous: [(Int32, sigaction)]

    /// Calls `handler` with the number of a signal, one call after the other. Signals that would end the process no
    /// longer do once this returns, and none is lost. Hangups that the process was started to ignore (nohup) stay
    /// ignored.
    init(_ signals: [Int32], handler: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "sotto.signals")
        let heeded = signals.filter { $0 != SIGHUP || !Self.isIgnored(SIGHUP) }
        // Dispatch puts a handler of its own in place when a source begins. One that is there already, for another
        // source, is not ours to put back.
        previous = heeded.compactMap { number in
            var found = sigaction()
            sigaction(number, nil, &found)
            let disposition = Self.disposition(found)
            return disposition == 0 || TerminalRestoration.isHandler(disposition) ? (number, found) : nil
        }
        let begun = DispatchGroup()
        sources = heeded.map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            begun.enter()
            source.setRegistrationHandler { begun.leave() }
            source.resume()
            return source
        }
        begun.wait()
    }

    deinit { cancel() }

    /// Ends the calls and puts the old dispositions back. Idempotent.
    func cancel() {
        guard sources.contains(where: { !$0.isCancelled }) else { return }
        for source in sources { source.cancel() }
        for var (number, found) in previous { sigaction(number, &found, nil) }
    }

    /// 0 for the default, 1 for ignored, or the address of a handler.
    static func disposition(_ number: Int32) -> Int {
        var found = sigaction()
        sigaction(number, nil, &found)
        return disposition(found)
    }

    private static func disposition(_ action: sigaction) -> Int {
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    }

    private static func isIgnored(_ number: Int32) -> Bool { disposition(number) == 1 }
}
