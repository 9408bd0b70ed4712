import Noise

/// One session's Double Ratchet with header encryption (revision 4, §4). A value: what fails is done on a copy that is
/// thrown away.
struct DoubleRatchet: Sendable {
    /// A symmetric-key ratchet: CK and HK, with Ns or Nr.
    struct Chain: Sendable {
        var key: Secret
        let headerKey: Secret
        /// Number of the next message.
        var next: UInt32 = 0
    }

    /// DHs.
    var ownKey: DHKey
    /// DHr: nil until the first message, as responder.
    var remoteKey: PublicKey?
    /// RK.
    var rootKey: Secret
    /// CKs, HKs, Ns.
    var sending: Chain?
    /// CKr, HKr, Nr.
    var receiving: Chain?
    /// NHKs and NHKr.
    var nextSendingHeader: Secret
    var nextReceivingHeader: Secret
    /// PN.
    var previousCount: UInt32 = 0
    /// MKSKIPPED.
    var skipped = SkippedKeys()

    /// RatchetInitAliceHE.
    static func initiator(
        _ secrets: PQXDH.Secrets, remote: PublicKey, _ entropy: Entropy
    ) throws(RatchetError) -> DoubleRatchet {
        let own = try DHKey.generate(entropy)
        let keys = KeyDerivation.root(secrets.root, try own.agree(with: remote))
        return DoubleRatchet(
            ownKey: own, remoteKey: remote, rootKey: keys[0],
            sending: Chain(key: keys[1], headerKey: secrets.initiatorHeader),
            nextSendingHeader: keys[2], nextReceivingHeader: secrets.responderHeader)
    }

    /// RatchetInitBobHE.
    static func responder(_ secrets: PQXDH.Secrets, own: DHKey) -> DoubleRatchet {
        DoubleRatchet(
            ownKey: own, rootKey: secrets.root, nextSendingHeader: secrets.responderHeader,
            nextReceivingHeader: secrets.initiatorHeader)
    }

    /// Whether a message can be sent: a responder must hear first, and counters end.
    var canSend: Bool { sending.map { $0.next < .max } ?? false }

    /// RatchetEncryptHE. Throws `noSession` unless `canSend`.
    mutating func encrypt(
        _ plaintext: [UInt8], ad: [UInt8], prefix: PQXDHPrefix?, nonce: [UInt8]
    ) throws(RatchetError) -> RatchetMessage {
        guard var chain = sending, chain.next < .max else { throw .noSession }
        let header = RatchetHeader(
            ratchetKey: ownKey.publicKey.bytes, previousCount: previousCount, number: chain.next)
        let keys = KeyDerivation.chain(chain.key)
        chain.key = keys[0]
        chain.next += 1
        sending = chain
        let kind: RatchetMessage.Kind = prefix == nil ? .ordinary : .first
        let headerAD = ad + [kind.rawValue]
        let sealedHeader = AEAD.seal(header.encode(), key: chain.headerKey, nonce: nonce, ad: headerAD)
        let body = AEAD.seal(plaintext, key: keys[1], nonce: nonce, ad: headerAD + nonce + sealedHeader)
        return RatchetMessage(prefix: prefix, nonce: nonce, sealedHeader: sealedHeader, sealedBody: body)
    }

    /// RatchetDecryptHE. Nil when no header key of this session opens the header; then nothing has changed. Throws, with the
    /// state to be thrown away, `alreadyReceived`, `tooManySkipped`, `cannotDecrypt` and `weakKey`.
    mutating func decrypt(
        _ message: RatchetMessage, ad: [UInt8], _ entropy: Entropy
    ) throws(RatchetError) -> [UInt8]? {
        let headerAD = ad + [message.kind.rawValue]
        guard let key = try messageKey(for: message, headerAD, entropy) else { return nil }
        let bodyAD = headerAD + message.nonce + message.sealedHeader
        guard let plaintext = AEAD.open(message.sealedBody, key: key, nonce: message.nonce, ad: bodyAD) else {
            throw .cannotDecrypt
        }
        return plaintext
    }

    /// The header is tried with the current key, the next one, and those of earlier chains with missing messages. Only a
    /// header that opens costs more than that trial.
    private mutating func messageKey(
        for message: RatchetMessage, _ headerAD: [UInt8], _ entropy: Entropy
    ) throws(RatchetError) -> Secret? {
        func open(_ key: Secret) throws(RatchetError) -> RatchetHeader? {
            guard let bytes = AEAD.open(message.sealedHeader, key: key, nonce: message.nonce, ad: headerAD) else {
                return nil
            }
            return try RatchetHeader(bytes)
        }
        if let chain = receiving, let header = try open(chain.headerKey) {
            if header.number < chain.next {
                return try takeSkipped(header.number, at: skipped.index(of: chain.headerKey))
            }
            return try advance(to: header.number)
        }
        if let header = try open(nextReceivingHeader) {
            try skip(until: header.previousCount)
            try step(to: PublicKey(reading: header.ratchetKey), entropy)
            return try advance(to: header.number)
        }
        for index in skipped.chains.indices.reversed() {
            if let header = try open(skipped.chains[index].headerKey) {
                return try takeSkipped(header.number, at: index)
            }
        }
        return nil
    }

    private mutating func takeSkipped(_ number: UInt32, at index: Int?) throws(RatchetError) -> Secret {
        guard let index, let key = skipped.take(number, at: index) else { throw .alreadyReceived }
        return key
    }

    /// Skips to message `number` of the receiving chain and gives its key.
    private mutating func advance(to number: UInt32) throws(RatchetError) -> Secret {
        guard number < .max else { throw .cannotDecrypt }
        try skip(until: number)
        guard var chain = receiving else { throw .cannotDecrypt }
        let keys = KeyDerivation.chain(chain.key)
        chain.key = keys[0]
        chain.next += 1
        receiving = chain
        return keys[1]
    }

    /// SkipMessageKeysHE.
    private mutating func skip(until number: UInt32) throws(RatchetError) {
        guard var chain = receiving, chain.next < number else { return }
        guard number - chain.next <= RatchetLimits.skippedInOneStep else { throw .tooManySkipped }
        var missing: [(number: UInt32, key: Secret)] = []
        missing.reserveCapacity(Int(number - chain.next))
        while chain.next < number {
            let keys = KeyDerivation.chain(chain.key)
            missing.append((chain.next, keys[1]))
            chain.key = keys[0]
            chain.next += 1
        }
        skipped.add(missing, headerKey: chain.headerKey)
        receiving = chain
    }

    /// DHRatchetHE.
    private mutating func step(to remote: PublicKey, _ entropy: Entropy) throws(RatchetError) {
        previousCount = sending?.next ?? 0
        let received = KeyDerivation.root(rootKey, try ownKey.agree(with: remote))
        receiving = Chain(key: received[1], headerKey: nextReceivingHeader)
        nextReceivingHeader = received[2]
        ownKey = try DHKey.generate(entropy)
        let sent = KeyDerivation.root(received[0], try ownKey.agree(with: remote))
        sending = Chain(key: sent[1], headerKey: nextSendingHeader)
        nextSendingHeader = sent[2]
        rootKey = sent[0]
        remoteKey = remote
    }
}
