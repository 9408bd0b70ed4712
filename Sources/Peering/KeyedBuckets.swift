import Paths

/// A token bucket for each key, so that one that floods takes nothing from the others. Bounded: keys for which there is no room share one
/// bucket, and buckets that have filled up again are forgotten to make room.
struct KeyedBuckets<Key: Hashable> {
    private let capacity: Double
    private let perSecond: Double
    private let maximumKeys: Int
    private var buckets: [Key: TokenBucket] = [:]
    private var shared: TokenBucket

    init(capacity: Double, perSecond: Double, maximumKeys: Int = 256) {
        self.capacity = capacity
        self.perSecond = perSecond
        self.maximumKeys = maximumKeys
        shared = TokenBucket(capacity: capacity, perSecond: perSecond)
    }

    /// Whether one more of `key` may pass now; if so it is counted.
    mutating func take(_ key: Key, now: MonotonicTime) -> Bool {
        if buckets[key] == nil, buckets.count >= maximumKeys {
            buckets = buckets.filter { !$0.value.isFull(now: now) }
            guard buckets.count < maximumKeys else { return shared.take(now: now) }
        }
        return buckets[key, default: TokenBucket(capacity: capacity, perSecond: perSecond)].take(now: now)
    }
}
