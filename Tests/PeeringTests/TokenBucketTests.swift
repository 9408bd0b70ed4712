import Paths
import Testing

@testable import Peering

@Suite struct TokenBucketTests {
    private func time(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(nanoseconds: UInt64((1_000 + seconds) * 1e9))
    }

    /// Whether each of `times` passes, in order.
    private func passes(_ bucket: inout TokenBucket, at times: [Double]) -> [Bool] {
        times.map { bucket.take(now: time($0)) }
    }

    @Test func letsABurstThroughAndThenTheRate() {
        var bucket = TokenBucket(capacity: 3, perSecond: 1)
        let passed = passes(&bucket, at: [0, 0, 0, 0.5, 1.1, 1.2])
        #expect(passed == [true, true, true, false, true, false])
    }

    @Test func neverHoldsMoreThanItsCapacity() {
        var bucket = TokenBucket(capacity: 2, perSecond: 100)
        let passed = passes(&bucket, at: [0, 60, 60, 60])
        #expect(passed == [true, true, true, false])
    }
}
