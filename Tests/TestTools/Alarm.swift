import Dispatch

private let queue = DispatchQueue(label: "alarms")

/// Does something once at a time, unless it is taken back before: the deadline of who waits for an event.
package struct Alarm: Sendable {
    /// Safety: a source is made for being used by any thread.
    private nonisolated(unsafe) let timer: any DispatchSourceTimer

    package init(at deadline: ContinuousClock.Instant, _ action: @escaping @Sendable () -> Void) {
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + max(0, (deadline - .now) / .seconds(1)))
        timer.setEventHandler(handler: action)
        timer.resume()
    }

    /// Takes it back. Idempotent.
    package func cancel() { timer.cancel() }
}

/// Returns when it is time to look again at what no event tells.
///
/// - Throws: `CancellationError`.
package func nextLook(after milliseconds: Int = 5) async throws {
    try Task.checkCancellation()
    await withCheckedContinuation { continuation in
        queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { continuation.resume() }
    }
}
