/// A handshake in progress (Noise revision 34, §5.3). One value handles both roles of every pattern.
///
/// Each message is worked out on a copy and taken over as a whole: a call that throws leaves the state as it was.
package struct HandshakeState: ~Copyable, Sendable {
    private let name: ProtocolName
    private let role: Role
    private let s: KeyPair?
    private let psks: SecretBytes
    private var progress: Progress

    /// What messages change.
    private struct Progress: ~Copyable, Sendable {
        var symmetric: SymmetricState
        var e: KeyPair?
        var hybrid: HybridKeys
        var rs: PublicKey?
        var re: PublicKey?
        var messageIndex = 0
        var pskIndex = 0

        func copy() -> Progress {
            var copy = Progress(symmetric: symmetric.copy(), e: nil, hybrid: hybrid.copy(), rs: rs, re: re)
            copy.messageIndex = messageIndex
            copy.pskIndex = pskIndex
            switch e {
            case .some(let pair): copy.e = pair.copy()
            case .none: break
            }
            return copy
        }
    }

    /// Initialize(handshake_pattern, initiator, prologue, s, e, rs, re).
    ///
    /// - Parameters:
    ///   - name: the protocol; its pattern decides which keys must be given.
    ///   - prologue: what both sides must agree on before.
    ///   - s: our static key pair, if the pattern shows one.
    ///   - e: our ephemeral key pair: for the initiator of a fallback pattern, and to fix it in tests. Otherwise it is
    ///     generated when it is sent.
    ///   - rs: the peer's static key, if the pattern presumes it to be known.
    ///   - re: the peer's ephemeral key, for the responder of a fallback pattern.
    ///   - hybrid: what the KEM of a hybrid pattern would draw at random, to fix it in tests.
    ///   - psks: the pre-shared keys of the psk modifiers, 32 bytes each, one after the other in order of use.
    /// - Throws: `missingKey`, `unexpectedKey`, `wrongPresharedKeys`, `cipherUnavailable`.
    package init(
        _ name: ProtocolName, role: Role, prologue: [UInt8] = [], s: consuming KeyPair? = nil,
        e: consuming KeyPair? = nil, rs: PublicKey? = nil, re: PublicKey? = nil,
        hybrid: consuming HybridKeys = HybridKeys(), psks: consuming SecretBytes? = nil
    ) throws(NoiseError) {
        guard name.cipher.isAvailable else { throw .cipherUnavailable }
        let pattern = name.pattern
        let localStatic = HandshakeState.publicKey(of: s)
        let localEphemeral = HandshakeState.publicKey(of: e)
        try HandshakeState.check(localStatic != nil, needed: pattern.needsStatic(role))
        try HandshakeState.check(rs != nil, needed: pattern.preMessage(of: role.peer).contains(.s))
        try HandshakeState.check(re != nil, needed: pattern.preMessage(of: role.peer).contains(.e))
        let presharedKeys = psks ?? SecretBytes(copying: [])
        guard presharedKeys.count == pattern.pskCount * HandshakeState.pskLength else { throw .wrongPresharedKeys }

        var symmetric = SymmetricState(name)
        symmetric.mixHash(prologue)
        for owner in [Role.initiator, .responder] {
            let (ephemeral, fixed) = owner == role ? (localEphemeral, localStatic) : (re, rs)
            for token in pattern.preMessage(of: owner) {
                guard let key = token == .e ? ephemeral : fixed else { throw .missingKey }
                symmetric.mixHash(key.bytes)
                if token == .e, pattern.pskCount > 0 {
                    try symmetric.mixKey(SecretBytes(copying: key.bytes))
                }
            }
        }
        self.name = name
        self.role = role
        self.s = s
        self.psks = presharedKeys
        progress = Progress(symmetric: symmetric, e: e, hybrid: hybrid, rs: rs, re: re)
    }

    /// Length of a pre-shared key in bytes (§9.1).
    package static let pskLength = 32

    private static func check(_ given: Bool, needed: Bool) throws(NoiseError) {
        guard given != needed else { return }
        throw given ? .unexpectedKey : .missingKey
    }

    private static func publicKey(of pair: borrowing KeyPair?) -> PublicKey? {
        switch pair {
        case .some(let pair): pair.publicKey
        case .none: nil
        }
    }

    /// Whether all messages have been processed, so that `split()` is next.
    package var isFinished: Bool { progress.messageIndex == name.pattern.messages.count }

    /// Whether the next message is ours to write.
    package var isOurTurn: Bool { !isFinished && name.pattern.messages[progress.messageIndex].sender == role }

    /// h so far; once finished, a name for this session that both sides share (§11.2). HASHLEN bytes.
    package var handshakeHash: [UInt8] { progress.symmetric.handshakeHash }

    /// The peer's static key as far as it is known: given before, or received. That the peer owns it is proven only
    /// by a later message that it took part in (§7.7).
    package var remoteStatic: PublicKey? { progress.rs }

    /// WriteMessage(payload): the next handshake message.
    /// Throws `outOfTurn`, `handshakeFinished`, `messageTooLong`, `weakPublicKey`, `invalidEncapsulationKey`.
    package mutating func writeMessage(_ payload: [UInt8]) throws(NoiseError) -> [UInt8] {
        let tokens = try nextTokens(sender: role)
        var next = progress.copy()
        var message: [UInt8] = []
        for token in tokens {
            message += try write(token, &next)
        }
        message += try next.symmetric.encryptAndHash(payload)
        guard message.count <= CipherState.maximumMessageLength else { throw .messageTooLong }
        next.messageIndex += 1
        progress = next
        return message
    }

    /// ReadMessage(message): its payload.
    /// Throws `outOfTurn`, `handshakeFinished`, `messageTooLong`, `messageTooShort`, `authenticationFailed`,
    /// `weakPublicKey`.
    package mutating func readMessage(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
        let tokens = try nextTokens(sender: role.peer)
        guard message.count <= CipherState.maximumMessageLength else { throw .messageTooLong }
        var next = progress.copy()
        var rest = message[...]
        for token in tokens {
            try read(token, from: &rest, &next)
        }
        let payload = try next.symmetric.decryptAndHash(Array(rest))
        next.messageIndex += 1
        progress = next
        return payload
    }

    /// Split(): ends the handshake; its keys are wiped. Throws `handshakeNotFinished`, and is consumed then too.
    package consuming func split() throws(NoiseError) -> Transport {
        guard isFinished else { throw .handshakeNotFinished }
        return try progress.symmetric.copy().split(as: role, oneWay: name.pattern.isOneWay)
    }

    private borrowing func nextTokens(sender: Role) throws(NoiseError) -> [Token] {
        guard !isFinished else { throw .handshakeFinished }
        let message = name.pattern.messages[progress.messageIndex]
        guard message.sender == sender else { throw .outOfTurn }
        return message.tokens
    }

    private borrowing func write(_ token: Token, _ next: inout Progress) throws(NoiseError) -> [UInt8] {
        switch token {
        case .e:
            let pair = HandshakeState.publicKey(of: next.e)
            if pair == nil {
                next.e = KeyPair.generate()
            }
            guard let key = HandshakeState.publicKey(of: next.e) else { throw .missingKey }
            try mixEphemeral(key, &next)
            return key.bytes
        case .s:
            guard let key = HandshakeState.publicKey(of: s) else { throw .missingKey }
            return try next.symmetric.encryptAndHash(key.bytes)
        case .e1:
            return try next.symmetric.encryptAndHash(next.hybrid.publicKey())
        case .ekem1:
            guard let kem = name.kem else { throw .missingKey }
            let encapsulation = try next.hybrid.encapsulate(kem)
            let bytes = try next.symmetric.encryptAndHash(encapsulation.ciphertext)
            try next.symmetric.mixKey(encapsulation.shared)
            return bytes
        default:
            try mix(token, &next)
            return []
        }
    }

    private borrowing func read(
        _ token: Token, from rest: inout ArraySlice<UInt8>, _ next: inout Progress
    ) throws(NoiseError) {
        switch token {
        case .e:
            let key = try PublicKey(HandshakeState.take(PublicKey.length, from: &rest))
            next.re = key
            try mixEphemeral(key, &next)
        case .s:
            let tag = next.symmetric.hasKey ? CipherFunction.tagLength : 0
            let field = try HandshakeState.take(PublicKey.length + tag, from: &rest)
            next.rs = try PublicKey(next.symmetric.decryptAndHash(field))
        case .e1:
            next.hybrid.remote = try field(name.kem?.publicKeyLength, from: &rest, &next)
        case .ekem1:
            let ciphertext = try field(name.kem?.ciphertextLength, from: &rest, &next)
            try next.symmetric.mixKey(next.hybrid.decapsulate(ciphertext))
        default:
            try mix(token, &next)
        }
    }

    /// A field of the KEM: encrypted when there is a key.
    private borrowing func field(
        _ count: Int?, from rest: inout ArraySlice<UInt8>, _ next: inout Progress
    ) throws(NoiseError) -> [UInt8] {
        guard let count else { throw .missingKey }
        let tag = next.symmetric.hasKey ? CipherFunction.tagLength : 0
        return try next.symmetric.decryptAndHash(HandshakeState.take(count + tag, from: &rest))
    }

    private static func take(_ count: Int, from rest: inout ArraySlice<UInt8>) throws(NoiseError) -> [UInt8] {
        guard rest.count >= count else { throw .messageTooShort }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    private borrowing func mixEphemeral(_ key: PublicKey, _ next: inout Progress) throws(NoiseError) {
        next.symmetric.mixHash(key.bytes)
        if name.pattern.pskCount > 0 {
            // §9.2: else a handshake that starts with a psk would encrypt under a key that never changes.
            try next.symmetric.mixKey(SecretBytes(copying: key.bytes))
        }
    }

    /// The tokens that send nothing: Diffie-Hellman results and pre-shared keys.
    private borrowing func mix(_ token: Token, _ next: inout Progress) throws(NoiseError) {
        switch (token, role) {
        case (.ee, _):
            try next.symmetric.mixKey(HandshakeState.dh(next.e, next.re))
        case (.es, .initiator), (.se, .responder):
            try next.symmetric.mixKey(HandshakeState.dh(next.e, next.rs))
        case (.es, .responder), (.se, .initiator):
            try next.symmetric.mixKey(HandshakeState.dh(s, next.re))
        case (.ss, _):
            try next.symmetric.mixKey(HandshakeState.dh(s, next.rs))
        case (.psk, _):
            let start = next.pskIndex * HandshakeState.pskLength
            try next.symmetric.mixKeyAndHash(psks.copy(start..<start + HandshakeState.pskLength))
            next.pskIndex += 1
        case (.e, _), (.s, _), (.e1, _), (.ekem1, _):
            break
        }
    }

    private static func dh(_ local: borrowing KeyPair?, _ remote: PublicKey?) throws(NoiseError) -> SecretBytes {
        guard let remote else { throw .missingKey }
        switch local {
        case .some(let pair): return try pair.dh(remote)
        case .none: throw .missingKey
        }
    }
}
