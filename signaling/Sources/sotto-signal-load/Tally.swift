import Histogram
import NIOCore

/// What the connections of one event loop have seen. Owned by that loop.
final class Tally {
    /// What can be added up.
    struct Counts: Sendable {
        /// Frames that came in.
        var frames = 0
        /// Bytes of payload or packets in them.
        var bytes = 0
        /// UNREACHABLE answers.
        var unreachable = 0
        /// Connections that ended before they should.
        var lost = 0
        /// From sending to receiving, in nanoseconds; 10 s at most.
        var latency = Histogram<UInt64>(
            lowestDiscernibleValue: 1_000, highestTrackableValue: 10_000_000_000, numberOfSignificantValueDigits: .three
        )

        mutating func add(_ other: Counts) {
            frames += other.frames
            bytes += other.bytes
            unreachable += other.unreachable
            lost += other.lost
            latency.add(other.latency)
        }
    }

    var counts = Counts()

    func received(bytes: Int, sentAt: UInt64, now: UInt64) {
        counts.frames += 1
        counts.bytes += bytes
        counts.latency.record(min(max(now &- sentAt, 1), 9_999_999_999))
    }
}
