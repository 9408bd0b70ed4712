/// When to look for a direct path again after a try has failed. A pure choice, tested as a table.
struct RetrySchedule {
    /// Why the tries began.
    enum Cause {
        /// There never was a direct path in this session: probably there is none to be had, so tries thin out quickly.
        case neverDirect
        /// There was one: it probably comes back, and people notice how soon.
        case lost
        /// The peer ended the try without an answer: it wants none.
        case refused
    }

    private static let afterNever: [Int64] = [2_000, 5_000, 15_000, 60_000]
    private static let afterLoss: [Int64] = [
        1_000, 1_000, 1_500, 2_000, 2_000, 3_000, 3_000, 4_000, 4_000, 8_000, 15_000, 30_000,
    ]
    private static let ceiling: Int64 = 120_000
    private static let afterRefusal: Int64 = 300_000

    private(set) var cause = Cause.neverDirect
    private var failures = 0

    /// A direct path was chosen, or the network changed: begin from the start.
    mutating func reset(_ cause: Cause) {
        self.cause = cause
        failures = 0
    }

    /// Milliseconds until the next try, counted from the failure of this one.
    mutating func nextDelay() -> Int64 {
        defer { failures += 1 }
        switch cause {
        case .neverDirect: return failures < Self.afterNever.count ? Self.afterNever[failures] : Self.ceiling
        case .lost: return failures < Self.afterLoss.count ? Self.afterLoss[failures] : Self.ceiling
        case .refused: return Self.afterRefusal
        }
    }
}
