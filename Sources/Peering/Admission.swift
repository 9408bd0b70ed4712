import Identity
import Paths
import Wire

/// Bounds the work that peers can make for us, each by itself: who floods us keeps nobody else out.
///
/// Until a key has proven it, whom something comes from is the server's word. A server that lies can keep peers apart in any case.
struct Admission {
    /// Frames of senders that are neither contacts nor have a link: telling a peer id from rubbish takes two multiplications on the curve.
    private var unknown = KeyedBuckets<PeerKey>(capacity: 40, perSecond: 10)
    private var contactHandshakes = KeyedBuckets<PeerID>(capacity: 20, perSecond: 4, maximumKeys: 4096)
    private var strangerHandshakes = KeyedBuckets<PeerID>(capacity: 8, perSecond: 2)
    private var allStrangerHandshakes = TokenBucket(capacity: 40, perSecond: 20)
    private var envelopes = KeyedBuckets<PeerID>(capacity: 400, perSecond: 100, maximumKeys: 4096)
    private var offers = KeyedBuckets<PeerID>(capacity: 12, perSecond: 2, maximumKeys: 4096)

    /// Whether to look at what came from a sender that we know nothing of yet.
    mutating func admitsUnknown(_ key: PeerKey, now: MonotonicTime) -> Bool {
        unknown.take(key, now: now)
    }

    /// Whether to look at a new dial, however many first packets it has: four Diffie-Hellman operations and one of the KEM at most.
    mutating func admitsHandshake(from peer: PeerID, isContact: Bool, now: MonotonicTime) -> Bool {
        if isContact { return contactHandshakes.take(peer, now: now) }
        return strangerHandshakes.take(peer, now: now) && allStrangerHandshakes.take(now: now)
    }

    /// Whether to open a contact's rendezvous payload: two Diffie-Hellman operations.
    mutating func admitsEnvelope(from contact: PeerID, now: MonotonicTime) -> Bool {
        envelopes.take(contact, now: now)
    }

    /// Whether to answer a contact's offer: an ICE agent with its sockets and checks.
    mutating func admitsOffer(from contact: PeerID, now: MonotonicTime) -> Bool {
        offers.take(contact, now: now)
    }
}
