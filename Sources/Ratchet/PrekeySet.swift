package import Identity
import Noise

/// One's own prekeys, with their secrets: a value. Store it before anything of it is published or given away.
///
/// Copies share the secrets; a used one-time secret is wiped when the last value that holds it is gone.
package struct PrekeySet: Sendable {
    /// How old a signed prekey becomes before it is replaced, in milliseconds: 7 days.
    package static let rotation: UInt64 = 7 * 86_400_000
    /// How long a replaced prekey is kept for messages on their way, in milliseconds: 30 days, as long as mailboxes keep
    /// mail. Signed ones live for `PrekeyBundle.longestAge` at least.
    package static let keptAfterReplacement: UInt64 = 30 * 86_400_000
    /// How many one-time prekeys are published at once.
    package static let batchCount = 40
    /// A new batch is published when the server has fewer than this.
    package static let fewOneTime = 20
    /// Most replaced one-time prekeys that are kept; the oldest go first.
    package static let maximumRetired = 256
    /// Most one-time prekeys that are kept for peers who got them in sessions; the oldest go first.
    package static let maximumReserved = 512
    /// Most of those for one peer: as many as it can have sessions that we have not heard of yet.
    package static let reservedForPeer = RatchetLimits.sessions
    static let maximumSigned = 16
    static let batchByteCount = 16

    struct Signed: Sendable {
        let pair: PrekeyPair
        /// Zero while it is the newest.
        var replacedAt: UInt64
    }

    struct Retired: Sendable {
        let pair: PrekeyPair
        let replacedAt: UInt64
    }

    struct Reserved: Sendable {
        let pair: PrekeyPair
        let peer: PeerID
    }

    /// Whose they are.
    package let owner: PeerID
    /// Whether something was made that no server has confirmed yet.
    package internal(set) var needsPublishing = true
    /// Newest first, never empty.
    var signed: [Signed]
    var batch: [UInt8]
    /// The one-time prekeys of the batch that were not used yet.
    var oneTime: [PrekeyPair]
    /// Oldest first.
    var retired: [Retired] = []
    /// Oldest first.
    var reserved: [Reserved] = []

    init(owner: PeerID, signed: [Signed], batch: [UInt8], oneTime: [PrekeyPair]) {
        self.owner = owner
        self.signed = signed
        self.batch = batch
        self.oneTime = oneTime
    }

    /// New prekeys for an identity. `now` is in milliseconds since 1970. Throws `malformed` when the system's randomness
    /// gives no keys, which chance never does.
    package static func generate(for identity: Identity, now: UInt64) throws(RatchetError) -> PrekeySet {
        try generate(for: identity, now: now, .system)
    }

    static func generate(for identity: Identity, now: UInt64, _ entropy: Entropy) throws(RatchetError) -> PrekeySet {
        let first = try PrekeyPair(id: .random(entropy), time: now, entropy)
        var set = PrekeySet(
            owner: identity.peerID, signed: [Signed(pair: first, replacedAt: 0)], batch: [], oneTime: [])
        try set.startBatch(now: now, entropy)
        return set
    }

    /// What time and use demand: replaces a signed prekey that has become old, forgets those that nobody may use any more,
    /// and makes a new batch of one-time prekeys when the server has few left (nil: unknown). True when a publication is
    /// due; store first. Throws as `generate`, and then has changed nothing.
    package mutating func maintain(
        for identity: Identity, now: UInt64, oneTimeLeftOnServer: Int?
    ) throws(RatchetError) -> Bool {
        guard identity.peerID == owner else { throw .wrongPeer }
        var next = self
        try next.rotate(now: now, .system)
        next.forget(now: now)
        if let left = oneTimeLeftOnServer, left < PrekeySet.fewOneTime, !needsPublishing {
            try next.startBatch(now: now, .system)
        }
        self = next
        return needsPublishing
    }

    /// For a server that has lost what it had (another *generation*), or when first messages use prekeys that we do not
    /// have: a new batch, so that nothing that was handed out is handed out again. Throws as `generate`.
    package mutating func startAfresh(now: UInt64) throws(RatchetError) {
        var next = self
        try next.startBatch(now: now, .system)
        self = next
    }

    /// What the server gets. Takes some milliseconds: it signs every key. Throws `wrongPeer` for another's identity.
    package func publication(for identity: Identity) throws(RatchetError) -> PrekeyPublication {
        guard identity.peerID == owner else { throw .wrongPeer }
        var records: [PrekeyRecord] = []
        for pair in oneTime.prefix(PrekeyPublication.maximumOneTime) {
            records.append(try PrekeyRecord(pair, kind: .oneTime, signedBy: identity))
        }
        return PrekeyPublication(
            peer: owner, batch: batch,
            signed: try PrekeyRecord(newest, kind: .signed, signedBy: identity), oneTime: records)
    }

    /// The server has confirmed this publication.
    package mutating func published(_ publication: PrekeyPublication) {
        if publication.batch == batch, publication.signed.id == signed.first?.pair.id {
            needsPublishing = false
        }
    }

    /// A bundle to give to a peer inside a session, with a one-time prekey that nobody else gets. Only the last
    /// `reservedForPeer` of a peer are kept. Store the set first. Throws `wrongPeer` for another's identity.
    package mutating func bundle(
        for identity: Identity, to peer: PeerID, now: UInt64
    ) throws(RatchetError) -> PrekeyBundle {
        try bundle(for: identity, to: peer, now: now, .system)
    }

    mutating func bundle(
        for identity: Identity, to peer: PeerID, now: UInt64, _ entropy: Entropy
    ) throws(RatchetError) -> PrekeyBundle {
        guard identity.peerID == owner else { throw .wrongPeer }
        let pair = try PrekeyPair(id: unusedID(entropy), time: now, entropy)
        let bundle = PrekeyBundle(
            peer: owner, signed: try PrekeyRecord(newest, kind: .signed, signedBy: identity),
            oneTime: try PrekeyRecord(pair, kind: .oneTime, signedBy: identity))
        let earlier = reserved.indices.filter { reserved[$0].peer == peer }
        if earlier.count >= PrekeySet.reservedForPeer, let oldest = earlier.first {
            reserved.remove(at: oldest)
        }
        reserved.append(Reserved(pair: pair, peer: peer))
        reserved.removeFirst(max(0, reserved.count - PrekeySet.maximumReserved))
        return bundle
    }
}

extension PrekeySet {
    private var newest: PrekeyPair {
        get throws(RatchetError) {
            guard let first = signed.first else { throw .malformed }
            return first.pair
        }
    }

    func signedPrekey(_ id: PrekeyID) -> PrekeyPair? {
        signed.first { $0.pair.id == id }?.pair
    }

    func oneTimePrekey(_ id: PrekeyID) -> PrekeyPair? {
        oneTime.first { $0.id == id } ?? retired.first { $0.pair.id == id }?.pair
            ?? reserved.first { $0.pair.id == id }?.pair
    }

    /// The set without a one-time prekey that was used.
    func consuming(_ id: PrekeyID) -> PrekeySet {
        var next = self
        next.oneTime.removeAll { $0.id == id }
        next.retired.removeAll { $0.pair.id == id }
        next.reserved.removeAll { $0.pair.id == id }
        return next
    }

    private mutating func rotate(now: UInt64, _ entropy: Entropy) throws(RatchetError) {
        let time = try newest.time
        // Also when the clock was wrong and the prekey lies in the future, by more than clocks usually differ.
        guard now.minus(time) >= PrekeySet.rotation || time.minus(now) > 86_400_000 else { return }
        let pair = try PrekeyPair(id: unusedID(entropy), time: now, entropy)
        signed[0].replacedAt = now
        signed.insert(Signed(pair: pair, replacedAt: 0), at: 0)
        needsPublishing = true
    }

    private mutating func forget(now: UInt64) {
        let newestID = signed.first?.pair.id
        signed.removeAll {
            $0.pair.id != newestID && now.minus($0.replacedAt) > PrekeySet.keptAfterReplacement
                && now.minus($0.pair.time) > PrekeyBundle.longestAge
        }
        signed.removeLast(max(0, signed.count - PrekeySet.maximumSigned))
        retired.removeAll { now.minus($0.replacedAt) > PrekeySet.keptAfterReplacement }
    }

    private mutating func startBatch(now: UInt64, _ entropy: Entropy) throws(RatchetError) {
        retired += oneTime.map { Retired(pair: $0, replacedAt: now) }
        retired.removeFirst(max(0, retired.count - PrekeySet.maximumRetired))
        oneTime = []
        batch = entropy.bytes(PrekeySet.batchByteCount)
        for _ in 0..<PrekeySet.batchCount {
            oneTime.append(try PrekeyPair(id: unusedID(entropy), time: now, entropy))
        }
        needsPublishing = true
    }

    private func unusedID(_ entropy: Entropy) -> PrekeyID {
        var id = PrekeyID.random(entropy)
        while signedPrekey(id) != nil || oneTimePrekey(id) != nil {
            id = PrekeyID.random(entropy)
        }
        return id
    }
}

extension PrekeyID {
    static func random(_ entropy: Entropy) -> PrekeyID {
        let number = entropy.bytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return PrekeyID(rawValue: max(number, 1))
    }
}

extension UInt64 {
    /// The difference, or 0 when `other` is larger: for times, which clocks set back.
    fileprivate func minus(_ other: UInt64) -> UInt64 {
        self > other ? self - other : 0
    }
}
