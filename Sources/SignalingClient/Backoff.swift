import NIOCore

/// How long to wait before the next attempt: exponential, with half of it left to chance so that the clients of a server
/// that comes back do not all arrive at once.
struct Backoff: Hashable, Sendable {
    private let first: TimeAmount
    private let last: TimeAmount
    private(set) var failures = 0

    init(first: TimeAmount, last: TimeAmount) {
        self.first = first
        self.last = last
    }

    mutating func reset() {
        failures = 0
    }

    /// The wait after one more failure.
    ///
    /// - Parameter chance: 0 ..< 1.
    mutating func next(chance: Double) -> TimeAmount {
        let factor = Double(UInt64(1) << UInt64(min(failures, 30)))
        failures += 1
        let whole = min(Double(first.nanoseconds) * factor, Double(last.nanoseconds))
        return .nanoseconds(Int64(whole * (0.5 + chance / 2)))
    }
}
