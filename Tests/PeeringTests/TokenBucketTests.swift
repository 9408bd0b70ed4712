import Paths
import Testing

@testable import Peering

@Suite struct TokenBucketTests {
    private func time(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: UInt64((1_000 + seconds) * 1e9)) }

    @Test func letsABurstThroughAndThenTheRate() {
        var bucket = TokenBucket(capacity: 3, perSecond: 1)
        #expect((0..<3).allSatisfy { _ in bucket.take(now: time(0)) })
        #expect(!bucket.take(now: time(0.5)))
        #expect(bucket.take(now: time(1.1)))
        #expect(!bucket.take(now: time(1.2)))
    }

    @Test func neverHoldsMoreThanItsCapacity() {
        var bucket = TokenBucket(capacity: 2, perSecond: 100)
        #expect(bucket.take(now: time(0)))
        #expect((0..<2).allSatisfy { _ in bucket.take(now: time(60)) })
        #expect(!bucket.take(now: time(60)))
    }
}
