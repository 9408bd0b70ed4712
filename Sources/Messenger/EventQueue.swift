import NIOConcurrencyHelpers

/// A bounded queue from the messenger to its front end.
///
/// The messenger never waits and never drops: it looks at ``isFull`` before it reads more from its sessions, so that a front end that does not
/// keep up slows the senders down (QUIC flow control carries that to them).
package final class EventQueue<Element: Sendable>: Sendable, AsyncSequence {
    private struct State {
        var elements: [Element] = []
        var waiter: CheckedContinuation<Element?, Never>?
        var isFinished = false
        var wasFull = false
    }

    private let state = NIOLockedValueBox(State())
    private let capacity: Int
    private let onDrained: NIOLockedValueBox<(@Sendable () -> Void)?> = .init(nil)

    package init(capacity: Int = 1024) { self.capacity = capacity }

    /// Called when a full queue has room again.
    func whenDrained(_ action: @escaping @Sendable () -> Void) { onDrained.withLockedValue { $0 = action } }

    var isFull: Bool {
        state.withLockedValue { state in
            if state.elements.count >= capacity { state.wasFull = true }
            return state.elements.count >= capacity
        }
    }

    func put(_ element: Element) {
        let waiter = state.withLockedValue { state -> CheckedContinuation<Element?, Never>? in
            guard !state.isFinished else { return nil }
            if let waiter = state.waiter {
                state.waiter = nil
                return waiter
            }
            state.elements.append(element)
            return nil
        }
        waiter?.resume(returning: element)
    }

    func finish() {
        onDrained.withLockedValue { $0 = nil }
        let waiter = state.withLockedValue { state -> CheckedContinuation<Element?, Never>? in
            state.isFinished = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }

    /// The next event, or `nil` after the last. One reader at a time.
    package func next() async -> Element? {
        let (element, isDrained) = await withTaskCancellationHandler {
            await take()
        } onCancel: {
            let waiter = state.withLockedValue { state -> CheckedContinuation<Element?, Never>? in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(returning: nil)
        }
        if isDrained { onDrained.withLockedValue { $0 }?() }
        return element
    }

    private func take() async -> (Element?, Bool) {
        var isDrained = false
        let element = await withCheckedContinuation { (continuation: CheckedContinuation<Element?, Never>) in
            let ready = state.withLockedValue { state -> Element?? in
                if !state.elements.isEmpty {
                    let element = state.elements.removeFirst()
                    if state.wasFull, state.elements.count <= capacity / 2 {
                        state.wasFull = false
                        isDrained = true
                    }
                    return .some(element)
                }
                if state.isFinished || Task.isCancelled { return .some(nil) }
                state.waiter = continuation
                return nil
            }
            if let ready { continuation.resume(returning: ready) }
        }
        return (element, isDrained)
    }

    package struct Iterator: AsyncIteratorProtocol {
        let queue: EventQueue

        package mutating func next() async -> Element? { await queue.next() }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(queue: self) }
}
