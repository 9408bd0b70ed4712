package import Identity
import Noise

/// Everything between us and one peer: a few sessions, in the manner of Sesame (revision 2, one device each). A value: every
/// function gives the next state, which the caller stores together with what came out before anything is sent or shown.
///
/// Copies share key material, which is wiped when the last copy lets go of it. So forward secrecy in memory begins when the
/// earlier values are gone, as it begins on disk when the earlier record is overwritten.
package struct PeerRatchet: Sendable {
    /// Ourselves.
    package let own: PeerID
    /// The other one.
    package let peer: PeerID
    /// The one heard or started last comes first; the first that may send is used to send.
    var sessions: [Session] = []
    /// Sessions that the peer has opened, oldest first, so that a repeated first message opens none.
    var accepted: [Accepted] = []

    struct Accepted: Sendable {
        let session: [UInt8]
        let signedPrekey: PrekeyID
    }

    /// Nothing yet: no session.
    package init(own: PeerID, peer: PeerID) {
        self.own = own
        self.peer = peer
    }

    /// Whether there is a session to send on. Else one has to be started, or the peer heard.
    package var canSend: Bool { sessions.contains { $0.canSend } }

    /// Whether the peer has not answered yet on the session that is used to send, so that a lost prekey at the peer would make
    /// all of it unreadable.
    package var isUnanswered: Bool { sessions.first { $0.canSend }?.prefix != nil }

    /// How many sessions are kept.
    package var sessionCount: Int { sessions.count }

    /// How many keys of missing messages are kept.
    package var skippedCount: Int { sessions.reduce(0) { $0 + $1.ratchet.skipped.count } }

    /// A new session, by PQXDH, on which the next message goes. Earlier sessions are kept to receive. `now` is in
    /// milliseconds since 1970. Throws `wrongPeer`, `badSignature`, `expiredPrekey`, `weakKey`, and `malformed` when the
    /// ML-KEM key is none.
    package func starting(
        with bundle: PrekeyBundle, identity: Identity, now: UInt64
    ) throws(RatchetError) -> PeerRatchet {
        guard identity.peerID == own else { throw .wrongPeer }
        try bundle.verify(for: peer, now: now)
        let ephemeral = try DHKey.generate(.system)
        let (secrets, prefix) = try PQXDH.initiate(bundle, identity: identity, ephemeral: ephemeral)
        return try opening(secrets, prefix, remote: bundle.signed.dhKey, .system)
    }

    /// The rest of `starting`, for a PQXDH run that has happened.
    func opening(
        _ secrets: PQXDH.Secrets, _ prefix: PQXDHPrefix, remote: PublicKey, _ entropy: Entropy
    ) throws(RatchetError) -> PeerRatchet {
        let ratchet = try DoubleRatchet.initiator(secrets, remote: remote, entropy)
        var next = abandoning()
        next.insert(Session(id: Session.id(of: prefix), initiatedByUs: true, prefix: prefix, ratchet: ratchet))
        return next
    }

    /// What is left when our state is suspect (damaged, or older than what the peer has seen): it still receives, but sends
    /// only on a session that is started, or opened by the peer, from now on.
    package func abandoning() -> PeerRatchet {
        var next = self
        for index in next.sessions.indices {
            next.sessions[index].isReceiveOnly = true
        }
        return next
    }

    /// Encrypts a message, once: the same ciphertext goes by every route and as often as needed. Throws `noSession` and
    /// `tooLong`.
    package func encrypting(_ plaintext: [UInt8]) throws(RatchetError) -> (next: PeerRatchet, ciphertext: [UInt8]) {
        try encrypting(plaintext, .system)
    }

    func encrypting(
        _ plaintext: [UInt8], _ entropy: Entropy
    ) throws(RatchetError) -> (next: PeerRatchet, ciphertext: [UInt8]) {
        guard plaintext.count <= RatchetLimits.plaintext else { throw .tooLong }
        guard let index = sessions.firstIndex(where: { $0.canSend }) else { throw .noSession }
        var session = sessions[index]
        let message = try session.ratchet.encrypt(
            plaintext, ad: session.associatedData(own: own, peer: peer), prefix: session.prefix,
            nonce: entropy.bytes(AEAD.nonceByteCount))
        var next = self
        next.sessions[index] = session
        return (next, message.encode())
    }

    /// Decrypts a message. When it opened a session, `prekeys` is the set to store instead of the one given, in the same
    /// transaction. Throws `malformed`, `tooLong`, `wrongPeer` (another's identity or prekeys), `noSession`, `cannotDecrypt`,
    /// `alreadyReceived`, `tooManySkipped`, `unknownPrekey`, `weakKey`.
    package func decrypting(
        _ ciphertext: [UInt8], identity: Identity, prekeys: PrekeySet
    ) throws(RatchetError) -> (next: PeerRatchet, plaintext: [UInt8], prekeys: PrekeySet?) {
        try decrypting(ciphertext, identity: identity, prekeys: prekeys, .system)
    }

    func decrypting(
        _ ciphertext: [UInt8], identity: Identity, prekeys: PrekeySet, _ entropy: Entropy
    ) throws(RatchetError) -> (next: PeerRatchet, plaintext: [UInt8], prekeys: PrekeySet?) {
        guard identity.peerID == own, prekeys.owner == own else { throw .wrongPeer }
        let message = try RatchetMessage(decoding: ciphertext)
        guard let prefix = message.prefix else {
            guard !sessions.isEmpty else { throw .noSession }
            guard let found = try decrypting(message, candidates: Array(sessions.indices), entropy) else {
                throw .cannotDecrypt
            }
            return (found.next, found.plaintext, nil)
        }
        let id = Session.id(of: prefix)
        if let index = sessions.firstIndex(where: { $0.id == id && !$0.initiatedByUs }) {
            guard let found = try decrypting(message, candidates: [index], entropy) else { throw .cannotDecrypt }
            return (found.next, found.plaintext, nil)
        }
        guard !accepted.contains(where: { $0.session == id }) else { throw .cannotDecrypt }
        return try accepting(message, prefix, id: id, identity: identity, prekeys: prekeys, entropy)
    }

    /// With the sessions at these places, one after the other; nil when none of them opens the header.
    private func decrypting(
        _ message: RatchetMessage, candidates: [Int], _ entropy: Entropy
    ) throws(RatchetError) -> (next: PeerRatchet, plaintext: [UInt8])? {
        for index in candidates {
            var session = sessions[index]
            let ad = session.associatedData(own: own, peer: peer)
            guard let plaintext = try session.ratchet.decrypt(message, ad: ad, entropy) else { continue }
            session.prefix = nil
            var next = self
            if session.isReceiveOnly {
                next.sessions[index] = session
            } else {
                next.sessions.remove(at: index)
                next.sessions.insert(session, at: 0)
            }
            next.dropOldestSkipped()
            return (next, plaintext)
        }
        return nil
    }

    /// A first message of a session that we do not have.
    private func accepting(
        _ message: RatchetMessage, _ prefix: PQXDHPrefix, id: [UInt8], identity: Identity, prekeys: PrekeySet,
        _ entropy: Entropy
    ) throws(RatchetError) -> (next: PeerRatchet, plaintext: [UInt8], prekeys: PrekeySet?) {
        guard let signed = prekeys.signedPrekey(prefix.signed) else { throw .unknownPrekey }
        let oneTime = prefix.oneTime.map { prekeys.oneTimePrekey($0) }
        if case .some(.none) = oneTime { throw .unknownPrekey }
        let secrets = try PQXDH.respond(
            to: prefix, from: peer, identity: identity, signed: signed, oneTime: oneTime ?? nil)
        var session = Session(
            id: id, initiatedByUs: false, ratchet: DoubleRatchet.responder(secrets, own: signed.dhKey))
        let ad = session.associatedData(own: own, peer: peer)
        guard let plaintext = try session.ratchet.decrypt(message, ad: ad, entropy) else { throw .cannotDecrypt }
        var next = self
        next.insert(session)
        next.accepted.removeAll { prekeys.signedPrekey($0.signedPrekey) == nil }
        next.accepted.append(Accepted(session: id, signedPrekey: prefix.signed))
        next.accepted.removeFirst(max(0, next.accepted.count - RatchetLimits.rememberedSessions))
        next.dropOldestSkipped()
        return (next, plaintext, prefix.oneTime.map { prekeys.consuming($0) })
    }

    private mutating func insert(_ session: Session) {
        sessions.insert(session, at: 0)
        sessions.removeLast(max(0, sessions.count - RatchetLimits.sessions))
    }

    /// Keeps the bounds on keys of missing messages. What is left for later sessions is what earlier ones do not use.
    private mutating func dropOldestSkipped() {
        var keys = RatchetLimits.skippedForPeer
        var chains = RatchetLimits.skippedChainsForPeer
        for index in sessions.indices {
            sessions[index].ratchet.skipped.drop(toKeys: keys, chains: chains)
            keys -= sessions[index].ratchet.skipped.count
            chains -= sessions[index].ratchet.skipped.chains.count
        }
    }
}
