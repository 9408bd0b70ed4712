import NIOConcurrencyHelpers
import NIOCore

/// How often strangers may ask, by where they come from: a login costs nothing, an address does.
///
/// Safety: all state is guarded by the lock.
final class StrangerLimits: Sendable {
    /// Addresses that are remembered; beyond, those that have recovered are forgotten, and then all.
    private static let remembered = 16_384

    private let limit: RateLimit
    private let buckets = NIOLockedValueBox<[AddressKey: TokenBucket]>([:])

    init(_ limit: RateLimit) {
        self.limit = limit
    }

    /// Nil when a request may pass, else after how long another one may.
    func refuse(_ address: AddressKey, now: NIODeadline) -> TimeAmount? {
        buckets.withLockedValue { buckets in
            if buckets.count >= Self.remembered { Self.forget(&buckets, now) }
            var bucket = buckets[address] ?? TokenBucket(limit, now: now)
            defer { buckets[address] = bucket }
            return bucket.take(1, now: now) ? nil : bucket.available(now: now) - now
        }
    }

    private static func forget(_ buckets: inout [AddressKey: TokenBucket], _ now: NIODeadline) {
        for (key, var bucket) in buckets where bucket.isFull(now: now) { buckets[key] = nil }
        if buckets.count >= remembered { buckets = [:] }
    }
}
