/// Which path carries packets: a pure function of what is known of each.
///
/// Classes, best first: direct on a local network, direct, TURN, relay. Within a class the shorter round trip wins, but
/// the current path is left only for one that is clearly better.
package enum PathChoice {
    /// What the choice needs to know of one path.
    package struct Candidate: Hashable, Sendable {
        /// Which path.
        package var id: PathID
        /// What carries it.
        package var kind: PathKind
        /// Whether both ends are host candidates with private addresses: the same local network.
        package var isLocal: Bool
        /// Whether it may be used.
        package var standing: PathStanding
        /// Round-trip time, if measured, without the queues that the session itself fills: by those the path in use would always look
        /// worse than one that is not, and be left for it again and again.
        package var roundTrip: TimeSpan?

        /// A candidate of these parts.
        package init(
            id: PathID, kind: PathKind, isLocal: Bool = false, standing: PathStanding, roundTrip: TimeSpan? = nil
        ) {
            self.id = id
            self.kind = kind
            self.isLocal = isLocal
            self.standing = standing
            self.roundTrip = roundTrip
        }

        /// 0 is best.
        fileprivate var pathClass: Int {
            switch kind {
            case .direct: isLocal ? 0 : 1
            case .turn: 2
            case .relay: 3
            }
        }

        /// The best first. The id decides last, so that the order never depends on the list's.
        fileprivate var order: (Int, Int64, UInt32) {
            (pathClass, roundTrip?.nanoseconds ?? .max, id.rawValue)
        }
    }

    /// The path that should carry packets; nil only if there is none.
    ///
    /// A path in doubt stays chosen (its packets go out twice) until it is lost or a better class works. When nothing
    /// works, the last path is kept rather than none.
    package static func best(
        _ candidates: [Candidate], current: PathID?, configuration: PathConfiguration = PathConfiguration()
    ) -> PathID? {
        let now = candidates.first { $0.id == current }
        let usable = candidates.filter {
            $0.standing == .working || ($0.standing == .suspected && $0.id == current)
        }
        guard let best = usable.min(by: { $0.order < $1.order }) else {
            return lastResort(candidates, current: now)
        }
        guard let now, usable.contains(now), now.pathClass == best.pathClass else { return best.id }
        return isClearlyBetter(best, than: now, configuration) ? best.id : now.id
    }

    /// The path that gets copies while `primary` is in doubt: the relay, or else the best other that works.
    package static func reserve(for primary: PathID?, among candidates: [Candidate]) -> PathID? {
        guard let current = candidates.first(where: { $0.id == primary }), current.standing == .suspected else {
            return nil
        }
        let others = candidates.filter { $0.standing == .working && $0.id != primary }
        return (others.first { $0.kind == .relay } ?? others.min { $0.order < $1.order })?.id
    }

    private static func isClearlyBetter(
        _ other: Candidate, than current: Candidate, _ configuration: PathConfiguration
    ) -> Bool {
        guard let new = other.roundTrip else { return false }
        guard let old = current.roundTrip else { return true }
        return old - new >= configuration.choiceAdvantage && (old - new) * 100 > old * configuration.choicePercentage
    }

    /// Nothing works: what is in doubt, then the direct path that carried last, then what was never tried, then whatever.
    private static func lastResort(_ candidates: [Candidate], current: Candidate?) -> PathID? {
        func first(_ standing: PathStanding) -> PathID? {
            candidates.filter { $0.standing == standing && $0.kind != .relay }.min { $0.order < $1.order }?.id
        }
        if let doubtful = first(.suspected) { return doubtful }
        if let current, current.kind != .relay { return current.id }
        if let untried = first(.unproven) { return untried }
        if let current { return current.id }
        return candidates.first { $0.kind == .relay }?.id ?? first(.lost)
    }
}
