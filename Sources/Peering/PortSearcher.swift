import ICE
import Identity
import Logging
import NIOCore
import Noise
import Paths
import PortSearch
import Wire

/// When to search for the port of a NAT that maps by destination, and what was found: the part of ``DirectConnector`` that begins where ICE
/// has no answer (docs/decisions/011-port-search.md).
///
/// The session's dialer proposes, in a sealed rendezvous payload, once a session has had no direct path for a while; nothing is sent to the
/// peer's address before both have agreed. One search at a time for the whole node.
final class PortSearcher {
    private let peer: PeerID
    private let key: PeerKey
    private unowned let node: PeerNode
    private unowned let connector: DirectConnector
    private var schedule = SearchSchedule()
    private var timer: Scheduled<Void>?
    private var attempt: PortSearchAttempt?
    /// Bounds what a contact can make us search.
    private var offers = TokenBucket(capacity: 2, perSecond: 1.0 / 60)

    init(peer: PeerID, key: PeerKey, node: PeerNode, connector: DirectConnector) {
        self.peer = peer
        self.key = key
        self.node = node
        self.connector = connector
    }

    var isBusy: Bool { attempt != nil }

    // MARK: When

    /// A session was opened, a direct path lost, or the network changed: looks after a while whether ICE has found a path.
    func expect() {
        schedule.reset()
        arm(milliseconds: SearchSchedule.patience)
    }

    /// There is a direct path.
    func satisfied() {
        schedule.reset()
        stop()
    }

    /// Idempotent.
    func stop() {
        release()
        node.searches.end(self)
    }

    /// The same when the node may be gone.
    func release() {
        timer?.cancel()
        timer = nil
        attempt?.cancel()
        attempt = nil
    }

    private func arm(milliseconds: Int64) {
        timer?.cancel()
        timer = node.clock.after(milliseconds: milliseconds) { [weak self] in
            guard let self, self.timer != nil else { return }
            self.timer = nil
            self.propose()
        }
    }

    private func propose() {
        guard attempt == nil, connector.mayProposeSearch else { return }
        guard node.isSignalingConnected, node.searches.begin(self) else { return again() }
        start(connectionID: Sodium.randomBytes(count: Rendezvous.connectionIDByteCount), peer: nil)
        if attempt == nil { again() }
    }

    private func again() { arm(milliseconds: schedule.nextDelay()) }

    // MARK: What the peer says

    func receiveOffer(_ connectionID: [UInt8], _ terms: SearchTerms) {
        guard connector.mayAnswerSearch, attempt == nil, offers.take(now: node.clock.now), node.searches.begin(self)
        else {
            return decline(connectionID)
        }
        start(connectionID: connectionID, peer: terms)
        if attempt == nil { decline(connectionID) }
    }

    func receiveAnswer(_ connectionID: [UInt8], _ terms: SearchTerms) {
        guard let attempt, attempt.connectionID == connectionID else { return }
        attempt.receiveAnswer(terms)
    }

    /// The peer does not want the search, or ended it.
    func receiveBye(_ connectionID: [UInt8]) -> Bool {
        guard let attempt, attempt.connectionID == connectionID else { return false }
        attempt.cancel()
        ended(.failed, attempt)
        return true
    }

    private func decline(_ connectionID: [UInt8]) {
        node.send(.bye, connectionID: connectionID, to: peer, key: key)
    }

    // MARK: The attempt

    private func start(connectionID: [UInt8], peer terms: SearchTerms?) {
        let isOffer = terms == nil
        attempt = PortSearchAttempt(
            connectionID: connectionID, peer: terms, servers: node.stunServers, clock: node.clock,
            tell: { [weak self] terms in
                guard let self else { return }
                self.node.send(
                    isOffer ? .searchOffer(terms) : .searchAnswer(terms), connectionID: connectionID, to: self.peer,
                    key: self.key)
            },
            end: { [weak self] end in
                guard let self, let attempt = self.attempt, attempt.connectionID == connectionID else {
                    return end.discard()
                }
                self.ended(end, attempt)
            })
        guard let attempt else { return node.searches.end(self) }
        attempt.start()
    }

    private func ended(_ end: PortSearchAttempt.End, _ attempt: PortSearchAttempt) {
        self.attempt = nil
        node.searches.end(self)
        switch end {
        case .found(let socket):
            node.logger.debug("port search found a path")
            connector.found(socket)
            // Should it not prove itself.
            if attempt.isOfferer { again() }
        case .failed:
            node.logger.debug("port search without result")
            if attempt.isOfferer { again() } else { decline(attempt.connectionID) }
        }
        connector.searchEnded()
    }
}

extension PortSearchAttempt.End {
    /// Nobody wants it any more.
    func discard() {
        if case .found(let socket) = self { socket.discard() }
    }
}

/// Lets one link of a node search at a time, so that the sockets and the packets of searches stay bounded.
struct SearchSlot {
    private weak var holder: PortSearcher?

    /// Whether it is this one's turn now.
    mutating func begin(_ searcher: PortSearcher) -> Bool {
        guard holder == nil else { return false }
        holder = searcher
        return true
    }

    /// Nothing happens unless it was this one's turn.
    mutating func end(_ searcher: PortSearcher) {
        if holder === searcher { holder = nil }
    }
}
