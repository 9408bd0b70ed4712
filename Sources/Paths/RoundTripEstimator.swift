/// Round-trip time of one path from answered pings (smoothing as in RFC 9002, section 5.3).
struct RoundTripEstimator: Sendable {
    private(set) var smoothed: TimeSpan?
    /// The round trip without the queues that the session's own packets fill, as far as it is known.
    private(set) var unloaded: TimeSpan?
    private(set) var latest: TimeSpan = .zero

    /// Takes in one measurement; negative ones, which no clock that only goes forward makes, count as zero.
    ///
    /// - Parameter isLoaded: whether the session may itself be why it took so long. It shows then that the path is no longer
    ///   than that, and nothing else.
    mutating func add(_ sample: TimeSpan, isLoaded: Bool = false) {
        latest = max(sample, .zero)
        smoothed = Self.smooth(smoothed, latest)
        unloaded = isLoaded ? min(unloaded ?? latest, latest) : Self.smooth(unloaded, latest)
    }

    private static func smooth(_ old: TimeSpan?, _ sample: TimeSpan) -> TimeSpan {
        old.map { ($0 * 7 + sample) / 8 } ?? sample
    }

    /// The larger of the smoothed and the newest value: follows a queue that fills at once. Nil before any answer.
    var cautious: TimeSpan? {
        smoothed.map { max($0, latest) }
    }
}
