import Dispatch
import NIOConcurrencyHelpers
import NIOCore

/// Work that blocks, done on a queue; its result comes back to the event loop, unless the loop's side has lost interest.
///
/// After ``cancel()`` nothing of it touches the loop any more, so that whoever cancels all errands may shut the loop down,
/// however long the work still takes.
///
/// Safety: `receiver` is guarded by its lock, and what it holds is used on the loop alone.
final class Errand<Value: Sendable>: Sendable {
    private let eventLoop: any EventLoop
    /// Nil once the result was received, or is not wanted any more.
    private let receiver: NIOLockedValueBox<NIOLoopBound<(Value) -> Void>?>

    /// On the event loop.
    ///
    /// - Parameters:
    ///   - work: not begun at all when the errand is cancelled before its turn in the queue.
    ///   - receive: called on the event loop, at most once.
    init(
        for eventLoop: any EventLoop, on queue: DispatchQueue, _ work: @escaping @Sendable () -> Value,
        receive: @escaping (Value) -> Void
    ) {
        self.eventLoop = eventLoop
        receiver = NIOLockedValueBox(NIOLoopBound(receive, eventLoop: eventLoop))
        queue.async { [self] in
            guard receiver.withLockedValue({ $0 != nil }) else { return }
            let value = work()
            // With the lock held: a cancellation comes before, and then nothing is put on the loop, or after.
            receiver.withLockedValue { receiver in
                guard receiver != nil else { return }
                eventLoop.execute { self.deliver(value) }
            }
        }
    }

    /// The result is not wanted any more. On the event loop; idempotent.
    func cancel() {
        take()
    }

    private func deliver(_ value: Value) {
        take()?(value)
    }

    @discardableResult
    private func take() -> ((Value) -> Void)? {
        let taken = receiver.withLockedValue { receiver in
            defer { receiver = nil }
            return receiver
        }
        return taken?.value
    }
}
