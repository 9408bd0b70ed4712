package import Paths
package import Wire

/// One search for a port of a NAT that maps by destination: what to send when, and what an arrived packet means.
///
/// No input or output, no clock, no randomness. Call ``nextPacket(now:)`` until it gives nil, again after ``receive(_:from:socket:now:)``
/// and whenever some milliseconds have passed.
package struct PortSearch: ~Copyable {
    /// A packet to send.
    package struct Outgoing: Hashable, Sendable {
        /// 32 bytes.
        package let bytes: [UInt8]
        /// Where it goes.
        package let destination: Endpoint
        /// Which of the sockets sends it.
        package let socket: Int
    }

    /// How it stands.
    package enum Outcome: Hashable, Sendable {
        /// It goes on.
        case searching
        /// Packets pass both ways between this socket and this endpoint. `port` is the port of the opening side's NAT.
        case found(socket: Int, remote: Endpoint, port: UInt16)
        /// The time is over.
        case failed
    }

    private struct Hit {
        let socket: Int
        let port: UInt16
        let number: UInt32
        var sent = 0
        var dueAt: MonotonicTime
    }

    /// Our part.
    package let role: SearchRole
    /// What came of it. Once it is found, ``nextPacket(now:)`` still has confirmations to give for half a second.
    package private(set) var outcome = Outcome.searching
    /// Packets sent so far.
    package private(set) var sentCount = 0

    private let keys: SearchKeys
    private let remote: Endpoint
    private let number: UInt32
    private let startedAt: MonotonicTime
    private var sendAt: MonotonicTime
    /// The prober's ports, in the order in which they are tried.
    private let ports: [UInt16]
    private var nextPort = 0
    /// The opener's: how many openings went out, over all rounds.
    private var openings = 0
    /// The prober's: ports from which an opening came, to be probed at once.
    private var urgent: [UInt16] = []
    private var hastened: Set<UInt16> = []
    /// The opener's probes that came in; the prober's one that was replied to.
    private var hits: [Hit] = []

    /// Begins a search.
    ///
    /// - Parameters:
    ///   - remote: the peer's endpoint as it told; of a NAT that maps by destination only the address counts.
    ///   - ports: for the prober: what to try, in this order; at most ``SearchLimits/probes`` of them are used.
    ///   - number: for the prober: random.
    package init(
        role: SearchRole, keys: consuming SearchKeys, remote: Endpoint, ports: [UInt16], number: UInt32,
        now: MonotonicTime
    ) {
        self.role = role
        self.keys = keys
        self.remote = remote
        self.ports = Array(ports.prefix(SearchLimits.probes))
        self.number = number
        startedAt = now
        sendAt = now
    }

    // MARK: Out

    /// The next packet that may go out now, or nil: nothing is due, or the rate does not allow it yet.
    package mutating func nextPacket(now: MonotonicTime) -> Outgoing? {
        if outcome == .searching, now - startedAt >= lifetime { outcome = .failed }
        guard outcome != .failed, now >= sendAt, let next = due(now: now) else { return nil }
        let earliest = now - SearchLimits.interval * (SearchLimits.maximumBurst - 1)
        sendAt = max(sendAt, earliest) + SearchLimits.interval
        sentCount += 1
        return Outgoing(bytes: keys.seal(next.packet), destination: next.destination, socket: next.socket)
    }

    /// Whether the search may be let go: it has failed, or was found and has said so often enough.
    package func isOver(now: MonotonicTime) -> Bool {
        switch outcome {
        case .searching: false
        case .failed: true
        case .found: role == .opener || hits.allSatisfy { $0.sent >= SearchLimits.repetitions }
        }
    }

    private var lifetime: TimeSpan {
        role == .prober ? SearchLimits.duration : SearchLimits.duration + SearchLimits.grace
    }

    private mutating func due(now: MonotonicTime) -> (packet: SearchPacket, destination: Endpoint, socket: Int)? {
        if let answer = dueAnswer(now: now) { return answer }
        guard outcome == .searching else { return nil }
        switch role {
        case .opener: return dueOpening(now: now)
        case .prober: return dueProbe()
        }
    }

    /// Replies of the opener, confirmations of the prober.
    private mutating func dueAnswer(now: MonotonicTime) -> (packet: SearchPacket, destination: Endpoint, socket: Int)? {
        guard let index = hits.firstIndex(where: { $0.sent < SearchLimits.repetitions && $0.dueAt <= now }) else {
            return nil
        }
        hits[index].sent += 1
        hits[index].dueAt = now + SearchLimits.repetition
        let hit = hits[index]
        return role == .opener
            ? (SearchPacket(kind: .reply, port: hit.port, number: hit.number), remote, hit.socket)
            : (
                SearchPacket(kind: .confirmation, port: hit.port, number: hit.number),
                Endpoint(address: remote.address, port: hit.port), 0
            )
    }

    /// All sockets in a row, and once more some seconds later.
    private mutating func dueOpening(now: MonotonicTime) -> (packet: SearchPacket, destination: Endpoint, socket: Int)?
    {
        let (round, socket) = openings.quotientAndRemainder(dividingBy: SearchLimits.sockets)
        guard round < 2, now - startedAt >= SearchLimits.refresh * Int64(round) else { return nil }
        openings += 1
        return (SearchPacket(kind: .opening), remote, socket)
    }

    private mutating func dueProbe() -> (packet: SearchPacket, destination: Endpoint, socket: Int)? {
        let port: UInt16
        if !urgent.isEmpty {
            port = urgent.removeFirst()
        } else if nextPort < ports.count {
            port = ports[nextPort]
            nextPort += 1
        } else {
            return nil
        }
        return (
            SearchPacket(kind: .probe, port: port, number: number), Endpoint(address: remote.address, port: port), 0
        )
    }

    // MARK: In

    /// Takes a datagram that arrived at one of the sockets. What the peer did not make for this search, or what comes from
    /// elsewhere than it said, is ignored.
    package mutating func receive(_ datagram: [UInt8], from: Endpoint, socket: Int, now: MonotonicTime) {
        guard outcome == .searching, let packet = keys.open(datagram) else { return }
        switch role {
        case .opener:
            guard from == remote, packet.port != 0 else { return }
            receiveAsOpener(packet, socket: socket, now: now)
        case .prober:
            guard from.address == remote.address, from.port >= SearchLimits.firstPort else { return }
            receiveAsProber(packet, from: from, now: now)
        }
    }

    private mutating func receiveAsOpener(_ packet: SearchPacket, socket: Int, now: MonotonicTime) {
        let known = hits.contains { $0.socket == socket && $0.port == packet.port && $0.number == packet.number }
        switch packet.kind {
        case .probe:
            guard !known, hits.count < SearchLimits.maximumHits else { return }
            hits.append(Hit(socket: socket, port: packet.port, number: packet.number, dueAt: now))
        case .confirmation:
            guard known else { return }
            outcome = .found(socket: socket, remote: remote, port: packet.port)
            hits = []
        case .opening, .reply:
            break
        }
    }

    private mutating func receiveAsProber(_ packet: SearchPacket, from: Endpoint, now: MonotonicTime) {
        switch packet.kind {
        case .opening:
            // It got through because its port was probed before the mapping was there.
            guard urgent.count < SearchLimits.maximumUrgent, hastened.count < SearchLimits.sockets,
                hastened.insert(from.port).inserted
            else { return }
            urgent.append(from.port)
        case .reply:
            guard packet.port == from.port, packet.number == number else { return }
            hits = [Hit(socket: 0, port: from.port, number: number, dueAt: now)]
            outcome = .found(socket: 0, remote: from, port: from.port)
        case .probe, .confirmation:
            break
        }
    }
}
