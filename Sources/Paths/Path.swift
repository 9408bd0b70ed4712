/// One path: what was sent on it, what was answered, and what follows. A pure state machine; ``PathManager`` drives it.
struct Path: Sendable {
    /// What a path's state is.
    enum Phase: Hashable, Sendable {
        case unproven
        case working
        case suspected(Suspicion)
        case lost
    }

    /// A path that stopped answering.
    struct Suspicion: Hashable, Sendable {
        /// Whether only the peer says so: then there is no need to tell it.
        var isReported: Bool
        /// When it was last answered, or when it began.
        var lastAnswer: MonotonicTime
        var nextNotice: MonotonicTime
    }

    /// Answers without a gap on a path that is not working, or not yet.
    struct Trial: Hashable, Sendable {
        var since: MonotonicTime
        var answers = 0
    }

    /// Why a ping was sent.
    enum Purpose: Hashable, Sendable {
        case liveness
        case packetSize(Int)
    }

    /// A ping under way.
    struct Ping: Hashable, Sendable {
        var number: UInt64
        var sentAt: MonotonicTime
        /// From when on it is missed: `sentAt`, moved on by any time this process slept.
        var missedFrom: MonotonicTime
        var purpose: Purpose
        /// Counts the times this process slept: an answer from before measures nothing.
        var era: UInt64
        /// ``Path/packets`` when the ping before this one was sent.
        var packetsBefore: UInt64
    }

    /// What happened to a path.
    enum Transition: Hashable, Sendable {
        case suspected
        case lost
        /// It answers for the first time and may be used.
        case proven
        /// It answers again.
        case restored
    }

    static let maximumPingsUnderWay = 64

    let id: PathID
    let kind: PathKind
    let isLocal: Bool
    let configuration: PathConfiguration

    private(set) var phase: Phase
    private(set) var phaseSince: MonotonicTime
    private(set) var trial: Trial?
    private(set) var pings: [Ping] = []
    /// When the newest answered ping was sent: up to then both directions are known to have worked.
    private(set) var provenAt: MonotonicTime?
    private(set) var roundTrip = RoundTripEstimator()
    private(set) var lastPing: MonotonicTime?
    private(set) var lastHeard: MonotonicTime?
    private(set) var lastSent: MonotonicTime?
    private(set) var pingsSent: UInt64 = 0
    private(set) var pingsAnswered: UInt64 = 0
    private(set) var requestedAt: MonotonicTime?
    /// Packets of the session that went out or came by this path.
    private var packets: UInt64 = 0
    private var packetsAtLastPing: UInt64 = 0
    private var notJudgedBefore: MonotonicTime?
    private var suspicions = 0
    private var lastSuspicion: MonotonicTime?
    var mtu: MTUSearch
    /// The peer's id of this path, from its pings.
    var remoteID: UInt32 = ProbeFormat.unknownPath

    init(id: PathID, kind: PathKind, isLocal: Bool, configuration: PathConfiguration, now: MonotonicTime) {
        self.id = id
        self.kind = kind
        self.isLocal = isLocal
        self.configuration = configuration
        phase = kind == .relay ? .working : .unproven
        phaseSince = now
        mtu = MTUSearch(
            current: kind == .relay ? ProbeFormat.maximumSize : MTUSearch.minimum, configuration: configuration)
    }

    // MARK: Durations

    /// How long an answer may be missing.
    var bound: TimeSpan {
        let twice = (roundTrip.cautious ?? .zero) * 2
        return min(max(twice, configuration.minimumBound), configuration.maximumBound)
    }

    /// Between pings while data flows or answers are missing.
    var fastInterval: TimeSpan {
        max(configuration.trafficInterval, min((roundTrip.smoothed ?? .zero) / 2, .seconds(1)))
    }

    /// After this long a single ping counts as unanswered: a round trip and a quarter.
    var answerTime: TimeSpan {
        max((roundTrip.cautious ?? .zero) * 5 / 4, configuration.trafficInterval)
    }

    // MARK: Evidence

    /// The first two liveness pings that should have been answered since the last proof.
    private var missed: (first: Ping, second: Ping?)? {
        var first: Ping?
        for ping in pings where ping.purpose == .liveness {
            if let provenAt, ping.sentAt <= provenAt { continue }
            if let first { return (first, ping) }
            first = ping
        }
        return first.map { ($0, nil) }
    }

    /// When the first ping that is still unanswered was sent.
    var firstMissed: MonotonicTime? {
        missed?.first.missedFrom
    }

    /// When this path will be suspected if no answer comes; nil if nothing speaks against it.
    var suspicionTime: MonotonicTime? {
        guard phase == .working, kind != .relay, let missed, let second = missed.second else { return nil }
        // While the peer is still heard an answer may be late by the allowance, but once it is silent for the bound, not.
        let silent = (lastHeard ?? .distantPast) + bound
        let missing = missed.first.missedFrom + bound
        let patient = max(missing, min(silent, missing + configuration.hearingAllowance))
        let time = max(patient, second.missedFrom + answerTime)
        return max(time, notJudgedBefore ?? .distantPast)
    }

    /// When this suspected path will be lost if no answer comes.
    var lossTime: MonotonicTime? {
        guard case .suspected(let suspicion) = phase else { return nil }
        let time = min(suspicion.lastAnswer + configuration.lossDelay, phaseSince + configuration.suspicionLimit)
        return max(time, notJudgedBefore ?? .distantPast)
    }

    // MARK: Inputs

    /// Packets of the session, not probes, went out or came by this path.
    mutating func carried(_ count: Int) {
        packets &+= UInt64(clamping: count)
    }

    /// An authentic packet came by this path.
    mutating func heard(now: MonotonicTime) {
        lastHeard = now
        guard phase == .lost || phase == .unproven, trial == nil else { return }
        if let lastPing, now - lastPing < configuration.penaltyInterval { return }
        requestPing(now: now)
    }

    /// Data went out by this path. True if that makes a ping due that was not due before.
    mutating func dataSent(now: MonotonicTime) -> Bool {
        let isFirstSincePing = (lastSent ?? .distantPast) <= (lastPing ?? .distantPast)
        lastSent = now
        return isFirstSincePing && kind != .relay
    }

    /// Asks for a ping as soon as the spacing allows.
    mutating func requestPing(now: MonotonicTime) {
        if requestedAt == nil { requestedAt = now }
    }

    /// A ping goes out now.
    mutating func pingSent(number: UInt64, purpose: Purpose, era: UInt64, now: MonotonicTime) {
        if pings.count >= Path.maximumPingsUnderWay { pings.removeFirst() }
        pings.append(
            Ping(
                number: number, sentAt: now, missedFrom: now, purpose: purpose, era: era,
                packetsBefore: packetsAtLastPing))
        guard purpose == .liveness else { return }
        packetsAtLastPing = packets
        lastPing = now
        requestedAt = nil
        pingsSent &+= 1
    }

    /// A pong came by this path. Returns nil if it answers no ping under way; else what follows, and whether the packet
    /// size grew.
    mutating func answered(number: UInt64, era: UInt64, holdOff: TimeSpan, now: MonotonicTime)
        -> (transition: Transition?, hasGrown: Bool)?
    {
        guard let index = pings.firstIndex(where: { $0.number == number }) else { return nil }
        let ping = pings.remove(at: index)
        if ping.purpose == .liveness {
            pingsAnswered &+= 1
            let isLoaded = packets &- ping.packetsBefore > configuration.loadPackets
            if ping.era == era { roundTrip.add(now - ping.sentAt, isLoaded: isLoaded) }
        }
        let proof = max(provenAt ?? .distantPast, ping.sentAt)
        provenAt = proof
        pings.removeAll { $0.purpose == .liveness && $0.sentAt <= proof }
        notJudgedBefore = nil
        var hasGrown = false
        if case .packetSize(let size) = ping.purpose { hasGrown = mtu.answered(size: size) }
        return (follow(holdOff: holdOff, now: now), hasGrown)
    }

    private mutating func follow(holdOff: TimeSpan, now: MonotonicTime) -> Transition? {
        switch phase {
        case .working:
            return nil
        case .suspected(var suspicion):
            suspicion.lastAnswer = now
            phase = .suspected(suspicion)
            guard hasPassedTrial(answers: 1, span: suspicionHold, now: now) else { return nil }
            enter(.working, now: now)
            return .restored
        case .unproven, .lost:
            let wasLost = phase == .lost
            let needed = wasLost || holdOff > .zero ? configuration.restoringAnswers : 1
            guard hasPassedTrial(answers: needed, span: holdOff, now: now) else { return nil }
            enter(.working, now: now)
            mtu.begin(now: now, configuration: configuration)
            return wasLost ? .restored : .proven
        }
    }

    private mutating func hasPassedTrial(answers: Int, span: TimeSpan, now: MonotonicTime) -> Bool {
        var trial = self.trial ?? Trial(since: now)
        trial.answers += 1
        self.trial = trial
        return trial.answers >= answers && now - trial.since >= span
    }

    /// How long a suspected path must answer without a gap: at first not at all, longer each time it happens again.
    private var suspicionHold: TimeSpan {
        guard suspicions > 1 else { return .zero }
        return min(configuration.suspicionPenalty * (1 << Int64(suspicions - 2)), configuration.maximumSuspicionPenalty)
    }

    /// The peer says that its packets on this path go unanswered. True if that puts a working path in doubt.
    mutating func reported(now: MonotonicTime) -> Bool {
        guard phase == .working, kind != .relay else { return false }
        suspect(isReported: true, now: now)
        requestPing(now: now)
        return true
    }

    /// Moves on with time.
    mutating func advance(now: MonotonicTime) -> Transition? {
        if let time = suspicionTime, time <= now {
            suspect(isReported: false, now: now)
            return .suspected
        }
        if let time = lossTime, time <= now {
            enter(.lost, now: now)
            return .lost
        }
        if let missed, let second = missed.second, trial != nil,
            missed.first.missedFrom + bound <= now, second.missedFrom + answerTime <= now
        {
            trial = nil
        }
        return nil
    }

    /// This process slept for `lateness`: that time is no evidence, and one round of probes comes before any judgement.
    mutating func slept(for lateness: TimeSpan, now: MonotonicTime) {
        for index in pings.indices { pings[index].missedFrom = min(pings[index].missedFrom + lateness, now) }
        if case .suspected(var suspicion) = phase {
            suspicion.lastAnswer = min(suspicion.lastAnswer + lateness, now)
            phase = .suspected(suspicion)
            phaseSince = min(phaseSince + lateness, now)
        }
        guard kind != .relay else { return }
        if notJudgedBefore == nil { notJudgedBefore = now + answerTime + configuration.minimumSpacing }
        mtu.forgetChecks()
        requestPing(now: now)
    }

    /// The next notice to the peer went out.
    mutating func noticeSent(now: MonotonicTime) {
        guard case .suspected(var suspicion) = phase else { return }
        suspicion.nextNotice = now + configuration.noticeInterval
        phase = .suspected(suspicion)
    }

    private mutating func suspect(isReported: Bool, now: MonotonicTime) {
        let isRecent = lastSuspicion.map { now - $0 < configuration.suspicionMemory } ?? false
        suspicions = isRecent ? min(suspicions + 1, 16) : 1
        lastSuspicion = now
        enter(.suspected(Suspicion(isReported: isReported, lastAnswer: now, nextNotice: now)), now: now)
    }

    private mutating func enter(_ phase: Phase, now: MonotonicTime) {
        self.phase = phase
        phaseSince = now
        trial = nil
        mtu.forgetChecks()
    }
}
