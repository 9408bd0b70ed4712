import ICE
import NIOCore
import Noise
import Paths
import PortSearch
import Wire

/// One search for a port of a NAT that maps by destination: looks how our own NAT maps, agrees with the peer, and searches.
///
/// Owned by the event loop. Every few milliseconds it reads its sockets and sends what is due; some twenty seconds at most.
final class PortSearchAttempt {
    /// How it ends.
    enum End {
        /// Packets pass both ways.
        case found(FoundSocket)
        /// It came to nothing.
        case failed
    }

    private enum Phase {
        /// Looks how our NAT maps.
        case mapping(MappingQuery)
        /// The peer was asked, and has until then to answer.
        case offered(until: MonotonicTime)
        case searching
        /// The search was found; the last confirmations go out here.
        case found(PairSocket)
        case over
    }

    /// Between looks at the sockets, in milliseconds: no longer than between two packets at the highest rate.
    private static let tick: Int64 = 5
    /// The peer looks at its own NAT before it answers.
    private static let answerTimeout = TimeSpan.seconds(5)

    /// 16 random bytes of the side that proposed the search.
    let connectionID: [UInt8]
    let isOfferer: Bool
    private let clock: NodeClock
    private let sockets: SocketSet
    private let secret: [UInt8]
    private let tell: (SearchTerms) -> Void
    private let end: (End) -> Void
    private var phase: Phase
    private var search: PortSearch?
    private var own: MappingQuery.Result?
    private var peer: SearchTerms?
    private var timer: Scheduled<Void>?

    /// Nil without a STUN server of IPv4 to ask, or without a socket.
    ///
    /// - Parameters:
    ///   - peer: what the peer proposed; nil when we propose.
    ///   - tell: sends our terms to the peer: as offer or as answer.
    ///   - end: called once, not before ``start()`` has returned, unless ``cancel()`` comes first.
    init?(
        connectionID: [UInt8], peer: SearchTerms?, servers: [Endpoint], clock: NodeClock,
        tell: @escaping (SearchTerms) -> Void, end: @escaping (End) -> Void
    ) {
        let sockets = SocketSet()
        guard servers.contains(where: { !$0.address.isV6 }), sockets.open() else { return nil }
        self.connectionID = connectionID
        self.isOfferer = peer == nil
        self.peer = peer
        self.clock = clock
        self.sockets = sockets
        self.tell = tell
        self.end = end
        secret = Sodium.randomBytes(count: SearchTerms.secretByteCount)
        phase = .mapping(
            MappingQuery(servers: servers, localPort: sockets.port(of: 0), now: clock.now) {
                Sodium.randomBytes(count: 12)
            })
    }

    func start() { arm() }

    /// Stops without a word. Idempotent.
    func cancel() {
        timer?.cancel()
        timer = nil
        search = nil
        phase = .over
    }

    /// The peer agreed. Only the first answer counts.
    func receiveAnswer(_ terms: SearchTerms) {
        guard isOfferer, case .offered = phase, let own else { return }
        begin(own, terms)
    }

    // MARK: Steps

    private func arm() {
        // Strongly once it is found: the owner has let go by then, and what is left takes half a second.
        var kept: PortSearchAttempt?
        if case .found = phase { kept = self }
        timer = clock.after(milliseconds: Self.tick) { [weak self, kept] in
            guard let self = kept ?? self, self.timer != nil else { return }
            self.timer = nil
            self.work()
            if case .over = self.phase { return }
            self.arm()
        }
    }

    private func work() {
        switch phase {
        case .mapping(var query):
            let now = clock.now
            for datagram in sockets.receive() { query.receive(datagram.bytes, from: datagram.from) }
            while let request = query.nextRequest(now: now) { sockets.send(request.bytes, to: request.to, from: 0) }
            phase = .mapping(query)
            if query.isDone(now: now) { mappingKnown(query.result) }
        case .offered(let until):
            if clock.now >= until { finish(.failed) }
        case .searching, .found:
            workOnSearch()
        case .over:
            break
        }
    }

    private func mappingKnown(_ result: MappingQuery.Result?) {
        guard let result,
            let terms = try? SearchTerms(mapping: result.mapping, endpoint: result.endpoint, secret: secret)
        else { return finish(.failed) }
        own = result
        if let peer {
            if begin(result, peer) { tell(terms) }
        } else {
            phase = .offered(until: clock.now + Self.answerTimeout)
            tell(terms)
        }
    }

    @discardableResult
    private func begin(_ own: MappingQuery.Result, _ peer: SearchTerms) -> Bool {
        guard let role = SearchRole.decide(own: own.mapping, peer: peer.mapping),
            SearchTarget.isAllowed(peer.endpoint, own: own.endpoint),
            let keys = SearchKeys(connectionID: connectionID, own: secret, peer: peer.secret, isOfferer: isOfferer)
        else {
            finish(.failed)
            return false
        }
        self.peer = peer
        var generator = SystemRandomNumberGenerator()
        let ports = role == .prober ? SearchPorts.draw(SearchLimits.probes, using: &generator) : []
        search = PortSearch(
            role: role, keys: keys, remote: peer.endpoint, ports: ports, number: generator.next(), now: clock.now)
        phase = .searching
        return true
    }

    private func workOnSearch() {
        let now = clock.now
        if case .searching = phase {
            for datagram in sockets.receive() {
                search?.receive(datagram.bytes, from: datagram.from, socket: datagram.socket, now: now)
            }
        }
        if case .searching = phase, case .found(let socket, let remote, let port)? = search?.outcome {
            hand(socket, remote, port)
        }
        while let packet = search?.nextPacket(now: now) { send(packet) }
        if search?.outcome == .failed { return finish(.failed) }
        if search?.isOver(now: now) ?? true { cancel() }
    }

    /// The opener's sockets are opened as their turn comes.
    private func send(_ packet: PortSearch.Outgoing) {
        if case .found(let sender) = phase {
            packet.bytes.withUnsafeBytes { _ = sender.send($0, segmentSize: 0) }
            return
        }
        while sockets.count <= packet.socket { guard sockets.open() else { return } }
        sockets.send(packet.bytes, to: packet.destination, from: packet.socket)
    }

    /// Gives the socket away.
    private func hand(_ socket: Int, _ remote: Endpoint, _ port: UInt16) {
        guard let own, let taken = sockets.take(socket, remote: remote), let role = search?.role else {
            return finish(.failed)
        }
        phase = .found(taken.sender)
        let local = role == .opener ? Endpoint(address: own.endpoint.address, port: port) : own.endpoint
        end(.found(FoundSocket(local: local, remote: remote, sender: taken.sender, receiver: taken.receiver)))
    }

    private func finish(_ how: End) {
        if case .over = phase { return }
        cancel()
        end(how)
    }
}
