import Paths

/// When to search for a port again after a search came to nothing. A pure choice, tested as a table.
struct SearchSchedule {
    /// After a session was opened, or a direct path was lost: ICE is done by then wherever it can do it.
    static let patience: Int64 = 1_500
    /// The second soon, because one in thousands fails by chance; then rarely, because what does not work will hardly begin to.
    private static let delays: [Int64] = [10_000, 120_000, 600_000]
    private static let ceiling: Int64 = 1_800_000

    private var failures = 0

    /// A direct path was chosen, or the network changed: begin from the start.
    mutating func reset() { failures = 0 }

    /// Milliseconds until the next search, counted from the end of this one.
    mutating func nextDelay() -> Int64 {
        defer { failures += 1 }
        return failures < Self.delays.count ? Self.delays[failures] : Self.ceiling
    }
}
