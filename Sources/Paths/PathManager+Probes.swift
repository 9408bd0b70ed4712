/// What the path manager sends.
extension PathManager {
    mutating func sendProbes(into actions: inout [PathAction], now: MonotonicTime) {
        guard channel != nil else { return }
        for index in paths.indices where paths[index].kind != .relay || isRelayAvailable {
            sendPings(index, into: &actions, now: now)
        }
        for index in paths.indices {
            sendNotices(index, into: &actions, now: now)
        }
        for pong in pongs {
            let probe = Probe(kind: .pong, path: pong.echoedPath, number: pong.number)
            if let sealed = channel?.seal(probe) { actions.append(.send(sealed.packet, on: pong.path)) }
        }
        pongs.removeAll(keepingCapacity: true)
    }

    private mutating func sendPings(_ index: Int, into actions: inout [PathAction], now: MonotonicTime) {
        let due = paths[index].nextPing(quietInterval: quietInterval(of: paths[index]))
        if let due, due <= now {
            ping(index, purpose: .liveness, into: &actions, now: now)
        }
        for size in paths[index].duePacketSizes(now: now) {
            ping(index, purpose: .packetSize(size), into: &actions, now: now)
        }
    }

    private mutating func ping(
        _ index: Int, purpose: Path.Purpose, into actions: inout [PathAction], now: MonotonicTime
    ) {
        let path = paths[index]
        let isInDoubt = path.nextNotice != nil
        let probe = Probe(kind: .ping, flags: isInDoubt ? Probe.notHeard : 0, path: path.id.rawValue)
        var size = 0
        if case .packetSize(let wanted) = purpose { size = wanted }
        guard let sealed = channel?.seal(probe, packetSize: size) else { return }
        paths[index].pingSent(number: sealed.counter, purpose: purpose, era: era, now: now)
        actions.append(.send(sealed.packet, on: path.id))
    }

    /// Tells the peer, on every other path that works, that this one goes unanswered.
    private mutating func sendNotices(_ index: Int, into actions: inout [PathAction], now: MonotonicTime) {
        guard let due = paths[index].nextNotice, due <= now else { return }
        let probe = Probe(kind: .notice, flags: Probe.notHeard, path: paths[index].remoteID)
        for other in paths where other.id != paths[index].id && other.standing == .working {
            if other.kind == .relay && !isRelayAvailable { continue }
            if let sealed = channel?.seal(probe) { actions.append(.send(sealed.packet, on: other.id)) }
        }
        paths[index].noticeSent(now: now)
    }
}

/// Bounds the pongs that a peer can ask for: so many a second, and as many at once.
struct PongBudget: Sendable {
    private let perSecond: Int
    private var left: Int
    private var filledAt: MonotonicTime

    init(perSecond: Int, now: MonotonicTime) {
        self.perSecond = perSecond
        left = perSecond
        filledAt = now
    }

    /// Takes one; false if none is left.
    mutating func take(now: MonotonicTime) -> Bool {
        if now - filledAt >= .seconds(1) {
            left = perSecond
            filledAt = now
        }
        guard left > 0 else { return false }
        left -= 1
        return true
    }
}
