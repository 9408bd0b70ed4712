import NIOConcurrencyHelpers
import NIOCore
import Wire

/// Where peers are connected, and the way to them. Frame handling knows nothing of what stands behind: today a table in
/// this process; several servers joined by a bus fit as well. Every call returns at once and may come from any thread, those with a
/// courier from the event loop that it belongs to.
protocol Router: AnyObject, Sendable {
    /// A peer has logged in. The older connection of the same peer, if any, gets nothing from now on.
    func attach(_ outbox: Outbox, as peer: PeerKey) -> Attachment
    /// A connection has ended. Does nothing when the peer has a newer one.
    func detach(_ outbox: Outbox, of peer: PeerKey)
    /// Carries a RELAY frame of a sender.
    func relay(_ frame: ByteBuffer, from sender: PeerKey, to peer: PeerKey, by courier: Courier) -> Outbox.RelayOutcome
    /// Carries a SIGNAL frame. With `.wait`, the outbox that has no room is returned as well.
    func signal(_ signal: Outbox.Signal, to peer: PeerKey, waiter: Outbox?, by courier: Courier) -> (
        Outbox.SignalOutcome, Outbox?
    )
    /// Carries a SIGNAL frame that a peer's older connection has left. False when the peer has no newer one.
    func inherit(_ signal: Outbox.Signal, by peer: PeerKey, courier: Courier) -> Bool
    /// There is new mail for a peer.
    func announceMail(to peer: PeerKey)
    /// Number of peers connected here.
    var count: Int { get }
}

/// What became of a login.
enum Attachment {
    /// It is the peer's connection now, instead of this one.
    case attached(older: Outbox?)
    /// The peer has a connection that was begun later: it has given this one up, whenever its login was dealt with.
    case outdated
}

/// A table in this process, in shards so that event loops seldom wait for each other.
final class LocalRouter: Router {
    private typealias Table = [PeerKey: Outbox]

    private let shards: [NIOLockedValueBox<Table>] = (0..<16).map { _ in NIOLockedValueBox(Table()) }

    func attach(_ outbox: Outbox, as peer: PeerKey) -> Attachment {
        shard(peer).withLockedValue { table in
            if let other = table[peer], other.order > outbox.order { return .outdated }
            return .attached(older: table.updateValue(outbox, forKey: peer))
        }
    }

    func detach(_ outbox: Outbox, of peer: PeerKey) {
        shard(peer).withLockedValue { table in
            guard table[peer] === outbox else { return }
            table[peer] = nil
        }
    }

    func relay(_ frame: ByteBuffer, from sender: PeerKey, to peer: PeerKey, by courier: Courier) -> Outbox.RelayOutcome
    {
        find(peer)?.offer(relay: frame, from: sender, by: courier) ?? .closed
    }

    func signal(_ signal: Outbox.Signal, to peer: PeerKey, waiter: Outbox?, by courier: Courier) -> (
        Outbox.SignalOutcome, Outbox?
    ) {
        guard let outbox = find(peer) else { return (.closed, nil) }
        return (outbox.offer(signal: signal, waiter: waiter, by: courier), outbox)
    }

    func inherit(_ signal: Outbox.Signal, by peer: PeerKey, courier: Courier) -> Bool {
        guard case .queued = find(peer)?.offer(signal: signal, waiter: nil, by: courier, isInherited: true) else {
            return false
        }
        return true
    }

    func announceMail(to peer: PeerKey) {
        find(peer)?.announceMail()
    }

    var count: Int {
        shards.reduce(0) { $0 + $1.withLockedValue { $0.count } }
    }

    private func find(_ peer: PeerKey) -> Outbox? {
        shard(peer).withLockedValue { $0[peer] }
    }

    /// By bits of the key itself: hashing twice would cost more, and who chooses keys for one shard gains that event loops wait for each other a little.
    private func shard(_ peer: PeerKey) -> NIOLockedValueBox<Table> {
        shards[Int(truncatingIfNeeded: peer.words.0 & 15)]
    }
}
