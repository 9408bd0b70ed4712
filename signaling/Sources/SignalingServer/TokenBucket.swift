package import NIOCore

/// How much of something may come: `rate` a second for ever, and `burst` at once after a quiet time.
package struct RateLimit: Hashable, Sendable {
    /// Units a second, > 0.
    package var rate: Double
    /// Units at once, ≥ 1.
    package var burst: Double

    package init(rate: Double, burst: Double) {
        self.rate = rate
        self.burst = burst
    }
}

/// A token bucket. A unit costs one token; tokens come back with time, up to the burst.
package struct TokenBucket: Sendable {
    private let limit: RateLimit
    private var tokens: Double
    private var updated: NIODeadline

    package init(_ limit: RateLimit, now: NIODeadline) {
        self.limit = limit
        tokens = limit.burst
        updated = now
    }

    /// Takes `count` tokens if there is one at all, going into debt for the rest, so that something larger than the burst
    /// passes too. False, and nothing taken, when there is none.
    package mutating func take(_ count: Double, now: NIODeadline) -> Bool {
        refill(now)
        guard tokens >= 1 else { return false }
        tokens -= count
        return true
    }

    /// When ``take(_:now:)`` would succeed again.
    package func available(now: NIODeadline) -> NIODeadline {
        guard tokens < 1 else { return now }
        return updated + .nanoseconds(Int64(min((1 - tokens) / limit.rate, 3600) * 1e9) + 1)
    }

    /// Whether nothing would be forgotten by making a new one.
    package mutating func isFull(now: NIODeadline) -> Bool {
        refill(now)
        return tokens >= limit.burst
    }

    private mutating func refill(_ now: NIODeadline) {
        guard now > updated else { return }
        tokens = min(limit.burst, tokens + Double((now - updated).nanoseconds) * 1e-9 * limit.rate)
        updated = now
    }
}
