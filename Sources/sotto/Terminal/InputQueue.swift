import Foundation

/// A bounded queue from a thread, which waits when it is full, to one asynchronous reader.
///
/// `@unchecked Sendable`.
/// Safety: all state is only touched while `condition` is locked; continuations are resumed after unlocking.
final class InputQueue<Element: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let capacity: Int
    private var elements: [Element] = []
    private var finished = false
    private var reader: CheckedContinuation<Element?, Never>?

    /// A queue that holds at most `capacity` elements.
    init(capacity: Int) {
        self.capacity = max(capacity, 1)
    }

    /// Adds an element; waits while the queue is full. Does nothing once the queue is finished.
    func push(_ element: Element) {
        condition.lock()
        while elements.count >= capacity, !finished { condition.wait() }
        let waiting = reader
        reader = nil
        if waiting == nil, !finished { elements.append(element) }
        condition.unlock()
        waiting?.resume(returning: element)
    }

    /// Lets the reader have what is queued, then nil. Releases a waiting writer. Idempotent.
    func finish() {
        condition.lock()
        finished = true
        let waiting = reader
        reader = nil
        condition.broadcast()
        condition.unlock()
        waiting?.resume(returning: nil)
    }

    /// The next element, or nil when the queue is finished and empty. One reader at a time: another is told nil.
    func next() async -> Element? {
        await withCheckedContinuation { continuation in
            condition.lock()
            var result: Element?
            var mustWait = false
            if !elements.isEmpty {
                result = elements.removeFirst()
                condition.signal()
            } else if !finished, reader == nil {
                reader = continuation
                mustWait = true
            }
            condition.unlock()
            if !mustWait { continuation.resume(returning: result) }
        }
    }
}
