/// A length of time in whole nanoseconds, at most 292 years. Arithmetic saturates instead of trapping.
package struct TimeSpan: Hashable, Comparable, Sendable {
    /// The length in nanoseconds; negative when the later moment was subtracted from.
    package let nanoseconds: Int64

    /// A span of so many nanoseconds.
    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// No time at all.
    package static let zero = TimeSpan(nanoseconds: 0)

    /// A span of so many nanoseconds.
    package static func nanoseconds(_ count: Int64) -> TimeSpan {
        TimeSpan(nanoseconds: count)
    }

    /// A span of so many microseconds.
    package static func microseconds(_ count: Int64) -> TimeSpan {
        TimeSpan(nanoseconds: count) * 1_000
    }

    /// A span of so many milliseconds.
    package static func milliseconds(_ count: Int64) -> TimeSpan {
        TimeSpan(nanoseconds: count) * 1_000_000
    }

    /// A span of so many seconds.
    package static func seconds(_ count: Int64) -> TimeSpan {
        TimeSpan(nanoseconds: count) * 1_000_000_000
    }

    /// The length in milliseconds, for display.
    package var inMilliseconds: Double {
        Double(nanoseconds) / 1_000_000
    }

    package static func < (left: TimeSpan, right: TimeSpan) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    package static func + (left: TimeSpan, right: TimeSpan) -> TimeSpan {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return TimeSpan(nanoseconds: overflow ? (right.nanoseconds < 0 ? .min : .max) : sum)
    }

    package static func - (left: TimeSpan, right: TimeSpan) -> TimeSpan {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return TimeSpan(nanoseconds: overflow ? (right.nanoseconds < 0 ? .max : .min) : difference)
    }

    package static func * (left: TimeSpan, right: Int64) -> TimeSpan {
        let (product, overflow) = left.nanoseconds.multipliedReportingOverflow(by: right)
        let isNegative = (left.nanoseconds < 0) != (right < 0)
        return TimeSpan(nanoseconds: overflow ? (isNegative ? .min : .max) : product)
    }

    /// The span divided by a positive number; other divisors leave it as it is.
    package static func / (left: TimeSpan, right: Int64) -> TimeSpan {
        right > 0 ? TimeSpan(nanoseconds: left.nanoseconds / right) : left
    }
}

/// A moment on a clock that never goes back. It is always an argument: nothing in this module reads a clock.
package struct MonotonicTime: Hashable, Comparable, Sendable {
    /// Nanoseconds since the clock's own beginning.
    package let nanoseconds: UInt64

    /// The moment so many nanoseconds after the clock's beginning.
    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The clock's beginning: before anything that happened.
    package static let distantPast = MonotonicTime(nanoseconds: 0)

    package static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The moment `span` later, or the first or last one that can be written.
    package static func + (time: MonotonicTime, span: TimeSpan) -> MonotonicTime {
        let magnitude = span.nanoseconds.magnitude
        if span.nanoseconds < 0 {
            let (earlier, overflow) = time.nanoseconds.subtractingReportingOverflow(magnitude)
            return MonotonicTime(nanoseconds: overflow ? 0 : earlier)
        }
        let (later, overflow) = time.nanoseconds.addingReportingOverflow(magnitude)
        return MonotonicTime(nanoseconds: overflow ? .max : later)
    }

    /// The moment `span` earlier, or the first or last one that can be written.
    package static func - (time: MonotonicTime, span: TimeSpan) -> MonotonicTime {
        time + span * -1
    }

    /// The time from `right` to `left`; negative when `left` is the earlier one.
    package static func - (left: MonotonicTime, right: MonotonicTime) -> TimeSpan {
        if left >= right {
            return TimeSpan(nanoseconds: Int64(clamping: left.nanoseconds - right.nanoseconds))
        }
        return TimeSpan(nanoseconds: Int64(clamping: right.nanoseconds - left.nanoseconds)) * -1
    }
}
