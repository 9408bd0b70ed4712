/// When a path's probes are due.
extension Path {
    /// When the next liveness ping is due; nil if none is planned. `quietInterval` is the time between pings of a path
    /// that nothing happens on; nil if it needs none.
    func nextPing(quietInterval: TimeSpan?) -> MonotonicTime? {
        guard let lastPing else {
            return kind == .relay && quietInterval == nil ? nil : phaseSince
        }
        var due: [MonotonicTime] = []
        if let requestedAt { due.append(max(requestedAt, lastPing + configuration.minimumSpacing)) }
        switch phase {
        case .working:
            if kind != .relay {
                if let lastSent, lastSent > lastPing { due.append(max(lastSent, lastPing + fastInterval)) }
                if let missing = firstMissed { due.append(max(missing + answerTime, lastPing + fastInterval)) }
            }
            if let quietInterval { due.append(lastPing + quietInterval) }
        case .suspected:
            due.append(lastPing + fastInterval)
        case .unproven, .lost:
            due.append(lastPing + trialInterval(after: lastPing))
        }
        return due.min()
    }

    private func trialInterval(after lastPing: MonotonicTime) -> TimeSpan {
        if let trial {
            return trial.answers < configuration.restoringAnswers ? fastInterval : configuration.penaltyInterval
        }
        if phase == .unproven && pingsSent < UInt64(configuration.discoveryPings) {
            return configuration.discoveryInterval
        }
        return lastPing - phaseSince < configuration.lostAttention
            ? configuration.lostInterval : configuration.idleInterval
    }

    /// When the next padded ping is due; nil if none is.
    var nextPacketSizeProbe: MonotonicTime? {
        guard phase == .working, kind != .relay else { return nil }
        let check = mtu.nextCheck(lastSent: lastSent, spacing: bound, configuration: configuration)
        return [mtu.nextRound, check].compactMap(\.self).min()
    }

    /// The sizes of padded pings that are due now.
    mutating func duePacketSizes(now: MonotonicTime) -> [Int] {
        guard phase == .working, kind != .relay else { return [] }
        var sizes = mtu.dueSizes(now: now, spacing: bound, configuration: configuration)
        let check = mtu.nextCheck(lastSent: lastSent, spacing: bound, configuration: configuration)
        if let check, check <= now {
            mtu.checkSent(now: now)
            sizes.append(mtu.current)
        }
        return sizes
    }

    /// Gives up the current packet size if the path has become a black hole for it. True if it did.
    mutating func leaveBlackHole(now: MonotonicTime) -> Bool {
        guard phase == .working,
            mtu.isBlackHole(provenAt: provenAt, now: now, spacing: bound, configuration: configuration)
        else { return false }
        mtu.fallBack(now: now)
        return true
    }

    /// When the peer should next be told that this path is in doubt; nil if it need not be.
    var nextNotice: MonotonicTime? {
        guard case .suspected(let suspicion) = phase, !suspicion.isReported else { return nil }
        return suspicion.nextNotice
    }

    /// Whether the path may be used.
    var standing: PathStanding {
        switch phase {
        case .working: .working
        case .suspected: .suspected
        case .unproven: .unproven
        case .lost: .lost
        }
    }
}
