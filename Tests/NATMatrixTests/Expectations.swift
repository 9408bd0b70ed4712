import NATLab
import Testing

extension Meeting {
    /// Both ways everything has arrived, exactly once and in order.
    func expectPerfectDelivery(sourceLocation: SourceLocation = #_sourceLocation) {
        for (speaker, listener) in [(alice, bob), (bob, alice)] {
            let delivery = delivery(from: speaker, to: listener)
            #expect(delivery.isPerfect, "from \(speaker.name): \(delivery)", sourceLocation: sourceLocation)
        }
    }

    /// Waits until both are on the same kind of path, and that path began after the given time.
    func waitForPath(
        _ kind: String, after time: ContinuousClock.Instant? = nil, within limit: Duration = .seconds(20)
    ) async throws {
        for person in [alice, bob] { try await person.waitForPath(kind, after: time, within: limit) }
    }

    /// Waits until each has heard this many messages more than at the time of the call.
    func waitForMessages(_ count: Int, within limit: Duration = .seconds(20)) async throws {
        for person in [alice, bob] {
            let target = person.journal.value.messages.count + count
            try await person.first("\(count) more messages", within: limit) {
                $0.messages.count >= target ? () : nil
            }
        }
    }

    /// The longest pause in what either of them heard since then, in milliseconds.
    func longestGap(since start: ContinuousClock.Instant) -> Double {
        [delivery(from: alice, to: bob), delivery(from: bob, to: alice)]
            .map { $0.longestGap(since: start).milliseconds }.max() ?? 0
    }
}
