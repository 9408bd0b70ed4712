/// What repeated losses of one kind of path cost: after the second loss within a minute a path of that kind must answer
/// without a gap for one second before it carries packets, then for two, four, … seconds.
///
/// It is kept by kind and not by path, because each fresh ICE agent brings a path with a new id over the same network.
struct FlapPenalty: Sendable {
    private var losses = 0
    private var lastLoss: MonotonicTime?

    /// A path of this kind that worked was lost. Several lost within a second count as one.
    mutating func recordLoss(now: MonotonicTime, configuration: PathConfiguration) {
        defer { lastLoss = now }
        guard let lastLoss, now - lastLoss < configuration.flapMemory else {
            losses = 0
            return
        }
        if now - lastLoss >= .seconds(1) {
            losses = min(losses + 1, 16)
        }
    }

    /// How long a path must answer without a gap before it is used.
    func holdOff(now: MonotonicTime, configuration: PathConfiguration) -> TimeSpan {
        guard losses > 0, let lastLoss, now - lastLoss < configuration.flapMemory else { return .zero }
        return min(configuration.flapPenalty * (1 << Int64(losses - 1)), configuration.maximumFlapPenalty)
    }
}
