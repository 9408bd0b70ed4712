import Paths
import Testing

/// Time that cannot trap.
@Suite struct TimeTests {
    @Test func addsAndSubtracts() {
        let time = MonotonicTime(nanoseconds: 5_000_000)
        #expect(time + .milliseconds(2) == MonotonicTime(nanoseconds: 7_000_000))
        #expect(time - .milliseconds(2) == MonotonicTime(nanoseconds: 3_000_000))
        #expect(time - MonotonicTime(nanoseconds: 6_000_000) == .milliseconds(-1))
        #expect(TimeSpan.seconds(3) / 2 == .milliseconds(1500))
        #expect(TimeSpan.milliseconds(3).inMilliseconds == 3)
    }

    @Test func saturates() {
        let first = MonotonicTime.distantPast
        let last = MonotonicTime(nanoseconds: .max)
        #expect(first - .seconds(1) == first)
        #expect(last + .seconds(1) == last)
        #expect(last - first == TimeSpan(nanoseconds: .max))
        #expect(first - last == TimeSpan(nanoseconds: -.max))
        #expect(first - TimeSpan(nanoseconds: .min) == MonotonicTime(nanoseconds: UInt64(Int64.max)))
        #expect(TimeSpan.seconds(.max) == TimeSpan(nanoseconds: .max))
        #expect(TimeSpan.seconds(.min) == TimeSpan(nanoseconds: .min))
        #expect(TimeSpan.seconds(.max) + .seconds(1) == .seconds(.max))
        #expect(TimeSpan.seconds(.min) - .seconds(1) == .seconds(.min))
        #expect(TimeSpan.seconds(1) / 0 == .seconds(1))
    }
}
