import ICE
import Identity
import NIOCore
import Noise
import Paths
import PortMapping
import Wire

/// Looks for a direct path to one peer and keeps the ICE agents that found one.
///
/// The session's dialer offers; the other side asks for an offer with `restart`. An agent whose path went dark is kept, because the path
/// manager goes on probing it and it may come back; a fresh one is tried meanwhile (a network change needs a new agent: libnice does not
/// gather twice). At most ``maximumAttempts`` agents exist at a time.
final class DirectConnector {
    static let maximumAttempts = 2
    /// Candidates found within this time travel in one rendezvous payload.
    private static let coalescingMilliseconds: Int64 = 5

    /// Host candidates of an agent for which a port is asked for.
    private static let maximumMappings = 4
    /// A server-reflexive candidate's, of highest local preference (RFC 8445 §5.1.2).
    private static let mappedPriority: UInt32 = 100 << 24 | 0xFFFF << 8 | 255

    private let peer: PeerID
    private let key: PeerKey
    private let policy: PathPolicy
    private unowned let node: PeerNode
    unowned var link: PeerLink!
    private(set) var attempts: [ICEAttempt] = []
    private var pairs: [PathID: (attempt: ICEAttempt, pair: SelectedPair)] = [:]
    /// What a port search has found: the newest alone.
    private(set) var found: (path: PathID, socket: FoundSocket, reader: SteeredReader, at: MonotonicTime)?
    private var searcher: PortSearcher!
    private var chosenPath: PathID?
    private var retry = RetrySchedule()
    private var retryTimer: Scheduled<Void>?
    private var sweepTimer: Scheduled<Void>?
    private var nextPath: UInt32 = 1
    private var wantsAttempt = false
    private var isReleased = false
    private var restarts = TokenBucket(capacity: 3, perSecond: 0.5)

    init(peer: PeerID, key: PeerKey, policy: PathPolicy, node: PeerNode) {
        self.peer = peer
        self.key = key
        self.policy = policy
        self.node = node
        searcher = PortSearcher(peer: peer, key: key, node: node, connector: self)
    }

    var isBusy: Bool { !attempts.isEmpty || found != nil || searcher.isBusy }

    /// Whether a direct path carries the session.
    var isChosen: Bool { chosenPath != nil }

    /// The direct paths that a new session may use.
    var paths: [(id: PathID, kind: PathKind, isLocal: Bool)] {
        pairs.map { ($0.key, Self.kind($0.value.pair), Self.isLocal($0.value.pair)) }
            + (found.map { [($0.path, .direct, false)] } ?? [])
    }

    func endpoints(of path: PathID) -> (local: Endpoint, remote: Endpoint)? {
        if let found, found.path == path { return (found.socket.local, found.socket.remote) }
        return pairs[path].map { ($0.pair.local, $0.pair.remote) }
    }

    /// How packets of a path come in; nil for paths that are not direct.
    func dataPlane(of path: PathID) -> DataPlane? {
        if found?.path == path { return .steered }
        return pairs[path].map { $0.attempt.reader(of: path) != nil ? .steered : .library }
    }

    /// Sends one or more packets over a selected pair: through its socket, or through libnice where TURN has to wrap them.
    func send(_ bytes: UnsafeRawBufferPointer, segmentSize: Int, on path: PathID) {
        if let found, found.path == path {
            found.socket.sender.send(bytes, segmentSize: segmentSize)
            return
        }
        guard let (attempt, pair) = pairs[path] else { return }
        if let socket = pair.socket {
            socket.send(bytes, segmentSize: segmentSize)
            return
        }
        attempt.agent.send(bytes, segmentSize: segmentSize)
    }

    // MARK: When to try

    /// Makes an offer.
    func begin() {
        guard policy != .relay, node.isContact(peer) else { return }
        guard node.isSignalingConnected else {
            wantsAttempt = true
            return
        }
        wantsAttempt = false
        retryTimer?.cancel()
        // An earlier offer that has not led anywhere yet is superseded.
        for attempt in attempts where attempt.isOfferer && attempt.path == nil { close(attempt, sayBye: false) }
        let (id, own) = (Sodium.randomBytes(count: Rendezvous.connectionIDByteCount), ICECredentials.random())
        start(connectionID: id, isOfferer: true, own: own, peer: .answering(own, connectionID: id))
    }

    /// The session is open: from now on its dialer alone makes offers.
    func sessionOpened(isDialer: Bool) {
        if isDialer { searcher.expect() }
        guard isDialer, attempts.isEmpty else { return }
        // The peer may have refused an offer that went ahead of the session.
        if retry.cause == .refused { scheduleRetry() } else { begin() }
    }

    /// The path manager chose this path.
    func chosen(_ path: PathID) {
        if let found, found.path == path { return settle(on: path, isDirect: true) }
        guard let (attempt, pair) = pairs[path] else {
            chosenPath = nil
            return
        }
        settle(on: path, isDirect: !pair.isRelayed)
        for (id, entry) in pairs where entry.attempt === attempt && id != path && id != attempt.path { forget(id) }
    }

    private func settle(on path: PathID, isDirect: Bool) {
        chosenPath = path
        retry.reset(.lost)
        retryTimer?.cancel()
        if isDirect { searcher.satisfied() }
    }

    /// The path manager gave the path up.
    func lost(_ path: PathID, isDialer: Bool) {
        if chosenPath == path { chosenPath = nil }
        retry.reset(.lost)
        if isDialer { searcher.expect() }
        again(isDialer: isDialer)
    }

    func networkChanged(isDialer: Bool) {
        retry.reset(.lost)
        if isDialer { searcher.expect() }
        again(isDialer: isDialer)
    }

    /// The server can be reached again.
    func signalingReturned() {
        guard wantsAttempt else { return }
        wantsAttempt = false
        if let session = link.active { again(isDialer: session.isDialer) } else { begin() }
    }

    func stop() {
        retryTimer?.cancel()
        sweepTimer?.cancel()
        sweepTimer = nil
        wantsAttempt = false
        chosenPath = nil
        retry.reset(.neverDirect)
        searcher.stop()
        forgetFound()
        for attempt in attempts { close(attempt, sayBye: false) }
    }

    /// The link is gone. Agents that are still closing keep this object, but nothing in it may touch link or node any more.
    func release() {
        isReleased = true
        retryTimer?.cancel()
        retryTimer = nil
        sweepTimer?.cancel()
        sweepTimer = nil
        searcher.release()
        found?.reader.abandon()
        found = nil
        for attempt in attempts {
            for reader in attempt.readers { reader.abandon() }
            attempt.agent.close()
        }
        attempts = []
        pairs = [:]
    }

    private func again(isDialer: Bool) {
        guard policy != .relay else { return }
        guard restarts.take(now: node.clock.now) else { return scheduleRetry() }
        wantsAttempt = !node.isSignalingConnected
        guard !wantsAttempt else { return }
        if isDialer {
            begin()
        } else {
            node.send(
                .restart, connectionID: attempts.last?.connectionID ?? [UInt8](repeating: 0, count: 16), to: peer,
                key: key)
        }
    }

    private func scheduleRetry() {
        scheduleRetry(milliseconds: retry.nextDelay(), mayWait: true)
    }

    /// - Parameter mayWait: whether a path that is heard again by then gets time to come back before a fresh agent is tried.
    private func scheduleRetry(milliseconds: Int64, mayWait: Bool) {
        guard let session = link.active, chosenPath == nil, policy != .relay else { return }
        retryTimer?.cancel()
        retryTimer = node.clock.after(milliseconds: milliseconds) { [weak self, weak session] in
            guard let self, self.retryTimer != nil, let session, session === self.link.active, self.chosenPath == nil
            else { return }
            guard session.isDialer else { return }
            if mayWait, AttemptChoice.isComingBack(self.standings, now: self.node.clock.now) {
                return self.scheduleRetry(milliseconds: AttemptChoice.patienceMilliseconds, mayWait: false)
            }
            self.begin()
        }
    }

    // MARK: Attempts

    private func start(connectionID: [UInt8], isOfferer: Bool, own: ICECredentials, peer: ICECredentials) {
        makeRoom()
        let bound = NIOLoopBound(self, eventLoop: node.loop)
        let loop = node.loop
        let inbox = PacketInbox(loop: loop) { packets in bound.value.received(packets, connectionID: connectionID) }
        let agent = ICEAgent(
            loop: node.iceLoop, configuration: node.iceConfiguration(isControlling: isOfferer, credentials: own),
            events: { event in
                if case .packet(let packet) = event { return inbox.put(packet) }
                loop.execute { bound.value.handle(event, connectionID: connectionID) }
            })
        let attempt = ICEAttempt(
            connectionID: connectionID, agent: agent, peerCredentials: peer, isOfferer: isOfferer,
            startedAt: node.clock.now)
        attempts.append(attempt)
        // Before the answer, which the peer's first checks may overtake.
        agent.setRemoteCredentials(peer)
        agent.gather()
        armSweep()
    }

    /// Keeps the number of agents bounded: superseded tries go first, then the older of those that carry nothing.
    private func makeRoom() {
        while attempts.count >= Self.maximumAttempts, let victim = AttemptChoice.victim(standings) {
            close(attempts[victim], sayBye: false)
        }
    }

    private var standings: [AttemptChoice.Standing] {
        attempts.map {
            .init(hasPath: $0.path != nil, isChosen: $0.path != nil && $0.path == chosenPath, heardAt: $0.heardAt)
        }
    }

    private func attempt(_ connectionID: [UInt8]) -> ICEAttempt? {
        attempts.first { $0.connectionID == connectionID }
    }

    private func close(_ attempt: ICEAttempt, sayBye: Bool) {
        attempts.removeAll { $0 === attempt }
        for (id, entry) in pairs where entry.attempt === attempt { forget(id) }
        attempt.agent.close()
        if sayBye { node.send(.bye, connectionID: attempt.connectionID, to: peer, key: key) }
    }

    private func forget(_ path: PathID) {
        pairs[path]?.attempt.stopReading(path)
        pairs[path] = nil
        if chosenPath == path { chosenPath = nil }
        link.active?.removePath(path)
    }

    private func fail(_ attempt: ICEAttempt) {
        close(attempt, sayBye: false)
        if attempt.isOfferer { scheduleRetry() }
    }

    private func armSweep() {
        guard sweepTimer == nil else { return }
        sweepTimer = node.clock.at(node.clock.now + node.timing.sweep) { [weak self] in
            // A cancelled timer may fire all the same when both happen in one turn of the loop.
            guard let self, self.sweepTimer != nil else { return }
            self.sweepTimer = nil
            self.sweep()
            if self.isBusy { self.armSweep() }
        }
    }

    private func sweep() {
        let now = node.clock.now
        for attempt in attempts {
            if attempt.path == nil {
                if now - attempt.startedAt > node.timing.attempt { fail(attempt) }
            } else if !isNeeded(attempt), now - (attempt.heardAt ?? attempt.startedAt) > node.timing.silentAgent {
                close(attempt, sayBye: false)
            }
        }
        if let found, isSuperfluous(found.path), now - found.at > node.timing.silentAgent { forgetFound() }
        node.linkChanged(link)
    }

    /// Whether the agent carries the session, or may have to: its path may come back when no other is there.
    private func isNeeded(_ attempt: ICEAttempt) -> Bool {
        guard link.active != nil else { return false }
        guard let chosenPath else { return true }
        return pairs[chosenPath]?.attempt === attempt
    }

    // MARK: What the agent says

    private func handle(_ event: ICEEvent, connectionID: [UInt8]) {
        guard let attempt = attempt(connectionID) else { return }
        switch event {
        case .localCandidate(let candidate):
            attempt.unsentCandidates.append(candidate)
            scheduleFlush(attempt)
            mapPort(of: candidate, attempt)
        case .gatheringDone:
            attempt.isGatheringDone = true
            scheduleFlush(attempt)
        case .selectedPair(let pair):
            select(pair, attempt)
        case .failed:
            // With a path, its probes decide what it is worth; without one there is nothing to wait for.
            if attempt.path == nil { fail(attempt) }
        case .closed, .packet:
            break
        }
    }

    /// Asks the gateway for a port that leads to this host candidate. Where it gives one the NAT is none to the peer.
    private func mapPort(of candidate: Candidate, _ attempt: ICEAttempt) {
        guard let mapper = node.portMapper, candidate.type == .host, !candidate.endpoint.address.isV6,
            candidate.endpoint.address.isPrivate, attempt.mappings.count < Self.maximumMappings
        else { return }
        let bound = NIOLoopBound(self, eventLoop: node.loop)
        let (loop, connectionID) = (node.loop, attempt.connectionID)
        attempt.mappings.append(
            mapper.map(local: candidate.endpoint) { external in
                loop.execute { bound.value.mapped(external, connectionID: connectionID) }
            })
    }

    private func mapped(_ external: Endpoint, connectionID: [UInt8]) {
        guard let attempt = attempt(connectionID),
            let candidate = try? Candidate(
                type: .serverReflexive, endpoint: external, priority: Self.mappedPriority, foundation: "mapped")
        else { return }
        attempt.unsentCandidates.append(candidate)
        scheduleFlush(attempt)
    }

    private func select(_ pair: SelectedPair, _ attempt: ICEAttempt) {
        if let current = attempt.path, let known = pairs[current]?.pair, known.local == pair.local,
            known.remote == pair.remote
        {
            return
        }
        let id = PathID(rawValue: nextPath)
        nextPath += 1
        let superseded = attempt.path
        attempt.path = id
        pairs[id] = (attempt, pair)
        if node.dataPlane == .steered, let socket = pair.steerable { steer(socket, id, attempt) }
        link.active?.addPath(id, kind: Self.kind(pair), isLocal: Self.isLocal(pair))
        // The pair that this one replaces stays usable until the new one has proven itself.
        if let superseded, superseded != chosenPath { forget(superseded) }
    }

    /// Has the kernel hand us what the pair brings. Without it, it comes through the agent.
    private func steer(_ socket: PairSocket, _ path: PathID, _ attempt: ICEAttempt) {
        attempt.read(
            socket, path: path, loop: node.loop,
            receive: { [weak self, weak attempt] packets, segmentSize, path in
                guard let self, !self.isReleased else { return }
                attempt?.heardAt = self.node.clock.now
                self.link.receive(packets, segmentSize: segmentSize, on: path)
            })
    }

    private static func kind(_ pair: SelectedPair) -> PathKind {
        pair.isRelayed ? .turn : .direct
    }

    /// Both ends are on one network: host candidates, and not public ones.
    private static func isLocal(_ pair: SelectedPair) -> Bool {
        pair.localType == .host && pair.remoteType == .host && !isPublic(pair.local.address)
            && !isPublic(pair.remote.address)
    }

    private static func isPublic(_ address: IPAddress) -> Bool {
        !(address.isPrivate || address.isLoopback || address.isLinkLocal)
    }

    private func received(_ packets: [[UInt8]], connectionID: [UInt8]) {
        guard let attempt = attempt(connectionID), let path = attempt.path else { return }
        attempt.heardAt = node.clock.now
        for packet in packets { packet.withUnsafeBytes { link.receive($0, on: path) } }
    }

    // MARK: Rendezvous

    private func scheduleFlush(_ attempt: ICEAttempt) {
        guard !attempt.isFlushScheduled else { return }
        attempt.isFlushScheduled = true
        _ = node.clock.after(milliseconds: Self.coalescingMilliseconds) { [weak self, weak attempt] in
            guard let self, let attempt else { return }
            attempt.isFlushScheduled = false
            if self.attempts.contains(where: { $0 === attempt }) { self.flush(attempt) }
        }
    }

    private func flush(_ attempt: ICEAttempt) {
        let candidates = Array(attempt.unsentCandidates.prefix(Rendezvous.maximumCandidates))
        attempt.unsentCandidates = []
        if !attempt.isIntroduced {
            attempt.isIntroduced = true
            let credentials = attempt.agent.localCredentials
            say(attempt.isOfferer ? .offer(credentials, candidates) : .answer(credentials, candidates), attempt)
        } else if !candidates.isEmpty {
            say(.candidates(candidates), attempt)
        }
        if attempt.isGatheringDone, !attempt.saidEnd {
            attempt.saidEnd = true
            say(.endOfCandidates, attempt)
        }
    }

    private func say(_ body: Rendezvous.Body, _ attempt: ICEAttempt) {
        node.send(body, connectionID: attempt.connectionID, to: peer, key: key)
    }

    /// Handles what an authenticated contact signalled.
    func receive(_ rendezvous: Rendezvous) {
        let id = rendezvous.connectionID
        switch rendezvous.body {
        case .offer(let credentials, let candidates):
            guard attempt(id) == nil else { return }
            guard policy != .relay else { return node.send(.bye, connectionID: id, to: peer, key: key) }
            guard node.admitsOffer(from: peer) else { return }
            // What the peer offered before is superseded unless it led somewhere.
            for attempt in attempts where !attempt.isOfferer && attempt.path == nil { close(attempt, sayBye: false) }
            start(
                connectionID: id, isOfferer: false, own: .answering(credentials, connectionID: id), peer: credentials)
            if let attempt = attempt(id) { introduce(attempt, candidates) }
        case .answer(let credentials, let candidates):
            guard let attempt = attempt(id), attempt.isOfferer, !attempt.knowsPeer else { return }
            // With credentials other than those that follow from the offer no check would ever succeed.
            guard credentials == attempt.peerCredentials else { return fail(attempt) }
            introduce(attempt, candidates)
        case .candidates(let candidates):
            attempt(id)?.agent.addRemoteCandidates(candidates)
        case .endOfCandidates:
            attempt(id)?.agent.endRemoteCandidates()
        case .restart:
            guard policy != .relay, link.active?.isDialer == true, restarts.take(now: node.clock.now) else { return }
            begin()
        case .searchOffer(let terms):
            searcher.receiveOffer(id, terms)
        case .searchAnswer(let terms):
            searcher.receiveAnswer(id, terms)
        case .bye:
            if searcher.receiveBye(id) { return }
            guard let attempt = attempt(id), attempt.path == nil else { return }
            if attempt.isOfferer, !attempt.knowsPeer { retry.reset(.refused) }
            fail(attempt)
        }
    }

    private func introduce(_ attempt: ICEAttempt, _ candidates: [Candidate]) {
        attempt.knowsPeer = true
        attempt.agent.addRemoteCandidates(candidates)
    }
}

// MARK: - What a port search finds

extension DirectConnector {
    /// Whether a search may be proposed now: by the dialer of an open session, who has no direct path.
    var mayProposeSearch: Bool { link.active?.isDialer == true && mayAnswerSearch }

    /// Whether a search is wanted at all.
    var mayAnswerSearch: Bool {
        guard node.searchesPorts, policy != .relay, node.isContact(peer), link.active != nil else { return false }
        guard let chosenPath else { return true }
        return pairs[chosenPath].map { $0.pair.isRelayed } ?? false
    }

    /// Makes a path of what was found. Its probes decide what it is worth.
    func found(_ socket: FoundSocket) {
        forgetFound()
        let id = PathID(rawValue: nextPath)
        nextPath += 1
        let reader = SteeredReader.open(
            socket.receiver, local: socket.sender.local, path: id, loop: node.loop,
            receive: { [weak self] packets, segmentSize, id in
                guard let self, self.found?.path == id else { return }
                self.found?.at = self.node.clock.now
                self.link.receive(packets, segmentSize: segmentSize, on: id)
            },
            ended: { [weak self] in
                if self?.found?.path == id { self?.forgetFound() }
            })
        guard let reader else { return socket.discard() }
        found = (id, socket, reader, node.clock.now)
        link.active?.addPath(id, kind: .direct)
        armSweep()
    }

    /// A search is over.
    func searchEnded() { node.linkChanged(link) }

    private func forgetFound() {
        guard let found else { return }
        self.found = nil
        found.reader.abandon()
        forget(found.path)
    }

    /// Whether the found path neither carries the session nor may have to.
    private func isSuperfluous(_ path: PathID) -> Bool {
        chosenPath != path
    }
}
