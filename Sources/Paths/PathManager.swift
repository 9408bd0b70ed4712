/// Decides, packet by packet, which path carries one QUIC connection, which itself believes in a single path
/// (docs/decisions/001-path-liveness.md).
///
/// No input or output, no clock, no randomness: every call takes the time, and what is to be sent or told is returned by
/// ``poll(now:)``. Call that after any other call that may have made something due, and when ``nextTimeout`` has come.
/// Both sides run the same rules and each chooses for itself. Not copyable, because a copy would repeat nonces.
package struct PathManager: ~Copyable {
    let configuration: PathConfiguration
    var channel: ProbeChannel?
    private var remoteTag: ConnectionTag?
    var paths: [Path] = []
    var isRelayAvailable = true
    private var activity = PathActivity.onScreen
    private var penalties: [PathKind: FlapPenalty] = [:]
    var pongs: [(path: PathID, echoedPath: UInt32, number: UInt64)] = []
    var pongBudget: PongBudget
    private var events: [PathEvent] = []
    var era: UInt64 = 0
    private var clock: MonotonicTime

    /// Where the next packets go. Changes only within calls that take the time, and cheap to read for each packet.
    package private(set) var route = Route(primary: nil, duplicate: nil, maximumPacketSize: MTUSearch.minimum)

    /// When ``poll(now:)`` must be called at the latest; nil if there is nothing to wait for. After a poll it lies in the
    /// future; other calls can make it due at once.
    package private(set) var nextTimeout: MonotonicTime?

    /// A manager without paths.
    ///
    /// - Parameters:
    ///   - configuration: the constants.
    ///   - remoteTag: the peer's tag, which goes into the header of probes; may be given later.
    ///   - keys: the probe keys; may be given later. Until then only the relay (or, without one, the first path) is used.
    ///   - now: the time.
    package init(
        configuration: PathConfiguration = PathConfiguration(), remoteTag: ConnectionTag? = nil,
        keys: consuming ProbeKeys? = nil, now: MonotonicTime
    ) {
        self.configuration = configuration
        self.remoteTag = remoteTag
        pongBudget = PongBudget(perSecond: configuration.pongsPerSecond, now: now)
        clock = now
        channel = nil
        if let keys {
            install(keys: keys, remoteTag: nil, now: now)
        }
    }

    // MARK: Paths and keys

    /// Installs the probe keys, once: a second pair is ignored, because peers never change them within a connection.
    ///
    /// - Parameters:
    ///   - keys: both directions' keys.
    ///   - remoteTag: the peer's tag, unless it was given before.
    /// - Returns: false, and nothing changes, if there are keys already or no tag was ever given.
    @discardableResult
    package mutating func install(keys: consuming ProbeKeys, remoteTag: ConnectionTag? = nil, now: MonotonicTime)
        -> Bool
    {
        let now = observe(now)
        guard channel == nil, let tag = remoteTag ?? self.remoteTag else { return false }
        channel = ProbeChannel(keys: keys, remoteTag: tag)
        settle(now: now)
        return true
    }

    /// Adds a path; probing begins at once if there are keys.
    ///
    /// - Parameters:
    ///   - id: a number that no other path of this connection had.
    ///   - isLocal: whether both ends are host candidates with private or link-local addresses: the same local network.
    /// - Returns: false if the id is in use or there are too many paths.
    @discardableResult
    package mutating func addPath(_ id: PathID, kind: PathKind, isLocal: Bool = false, now: MonotonicTime) -> Bool {
        let now = observe(now)
        guard index(of: id) == nil, paths.count < configuration.maximumPaths else { return false }
        paths.append(Path(id: id, kind: kind, isLocal: isLocal, configuration: configuration, now: now))
        settle(now: now)
        return true
    }

    /// Removes a path; nothing is sent on it any more. Unknown ids are ignored.
    package mutating func removePath(_ id: PathID, now: MonotonicTime) {
        let now = observe(now)
        paths.removeAll { $0.id == id }
        pongs.removeAll { $0.path == id }
        settle(now: now)
    }

    /// Says whether the relay can carry packets (the signaling connection is up, and the peer's as far as known).
    /// Without it a direct path is never given up.
    package mutating func setRelayAvailable(_ isAvailable: Bool, now: MonotonicTime) {
        let now = observe(now)
        guard isRelayAvailable != isAvailable else { return }
        isRelayAvailable = isAvailable
        settle(now: now)
    }

    /// Says how attentive the user is.
    package mutating func setActivity(_ activity: PathActivity, now: MonotonicTime) {
        let now = observe(now)
        self.activity = activity
        settle(now: now)
    }

    /// The machine's network changed: earlier flapping says nothing about the new one, and all paths are probed now.
    package mutating func networkChanged(now: MonotonicTime) {
        let now = observe(now)
        penalties = [:]
        for index in paths.indices { paths[index].requestPing(now: now) }
        settle(now: now)
    }

    // MARK: Packets

    /// An authentic QUIC packet came by this path.
    package mutating func packetReceived(on id: PathID, now: MonotonicTime) {
        let now = observe(now)
        guard let index = index(of: id) else { return }
        let hadRequest = paths[index].requestedAt != nil
        paths[index].carried(1)
        paths[index].heard(now: now)
        if !hadRequest, paths[index].requestedAt != nil { settle(now: now) }
    }

    /// `count` QUIC packets were sent on this path.
    package mutating func packetSent(on id: PathID, count: Int = 1, now: MonotonicTime) {
        let now = observe(now)
        guard count > 0, let index = index(of: id) else { return }
        paths[index].carried(count)
        if paths[index].dataSent(now: now) { schedule(now: now, earliest: now) }
    }

    /// QUIC's own probe timeout fired: something is not arriving. Checks the chosen path and its packet size at once.
    package mutating func probeTimeoutFired(now: MonotonicTime) {
        let now = observe(now)
        guard let primary = route.primary, let index = index(of: primary) else { return }
        paths[index].requestPing(now: now)
        paths[index].mtu.requestCheck()
        schedule(now: now, earliest: now)
    }

    /// A packet with the first byte 0x80 came by this path. Forged, damaged and repeated ones leave no trace.
    ///
    /// - Returns: whether it was a genuine new probe.
    @discardableResult
    package mutating func receiveProbe(_ bytes: [UInt8], on id: PathID, now: MonotonicTime) -> Bool {
        let now = observe(now)
        guard let index = index(of: id), let opened = channel?.open(bytes), opened != .refused else { return false }
        paths[index].heard(now: now)
        if case .probe(let probe, let counter) = opened {
            handle(probe, counter: counter, at: index, now: now)
        }
        settle(now: now)
        return true
    }

    private mutating func handle(_ probe: Probe, counter: UInt64, at index: Int, now: MonotonicTime) {
        switch probe.kind {
        case .ping:
            paths[index].remoteID = probe.path
            if pongBudget.take(now: now) {
                pongs.append((paths[index].id, probe.path, counter))
            }
            if probe.flags & Probe.notHeard != 0 { report(index, now: now) }
        case .pong:
            guard probe.path == paths[index].id.rawValue else { return }
            let holdOff = penalties[paths[index].kind]?.holdOff(now: now, configuration: configuration) ?? .zero
            let outcome = paths[index].answered(number: probe.number, era: era, holdOff: holdOff, now: now)
            guard let outcome else { return }
            if outcome.transition == .restored { events.append(.restored(paths[index].id)) }
            if outcome.hasGrown { events.append(.mtu(paths[index].id, paths[index].mtu.current)) }
        case .notice:
            let subject = probe.path == ProbeFormat.unknownPath ? route.primary : PathID(rawValue: probe.path)
            guard probe.flags & Probe.notHeard != 0, let subject, let index = self.index(of: subject) else { return }
            report(index, now: now)
        }
    }

    private mutating func report(_ index: Int, now: MonotonicTime) {
        if paths[index].reported(now: now) { events.append(.suspected(paths[index].id)) }
    }

    // MARK: Time

    /// Moves on to `now` and returns what is to be sent and told, in order. Cheap when nothing is due.
    package mutating func poll(now: MonotonicTime) -> [PathAction] {
        let now = observe(now)
        guard let nextTimeout, nextTimeout <= now else { return [] }
        if channel != nil {
            for index in paths.indices { advance(index, now: now) }
        }
        updateRoute()
        var actions: [PathAction] = []
        sendProbes(into: &actions, now: now)
        actions += events.map(PathAction.event)
        events = []
        // Everything due was done, so the guard matters only if a rule above has a flaw: it must not spin the caller.
        schedule(now: now, earliest: now + .milliseconds(1))
        return actions
    }

    private mutating func advance(_ index: Int, now: MonotonicTime) {
        switch paths[index].advance(now: now) {
        case .suspected:
            events.append(.suspected(paths[index].id))
        case .lost:
            penalties[paths[index].kind, default: FlapPenalty()].recordLoss(now: now, configuration: configuration)
            events.append(.lost(paths[index].id))
        case .proven, .restored, nil:
            break
        }
        if paths[index].leaveBlackHole(now: now) {
            events.append(.mtu(paths[index].id, paths[index].mtu.current))
        }
    }

    /// What is known of a path; nil if there is none of this id.
    package func status(of id: PathID) -> PathStatus? {
        index(of: id).map { index in
            let path = paths[index]
            return PathStatus(
                id: id, kind: path.kind, standing: standing(of: path), roundTrip: path.roundTrip.smoothed,
                maximumPacketSize: path.mtu.current, pingsSent: path.pingsSent, pingsAnswered: path.pingsAnswered)
        }
    }

    func index(of id: PathID) -> Int? {
        paths.firstIndex { $0.id == id }
    }

    func quietInterval(of path: Path) -> TimeSpan? {
        // The relay's connection has its own heartbeat; it is probed only to measure it while it carries packets.
        if path.kind == .relay && (route.primary != path.id || !isRelayAvailable) { return nil }
        return activity == .onScreen ? configuration.onScreenInterval : configuration.idleInterval
    }

    private func standing(of path: Path) -> PathStanding {
        path.kind == .relay && !isRelayAvailable ? .lost : path.standing
    }

    private mutating func updateRoute() {
        let candidates = paths.map {
            PathChoice.Candidate(
                id: $0.id, kind: $0.kind, isLocal: $0.isLocal, standing: standing(of: $0),
                roundTrip: $0.roundTrip.unloaded)
        }
        let primary = PathChoice.best(candidates, current: route.primary, configuration: configuration)
        let duplicate = PathChoice.reserve(for: primary, among: candidates)
        let sizes = paths.filter { $0.id == primary || $0.id == duplicate }.map(\.mtu.current)
        let hasChanged = primary != route.primary
        route = Route(
            primary: primary, duplicate: duplicate, maximumPacketSize: sizes.min() ?? MTUSearch.minimum)
        if hasChanged, let chosen = paths.first(where: { $0.id == primary }) {
            events.append(.chosen(chosen.id, chosen.kind, roundTrip: chosen.roundTrip.smoothed))
        }
    }

    private mutating func settle(now: MonotonicTime) {
        updateRoute()
        schedule(now: now, earliest: now)
    }

    private mutating func schedule(now: MonotonicTime, earliest: MonotonicTime) {
        if !events.isEmpty || !pongs.isEmpty {
            nextTimeout = now
            return
        }
        guard channel != nil else {
            nextTimeout = nil
            return
        }
        let times = paths.flatMap { path -> [MonotonicTime?] in
            if path.kind == .relay && !isRelayAvailable { return [] }
            return [
                path.nextPing(quietInterval: quietInterval(of: path)), path.suspicionTime, path.lossTime,
                path.nextNotice, path.nextPacketSizeProbe,
            ]
        }
        nextTimeout = times.compactMap(\.self).min().map { max($0, earliest) }
    }

    /// The time never goes back; and time that passed while nobody called is no evidence against any path.
    private mutating func observe(_ time: MonotonicTime) -> MonotonicTime {
        clock = max(clock, time)
        if let due = nextTimeout, clock - due > configuration.latenessTolerance {
            era &+= 1
            for index in paths.indices { paths[index].slept(for: clock - due, now: clock) }
            nextTimeout = clock
        }
        return clock
    }
}
