/// A steady beat: an element at once, then one every interval until the loop is left or its task cancelled.
///
/// For doing something again and again, as sending traffic; to wait for something use ``Watched``.
package struct Ticks: AsyncSequence, Sendable {
    package typealias Element = Int

    private let interval: Duration

    package init(every interval: Duration) {
        self.interval = interval
    }

    package struct Iterator: AsyncIteratorProtocol {
        let interval: Duration
        var next: ContinuousClock.Instant?
        var count = 0

        package mutating func next() async -> Int? {
            if let next {
                await withCheckedContinuation { continuation in
                    _ = Reactor.shared.at(next) { continuation.resume() }
                }
            }
            guard !Task.isCancelled else { return nil }
            // After a pause of the machine the beat goes on from now, instead of making up for what was missed.
            self.next = Swift.max(next ?? .now, .now - interval) + interval
            defer { count += 1 }
            return count
        }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(interval: interval) }
}
