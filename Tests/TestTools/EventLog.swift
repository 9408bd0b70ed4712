import NIOConcurrencyHelpers

/// What a test waited for and did not get.
package struct Unmet: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}

/// How long tests wait for what will come, in seconds: so long that only what never comes takes that long.
package let patience = 60.0

/// Everything that happened, in order, and ways to wait for more.
package final class EventLog<Event: Sendable>: Sendable {
    private struct State {
        var events: [Event] = []
        /// Where ``next(_:within:_:)`` goes on.
        var position = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var lastTicket = 0
    }

    private let state = NIOLockedValueBox(State())

    package init() {}

    package var all: [Event] { state.withLockedValue { $0.events } }

    package var count: Int { state.withLockedValue { $0.events.count } }

    package func append(_ event: Event) {
        let waiters = state.withLockedValue { state in
            state.events.append(event)
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Passes over all events so far, as far as ``next(_:within:_:)`` goes.
    package func forget() { state.withLockedValue { $0.position = $0.events.count } }

    /// The next event for which `pick` has a result; events before it are passed over, and never seen again here.
    package func next<Result>(
        _ what: String, within seconds: Double = patience, _ pick: (Event) -> Result?
    ) async throws -> Result {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let (found, seen) = state.withLockedValue { state -> (Result?, Int) in
                while state.position < state.events.count {
                    state.position += 1
                    if let result = pick(state.events[state.position - 1]) { return (result, 0) }
                }
                return (nil, state.events.count)
            }
            if let found { return found }
            try await wait(what, beyond: seen, until: deadline)
        }
    }

    /// Waits until the whole log, from its first event, has a result.
    @discardableResult
    package func until<Result>(
        _ what: String, within seconds: Double = patience, _ pick: ([Event]) -> Result?
    ) async throws -> Result {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let events = all
            if let result = pick(events) { return result }
            try await wait(what, beyond: events.count, until: deadline)
        }
    }

    private func wait(_ what: String, beyond seen: Int, until deadline: ContinuousClock.Instant) async throws {
        guard ContinuousClock.now < deadline else {
            let last = all.suffix(12).map { String("\($0)".prefix(300)) }.joined(separator: "\n  ")
            throw Unmet(description: "\(what): did not come; the last events:\n  \(last)")
        }
        let ticket = state.withLockedValue { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        let alarm = Alarm(at: deadline) { [state] in
            state.withLockedValue { $0.waiters.removeValue(forKey: ticket) }?.resume()
        }
        await withCheckedContinuation { continuation in
            let isOver = state.withLockedValue { state in
                if state.events.count > seen || ContinuousClock.now >= deadline { return true }
                state.waiters[ticket] = continuation
                return false
            }
            if isOver { continuation.resume() }
        }
        alarm.cancel()
    }
}

/// Waits until `condition` holds, for what no event tells.
package func eventually(
    _ what: String, within seconds: Double = patience, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw Unmet(description: "\(what): never so") }
        try await nextLook()
    }
}
