import Identity
import Logging
import NIOCore
import Noise
import Paths
import SecureTransport
import Wire

/// Everything between us and one peer: at most one open session, the handshakes on their way to replace it, and the ICE agents that
/// look for a direct path. The link outlives sessions; agents belong to it and serve whichever session is open.
final class PeerLink {
    let peer: PeerID
    let key: PeerKey
    /// The session that people talk through.
    private(set) var active: PeerSession?
    /// Our dial, until its handshake is done.
    private var dialing: PeerSession?
    /// The peer's dial, until its handshake is done. One at a time: the next one takes its place.
    private var answering: PeerSession?
    private var handshakeTimer: Scheduled<Void>?
    private var handshakeDue: MonotonicTime?
    /// A dial waits for the connection to the server, or for the end of the peer's dial.
    private var isDialWanted = false
    private(set) var isReachableByRelay = true
    /// Since when the server has said that the peer is not there.
    private var absentSince: MonotonicTime?
    private(set) var direct: DirectConnector
    private unowned let node: PeerNode

    init(peer: PeerID, key: PeerKey, policy: PathPolicy, node: PeerNode) {
        self.peer = peer
        self.key = key
        self.node = node
        self.direct = DirectConnector(peer: peer, key: key, policy: policy, node: node)
        direct.link = self
    }

    deinit {
        handshakeTimer?.cancel()
        for session in [active, dialing, answering] { session?.release() }
        direct.release()
    }

    /// Nothing is going on here, so that the link may be dropped.
    var isIdle: Bool { active == nil && dialing == nil && answering == nil && !isDialWanted && !direct.isBusy }

    // MARK: Dialing

    /// Begins a session unless there is one, or a dial is on its way.
    func dial() {
        guard active == nil, dialing == nil else { return }
        isDialWanted = !node.isSignalingConnected || answering != nil
        guard !isDialWanted else { return }
        startDial()
        direct.begin()
    }

    private func startDial() {
        do {
            let transport = try SecureSession.connect(
                identity: node.identity, to: peer, greeting: node.greeting(for: peer),
                configuration: node.sessionConfiguration, now: node.clock.now)
            let session = makeSession(transport, isDialer: true)
            dialing = session
            session.pump()
            armHandshakeTimer()
        } catch {
            node.dialFailed(peer, .handshake("\(error)"))
        }
    }

    private func makeSession(_ transport: SecureSession, isDialer: Bool) -> PeerSession {
        let session = PeerSession(transport, peer: peer, isDialer: isDialer, link: self, clock: node.clock)
        session.addPath(.relay, kind: .relay)
        return session
    }

    private func armHandshakeTimer() {
        handshakeTimer?.cancel()
        let due = node.clock.now + node.timing.handshake
        handshakeDue = due
        handshakeTimer = node.clock.at(due) { [weak self] in
            // A cancelled timer may fire all the same when both happen in one turn of the loop.
            guard let self, self.handshakeDue == due else { return }
            self.failDial(.noAnswer)
            self.answering?.abandon(.timedOut)
        }
    }

    private func failDial(_ failure: DialFailure) {
        guard let dialing else { return }
        self.dialing = nil
        dialing.abandon(.local)
        dialEnded(failure)
    }

    /// Tells that there will be no session; but a dial beside an open one is nobody's concern.
    private func dialEnded(_ failure: DialFailure) {
        guard active == nil else { return }
        if answering == nil { direct.stop() }
        node.dialFailed(peer, failure)
    }

    // MARK: Packets in

    /// Takes what the relay says came from the peer. Who really sent it is for the sessions to prove.
    func receiveFromRelay(_ packet: UnsafeRawBufferPointer) {
        absentSince = nil
        if !isReachableByRelay { relayChanged(isAvailable: true) }
        receive(packet, on: .relay)
    }

    /// Takes packets that came at once by a direct path: all of `segmentSize` bytes but the last, which may be shorter.
    func receive(_ packets: UnsafeRawBufferPointer, segmentSize: Int, on path: PathID) {
        let now = node.clock.now
        var rest = packets
        while !rest.isEmpty {
            let run = SecureSession.classifyRun(rest, segmentSize: segmentSize)
            let head = UnsafeRawBufferPointer(rebasing: rest[..<run.length])
            receive(head, segmentSize: segmentSize, run.kind, on: path, now: now)
            rest = UnsafeRawBufferPointer(rebasing: rest[run.length...])
        }
    }

    /// Takes a packet that came through the relay or an ICE agent of this link.
    func receive(_ packet: UnsafeRawBufferPointer, on path: PathID) {
        receive(
            packet, segmentSize: packet.count, SecureSession.classify(packet), on: path, now: node.clock.now)
    }

    /// One packet, or several of one session.
    private func receive(
        _ packets: UnsafeRawBufferPointer, segmentSize: Int, _ kind: PacketClass, on path: PathID, now: MonotonicTime
    ) {
        switch kind {
        case .tagged(let tag):
            if let session = session(tagged: tag) {
                session.receive(packets, segmentSize: segmentSize, on: path, now: now)
            } else if path == .relay {
                sayForgotten(tag)
            }
        case .initial(let destination):
            // The answer to our dial carries our own tag; a dial carries an id that the dialer made up.
            if let tag = ConnectionTag(destination.prefix(8)), let session = session(tagged: tag) {
                session.receive(packets, segmentSize: segmentSize, on: path, now: now)
            } else if path == .relay {
                receiveInitial(packets, destination: destination)
            }
        case .other:
            break
        }
    }

    private func session(tagged tag: ConnectionTag) -> PeerSession? {
        if let active, active.transport.tag == tag { return active }
        if let dialing, dialing.transport.tag == tag { return dialing }
        if let answering, answering.transport.tag == tag { return answering }
        return nil
    }

    /// One of the first packets of a dial by the peer: the glare rule, and the door.
    private func receiveInitial(_ packet: UnsafeRawBufferPointer, destination: [UInt8]) {
        for session in [active, answering] {
            if let session, session.transport.firstConnectionID == destination {
                return session.receive(packet, segmentSize: packet.count, on: .relay, now: node.clock.now)
            }
        }
        // Both dialed: the lower peer id's dial wins, and both sides know which that is.
        if dialing != nil, node.identity.peerID < peer { return }
        do {
            // Its first message takes two packets: what has come waits there, and nothing is known of the caller yet.
            guard let call = try node.incomingCall(packet, destination: destination, from: peer) else { return }
            let transport = try SecureSession.accept(
                call, identity: node.identity, on: .relay,
                authorize: { [node, peer] remote, greeting in
                    guard peer.noisePublicKey == remote, node.authorize(peer, greeting) else { return nil }
                    return node.greeting(for: peer)
                },
                now: node.clock.now)
            answering?.abandon(.replaced)
            let session = makeSession(transport, isDialer: false)
            answering = session
            session.pump()
            yieldDial()
            armHandshakeTimer()
        } catch TransportError.refused {
            // Says so to who knows us, so that it need not wait for an answer: sealed, and tied to its dial.
            node.send(.bye, connectionID: destination, to: peer, key: key)
        } catch {
            node.logger.debug("handshake refused", metadata: ["reason": "\(error)", "size": "\(packet.count)"])
        }
    }

    /// Our dial gives way to the peer's, or the peer would take a late repeat of it for a new one. It is made again if
    /// the peer's comes to nothing.
    private func yieldDial() {
        guard let dialing else { return }
        self.dialing = nil
        isDialWanted = active == nil
        dialing.abandon(.replaced)
    }

    // MARK: What the server and the peer say about each other

    /// The server cannot reach the peer.
    func unreachable(_ reason: DialFailure) {
        isReachableByRelay = false
        absentSince = absentSince ?? node.clock.now
        active?.setRelayAvailable(false)
        // Whoever began this dial is gone; so our own turn comes, and fails.
        if isDialWanted { answering?.abandon(.timedOut) }
        failDial(reason)
        node.linkChanged(self)
    }

    /// Tries the relay again after the server had no way to the peer. A session that has nothing else, to a peer that stays away, is over.
    func retryRelay(isAvailable: Bool) {
        if direct.isChosen { absentSince = nil }
        if let absentSince, let active, node.clock.now - absentSince > node.timing.absence {
            self.absentSince = nil
            return active.abandon(.timedOut)
        }
        if isAvailable, !isReachableByRelay { relayChanged(isAvailable: true) }
    }

    /// The relay works again, or no longer: our own connection to the server changed.
    func relayChanged(isAvailable: Bool) {
        isReachableByRelay = isAvailable
        active?.setRelayAvailable(isAvailable)
        if isAvailable {
            if isDialWanted { dial() }
            dialing?.schedulePump()
            answering?.schedulePump()
            direct.signalingReturned()
            if let active, active.isDialer, active.isSilent(for: node.timing.silence) { redial() }
        }
    }

    /// Dials beside a session of which nothing was heard for so long that its timeouts have grown too long to wait for. The new one takes its
    /// place when it is open.
    private func redial() {
        guard dialing == nil, answering == nil else { return }
        startDial()
    }

    /// Handles a rendezvous payload whose seal proved that the peer wrote it.
    func receive(_ rendezvous: Rendezvous) {
        if case .bye = rendezvous.body, let tag = Self.forgottenTag(rendezvous.connectionID) {
            for session in [active, answering, dialing] {
                if let session, session.transport.remoteTag == tag { session.abandon(.forgotten) }
            }
            return
        }
        if case .bye = rendezvous.body, let dialing, dialing.transport.firstConnectionID == rendezvous.connectionID {
            return failDial(.refused)
        }
        direct.receive(rendezvous)
    }

    private func sayForgotten(_ tag: ConnectionTag) {
        node.sayForgotten(tag.bytes + [UInt8](repeating: 0, count: 8), to: peer, key: key)
    }

    /// The tag in a connection id of the form that ``sayForgotten(_:)`` makes.
    private static func forgottenTag(_ connectionID: [UInt8]) -> ConnectionTag? {
        guard connectionID.suffix(8).allSatisfy({ $0 == 0 }) else { return nil }
        return ConnectionTag(connectionID.prefix(8))
    }

    // MARK: Ending

    /// Closes the session, if any, with a word to the peer, and stops looking for paths.
    func close(code: UInt64, reason: String) {
        handshakeTimer?.cancel()
        isDialWanted = false
        dialing?.abandon(.local)
        dialing = nil
        answering?.abandon(.local)
        answering = nil
        active?.close(code: code, reason: reason)
        direct.stop()
    }

    /// The device's addresses changed: every path is in doubt, so look for new ones at once.
    func networkChanged() {
        guard let active else { return }
        active.networkChanged()
        direct.networkChanged(isDialer: active.isDialer)
    }
}

// MARK: - What sessions report

extension PeerLink {
    func transmit(_ bytes: UnsafeRawBufferPointer, segmentSize: Int, on path: PathID) {
        if path == .relay {
            guard isReachableByRelay || active == nil else { return }
            node.sendRelay(to: key, segmentSize: segmentSize, packets: bytes)
        } else {
            direct.send(bytes, segmentSize: segmentSize, on: path)
        }
    }

    func endpoints(of path: PathID) -> (local: Endpoint, remote: Endpoint)? { direct.endpoints(of: path) }

    func dataPlane(of path: PathID) -> DataPlane? { direct.dataPlane(of: path) }

    func sessionOpened(_ session: PeerSession) {
        let previous = active
        active = session
        isDialWanted = false
        if dialing === session { dialing = nil }
        if answering === session { answering = nil }
        // Our own dial lost to the peer's, or is no longer needed.
        dialing?.abandon(.replaced)
        dialing = nil
        if answering == nil { handshakeTimer?.cancel() }
        previous?.close(code: CloseCode.replaced, reason: "a newer session")
        direct.sessionOpened(isDialer: session.isDialer)
        for path in direct.paths { session.addPath(path.id, kind: path.kind, isLocal: path.isLocal) }
        node.emit(.opened(session))
        node.releaseHeld(peer)
    }

    func sessionReadable(_ session: PeerSession) { node.emit(.readable(session)) }

    func sessionWritable(_ session: PeerSession) { node.emit(.writable(session)) }

    func sessionStream(_ session: PeerSession, _ stream: PeerStream, _ event: PeerStreamEvent) {
        node.emit(.stream(session, stream, event))
    }

    func sessionPath(_ session: PeerSession, _ report: PathReport, id: PathID) {
        if session === active { direct.chosen(id) }
        node.emit(.path(session, report))
    }

    func pathLost(_ id: PathID, in session: PeerSession) {
        if session === active, id != .relay { direct.lost(id, isDialer: session.isDialer) }
    }

    func sessionEnded(_ session: PeerSession, _ end: SessionEnd, wasOpen: Bool) {
        if dialing === session {
            dialing = nil
            switch end {
            case .remote(CloseCode.refused, _): dialEnded(.refused)
            case .transport(let text): dialEnded(.handshake(text))
            case .timedOut, .forgotten, .remote: dialEnded(.noAnswer)
            case .local, .replaced: break
            }
        }
        if answering === session {
            answering = nil
            if isDialWanted, end != .replaced { dial() }
        }
        if active === session {
            active = nil
            direct.stop()
        }
        if wasOpen { node.emit(.closed(session, end == .local && active != nil ? .replaced : end)) }
        node.linkChanged(self)
    }
}
