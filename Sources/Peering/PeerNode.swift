package import ICE
package import Identity
package import Logging
package import NIOCore
import NIOPosix
import Paths
package import PortMapping
import SecureTransport
package import SignalingClient
package import Wire

/// What a ``PeerNode`` asks its owner about peers; answered on the node's event loop, at once.
package struct Gatekeeper {
    /// What we say to this peer in a handshake.
    package var greeting: (PeerID) -> [UInt8]
    /// Whether a peer whose key is proven, and who greets with these bytes, may open a session.
    package var authorize: (PeerID, [UInt8]) -> Bool
    /// Whether the peer is an accepted contact: only they get candidates, or learn that we were restarted.
    package var isContact: (PeerID) -> Bool

    package init(
        greeting: @escaping (PeerID) -> [UInt8], authorize: @escaping (PeerID, [UInt8]) -> Bool,
        isContact: @escaping (PeerID) -> Bool
    ) {
        self.greeting = greeting
        self.authorize = authorize
        self.isContact = isContact
    }
}

/// One identity, connected to its signaling server, with a link to each peer it talks to.
///
/// Not Sendable: it lives on one event loop, which runs everything here; its owner is isolated to that loop too.
package final class PeerNode {
    private static let rendezvousContext = "sotto-rendezvous-v1"
    /// Offers from peers who have not been admitted yet wait for it, so many.
    private static let maximumHeldPayloads = 32
    /// Of one of them: an offer and its candidates.
    private static let maximumHeldPerPeer = 8

    package let identity: Identity
    let loop: any EventLoop
    let clock: NodeClock
    let logger: Logger
    let iceLoop: ICELoop
    let timing: PeerTiming
    let dataPlane: DataPlane
    /// Of sessions that we dial or answer.
    let sessionConfiguration: SessionConfiguration
    private let gatekeeper: Gatekeeper
    private let handler: (PeerEvent) -> Void
    private let defaultPolicy: PathPolicy
    private let localAddresses: [IPAddress]?
    /// Whether ports of NATs that map by destination are searched for (``PortSearcher``).
    let searchesPorts: Bool
    /// Asks the gateway for ports; nil where none are wanted.
    let portMapper: PortMapper?
    /// Whose turn it is to search.
    var searches = SearchSlot()
    private let wallClock: () -> UInt64
    private(set) var links: [PeerKey: PeerLink] = [:]
    /// Contacts that were heard, so that their ids are checked once.
    private var heardContacts: [PeerKey: PeerID] = [:]
    private var policies: [PeerID: PathPolicy] = [:]
    private var signaling: SignalingClient!
    private var iceServers = ICEServers()
    /// By contact: who floods one closes it to nobody else.
    private var replayWindows: [PeerID: ReplayWindow] = [:]
    private var admission = Admission()
    /// Dials of which a part has come. Apart, so that strangers push out no contact's.
    private var contactCalls = IncomingCalls<PeerID>()
    private var strangerCalls = IncomingCalls<PeerID>()
    private var callTimer: Scheduled<Void>?
    /// Refuse a flood of "I do not know this session". By contact, because the links that say it do not last.
    private var forgottenNotices: [PeerID: TokenBucket] = [:]
    private var held: [HeldPayload] = []
    private(set) var isSignalingConnected = false

    private struct Weak {
        weak var node: PeerNode?
    }

    private struct HeldPayload {
        let from: PeerID
        let payload: [UInt8]
        let at: MonotonicTime
    }

    /// - Parameters:
    ///   - localAddresses: the addresses that ICE may use; `nil` lets it find them.
    ///   - dataPlane: `library` leaves all packets of direct paths to libnice.
    ///   - cipher: the only cipher of our sessions, whoever dials; `nil` for all that this machine has.
    ///   - portMapper: asks the gateway for ports of ICE's sockets; the caller stops it.
    ///   - searchesPorts: whether the port of a NAT that maps by destination is searched for, where ICE finds no path.
    ///   - wallClock: milliseconds since 1970, for the time stamps of rendezvous payloads.
    ///   - handler: called on the loop for everything that happens.
    package init(
        identity: Identity, server: ServerURL, trust: TLSTrust, policy: PathPolicy, localAddresses: [IPAddress]? = nil,
        cipher: CipherName? = nil, portMapper: PortMapper? = nil, searchesPorts: Bool = true,
        timing: PeerTiming = PeerTiming(), dataPlane: DataPlane = .steered, eventLoop: any EventLoop,
        iceLoop: ICELoop, logger: Logger,
        wallClock: @escaping () -> UInt64, gatekeeper: Gatekeeper, handler: @escaping (PeerEvent) -> Void
    ) {
        self.identity = identity
        self.loop = eventLoop
        self.clock = NodeClock(loop: eventLoop.assumeIsolated())
        self.logger = logger
        self.iceLoop = iceLoop
        self.timing = timing
        self.dataPlane = dataPlane
        var configuration = SessionConfiguration()
        if let cipher { configuration.ciphers = configuration.ciphers.filter { $0 == cipher.cipher } }
        self.sessionConfiguration = configuration
        self.gatekeeper = gatekeeper
        self.handler = handler
        self.defaultPolicy = policy
        self.localAddresses = localAddresses
        self.searchesPorts = searchesPorts
        self.portMapper = portMapper
        self.wallClock = wallClock
        // Weakly: the node owns the client.
        let bound = NIOLoopBoundBox(Weak(), eventLoop: eventLoop)
        self.signaling = SignalingClient(
            url: server, peer: identity.peerID.key, sign: { identity.sign($0) }, eventLoop: eventLoop, trust: trust,
            logger: logger,
            events: { event in bound.value.node?.handle(event) })
        bound.value = Weak(node: self)
    }

    /// Connects to the server, and again whenever the connection is lost.
    package func start() { signaling.start() }

    /// Ends every session with a word to the peer, and leaves the server.
    package func stop() {
        for link in links.values { link.close(code: CloseCode.done, reason: "") }
        links = [:]
        callTimer?.cancel()
        callTimer = nil
        contactCalls = IncomingCalls()
        strangerCalls = IncomingCalls()
        signaling.stop()
    }

    /// Opens a session with a peer unless there is one. What comes of it arrives as an event.
    package func connect(to peer: PeerID, policy: PathPolicy? = nil) {
        if let policy { policies[peer] = policy }
        link(peer).dial()
    }

    /// The open session with a peer.
    package func session(with peer: PeerID) -> PeerSession? { links[peer.key]?.active }

    /// Sends a frame to the server's mailbox; false when there is no login, or no room (``PeerEvent/mailWritable`` follows then).
    /// See `SignalingClient.send`.
    package func sendMail(_ frame: MailFrame) -> Bool { signaling.send(frame) }

    /// The addresses of this device changed, or it woke up.
    package func networkChanged() {
        portMapper?.networkChanged()
        signaling.reconnectNow()
        for link in links.values { link.networkChanged() }
    }

    /// Where STUN is answered, as the server told at login. For `netcheck`.
    package var stunServers: [Endpoint] { iceServers.stun }
}

// MARK: - For links

extension PeerNode {
    func link(_ peer: PeerID) -> PeerLink {
        if let link = links[peer.key] { return link }
        let link = PeerLink(peer: peer, key: peer.key, policy: policies[peer] ?? defaultPolicy, node: self)
        links[peer.key] = link
        return link
    }

    /// The link to a peer with whom something is going on.
    func knownLink(_ peer: PeerID) -> PeerLink? { links[peer.key] }

    func emit(_ event: PeerEvent) { handler(event) }

    func dialFailed(_ peer: PeerID, _ failure: DialFailure) { handler(.dialFailed(peer, failure)) }

    /// Drops a link that has nothing left to do, at the end of this turn.
    func linkChanged(_ link: PeerLink) {
        clock.soon { [weak self, weak link] in
            guard let self, let link, link.isIdle, self.links[link.key] === link else { return }
            self.links[link.key] = nil
        }
    }

    func greeting(for peer: PeerID) -> [UInt8] { gatekeeper.greeting(peer) }
    func isContact(_ peer: PeerID) -> Bool { gatekeeper.isContact(peer) }

    func authorize(_ peer: PeerID, _ greeting: [UInt8]) -> Bool { gatekeeper.authorize(peer, greeting) }

    /// Takes a first packet of a dial, and returns the call when all of its first message has come. Bounds the public-key work that a peer can
    /// cause, and what is kept of calls that are never completed.
    func incomingCall(
        _ packet: UnsafeRawBufferPointer, destination: [UInt8], from peer: PeerID
    ) throws(TransportError) -> IncomingCall? {
        let now = clock.now
        let isContact = isContact(peer)
        let admits = { self.admission.admitsHandshake(from: peer, isContact: isContact, now: now) }
        let responder = identity.peerID.noisePublicKey
        defer { armCallTimer() }
        return isContact
            ? try contactCalls.receive(
                packet, destination: destination, from: peer, to: responder, configuration: sessionConfiguration,
                now: now, admits: admits)
            : try strangerCalls.receive(
                packet, destination: destination, from: peer, to: responder, configuration: sessionConfiguration,
                now: now, admits: admits)
    }

    /// Forgets calls that stay incomplete, also when no packet comes any more.
    private func armCallTimer() {
        guard callTimer == nil,
            let due = [contactCalls.nextTimeout, strangerCalls.nextTimeout].compactMap(\.self).min()
        else { return }
        callTimer = clock.at(due) { [weak self] in
            guard let self else { return }
            self.callTimer = nil
            self.contactCalls.expire(now: self.clock.now)
            self.strangerCalls.expire(now: self.clock.now)
            self.armCallTimer()
        }
    }

    /// Calls of which a part has come. For tests.
    var incompleteCalls: Int { contactCalls.count + strangerCalls.count }

    /// Bounds the agents that a contact can make us start.
    func admitsOffer(from contact: PeerID) -> Bool { admission.admitsOffer(from: contact, now: clock.now) }

    /// Tells a contact that writes to a session we do not have, because one of us was restarted, to begin anew.
    func sayForgotten(_ connectionID: [UInt8], to peer: PeerID, key: PeerKey) {
        guard isContact(peer),
            forgottenNotices[peer, default: TokenBucket(capacity: 4, perSecond: 1)].take(now: clock.now)
        else { return }
        send(.bye, connectionID: connectionID, to: peer, key: key)
    }

    func iceConfiguration(isControlling: Bool, credentials: ICECredentials) -> ICEConfiguration {
        ICEConfiguration(
            role: isControlling ? .controlling : .controlled, stunServers: iceServers.stun,
            turnServers: iceServers.turn, localCredentials: credentials, localAddresses: localAddresses)
    }

    func sendRelay(to key: PeerKey, segmentSize: Int, packets: UnsafeRawBufferPointer) {
        guard isSignalingConnected else { return }
        _ = signaling.sendRelay(to: key, segmentSize: segmentSize, packets: packets)
    }

    /// Seals a rendezvous payload to the peer and hands it to the server.
    func send(_ body: Rendezvous.Body, connectionID: [UInt8], to peer: PeerID, key: PeerKey) {
        guard isSignalingConnected,
            let rendezvous = try? Rendezvous(connectionID: connectionID, time: wallClock(), body: body),
            let sealed = try? SealedEnvelope.seal(
                rendezvous.encode(), from: identity, to: peer, context: Self.rendezvousContext)
        else { return }
        _ = signaling.send(.signal(peer: key, payload: sealed))
    }
}

// MARK: - What the server sends

extension PeerNode {
    func handle(_ event: SignalingEvent) {
        switch event {
        case .connecting:
            handler(.signaling(.connecting))
        case .connected(let welcome, _, let server):
            isSignalingConnected = true
            learn(welcome.iceServers, dialed: server?.address)
            handler(.signaling(.connected))
            for link in links.values { link.relayChanged(isAvailable: true) }
        case .disconnected(let reason, let retryIn):
            isSignalingConnected = false
            for link in links.values { link.relayChanged(isAvailable: false) }
            handler(.signaling(.disconnected(reason, retryIn: retryIn)))
        case .signal(let from, let payload):
            if let peer = sender(from) { receiveSignal(payload, from: peer) }
        case .relay(let from, let segmentSize, let packets):
            if let peer = sender(from) { receiveRelay(packets, segmentSize: segmentSize, from: peer) }
        case .unreachable(let key, let reason):
            unreachable(key, reason)
        case .mail(let frame):
            handler(.mail(frame))
        case .mailWritable:
            handler(.mailWritable)
        }
    }

    /// Takes over the STUN and TURN servers: those with addresses at once, those with names when they have been looked up.
    private func learn(_ list: [ICEServer], dialed: IPAddress?) {
        iceServers = ICEServers(list, dialed: dialed)
        let names = ICEServers.names(in: list)
        // Who never gathers a candidate asks nobody for such an address either.
        guard !names.isEmpty, defaultPolicy != .relay else { return }
        signaling.lookUp(names) { [weak self] known in
            self?.iceServers = ICEServers(list, dialed: dialed, known: known)
        }
    }

    /// Whom a frame names as its sender; `nil` when that can be nobody, or somebody unknown sends too much.
    private func sender(_ key: PeerKey) -> PeerID? {
        if let known = links[key]?.peer ?? heardContacts[key] { return known }
        guard admission.admitsUnknown(key, now: clock.now), let peer = try? PeerID(key) else { return nil }
        if isContact(peer) { heardContacts[key] = peer }
        return peer
    }

    private func receiveRelay(_ packets: ByteBuffer, segmentSize: Int, from peer: PeerID) {
        // A stranger gets no state here before its handshake has been authorized.
        let link = link(peer)
        packets.withUnsafeReadableBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let end = min(offset + max(segmentSize, 1), bytes.count)
                link.receiveFromRelay(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
                offset = end
            }
        }
        if link.isIdle { links[peer.key] = nil }
    }

    private func receiveSignal(_ payload: [UInt8], from peer: PeerID) {
        guard isContact(peer) else { return hold(payload, from: peer) }
        guard admission.admitsEnvelope(from: peer, now: clock.now),
            let opened = try? SealedEnvelope.open(payload, recipient: identity, context: Self.rendezvousContext),
            opened.sender == peer.noisePublicKey,
            let rendezvous = try? Rendezvous.decode(opened.payload),
            // The sealed payload begins with an ephemeral key that nobody can alter and no honest sender repeats.
            replayWindows[peer, default: ReplayWindow()].admit(
                digest: Array(payload.prefix(32)), time: rendezvous.time, now: wallClock()) == .accepted
        else {
            logger.debug("rendezvous payload refused")
            return
        }
        let link = link(peer)
        link.receive(rendezvous)
        linkChanged(link)
    }

    /// An offer can overtake the handshake that makes its sender a contact: it waits a moment, unopened.
    private func hold(_ payload: [UInt8], from peer: PeerID) {
        let now = clock.now
        held.removeAll { now - $0.at > timing.heldOffer }
        guard held.count < Self.maximumHeldPayloads, held.count(where: { $0.from == peer }) < Self.maximumHeldPerPeer
        else { return }
        held.append(HeldPayload(from: peer, payload: payload, at: now))
    }

    /// Opens what a peer sent before its session made it a contact.
    func releaseHeld(_ peer: PeerID) {
        let payloads = held.filter { $0.from == peer }
        guard !payloads.isEmpty else { return }
        held.removeAll { $0.from == peer }
        clock.soon { [weak self] in
            for held in payloads { self?.receiveSignal(held.payload, from: peer) }
        }
    }

    private func unreachable(_ key: PeerKey, _ reason: UnreachableReason) {
        // A SIGNAL found no place, perhaps because strangers fill the queue: what it was for is tried again, and says nothing of the relay.
        guard let link = links[key], reason != .overloaded else { return }
        link.unreachable(reason == .refused ? .refused : .notConnected)
        _ = clock.at(clock.now + timing.relayRetry) { [weak self, weak link] in
            guard let self, let link, self.links[key] === link else { return }
            link.retryRelay(isAvailable: self.isSignalingConnected)
        }
    }
}
