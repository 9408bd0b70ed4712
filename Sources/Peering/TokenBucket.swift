import Paths

/// Lets so many things through at once, and so many a second after that.
struct TokenBucket {
    private let capacity: Double
    private let perSecond: Double
    private var level: Double
    private var updated: MonotonicTime?

    init(capacity: Double, perSecond: Double) {
        self.capacity = capacity
        self.perSecond = perSecond
        self.level = capacity
    }

    /// Whether one more may pass now; if so it is counted.
    mutating func take(now: MonotonicTime) -> Bool {
        level = current(now)
        updated = now
        guard level >= 1 else { return false }
        level -= 1
        return true
    }

    /// Whether nothing would be forgotten by making a new one.
    func isFull(now: MonotonicTime) -> Bool { current(now) >= capacity }

    private func current(_ now: MonotonicTime) -> Double {
        guard let updated else { return level }
        return min(capacity, level + (now - updated).inMilliseconds / 1000 * perSecond)
    }
}
