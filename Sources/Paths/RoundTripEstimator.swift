/// Round-trip time of one path from answered pings (smoothing as in RFC 9002, section 5.3).
struct RoundTripEstimator: Sendable {
    private(set) var smoothed: TimeSpan?
    private(set) var latest: TimeSpan = .zero

    /// Takes in one measurement; negative ones, which no clock that only goes forward makes, count as zero.
    mutating func add(_ sample: TimeSpan) {
        latest = max(sample, .zero)
        smoothed = smoothed.map { ($0 * 7 + latest) / 8 } ?? latest
    }

    /// The larger of the smoothed and the newest value: follows a queue that fills at once. Nil before any answer.
    var cautious: TimeSpan? {
        smoothed.map { max($0, latest) }
    }
}
