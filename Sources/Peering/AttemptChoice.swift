import Paths

/// Which agents to keep while a direct path is looked for again. Pure choices, tested as tables.
///
/// A path that went dark and is heard again serves a penalty before it carries packets (`the flap penalty`). An agent that is given up, or
/// crowded out by a fresh one, in the middle of that would make the wait begin anew.
enum AttemptChoice {
    /// What matters of an attempt.
    struct Standing {
        /// It has selected a pair.
        var hasPath: Bool
        /// Its path carries the session.
        var isChosen: Bool
        /// When a packet last came through it.
        var heardAt: MonotonicTime?
    }

    /// A path counts as coming back when it was heard within this: more than the half second to a second between probes of a lost path.
    private static let hearing = TimeSpan.milliseconds(1_500)
    /// How long a path that is heard again is waited for: the longest penalty, and what it takes to notice.
    static let patienceMilliseconds: Int64 = 5_000

    /// The attempt that makes room for a new one: the newest without a pair, else the one that has been silent longest and carries nothing.
    static func victim(_ attempts: [Standing]) -> Int? {
        if let superseded = attempts.lastIndex(where: { !$0.hasPath }) { return superseded }
        let idle = attempts.indices.filter { !attempts[$0].isChosen }
        return idle.min { (attempts[$0].heardAt ?? .distantPast) < (attempts[$1].heardAt ?? .distantPast) }
            ?? attempts.indices.first
    }

    /// Whether a path is about to come back, so that a fresh attempt can wait for it.
    static func isComingBack(_ attempts: [Standing], now: MonotonicTime) -> Bool {
        attempts.contains { attempt in
            guard attempt.hasPath, let heardAt = attempt.heardAt else { return false }
            return now - heardAt < hearing
        }
    }
}
