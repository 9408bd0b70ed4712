/// The chaining key, the handshake hash and the cipher of a handshake (Noise revision 34, §5.2).
struct SymmetricState: ~Copyable, Sendable {
    private let hash: HashFunction
    private let cipher: CipherFunction
    private var cipherState: CipherState
    private var chainingKey: SecretBytes
    /// h; after the last message the handshake hash (§11.2).
    private(set) var handshakeHash: [UInt8]

    /// InitializeSymmetric(protocol_name).
    init(_ name: ProtocolName) {
        hash = name.hash
        cipher = name.cipher
        let text = Array(name.text.utf8)
        if text.count <= hash.length {
            handshakeHash = text + [UInt8](repeating: 0, count: hash.length - text.count)
        } else {
            handshakeHash = hash.hash(text)
        }
        chainingKey = SecretBytes(copying: handshakeHash)
        cipherState = .unkeyed(cipher)
    }

    private init(copying other: borrowing SymmetricState) {
        hash = other.hash
        cipher = other.cipher
        cipherState = other.cipherState.copy()
        chainingKey = other.chainingKey.copy()
        handshakeHash = other.handshakeHash
    }

    /// A copy to work on, so that a failing message changes nothing.
    func copy() -> SymmetricState {
        SymmetricState(copying: self)
    }

    /// Whether what is encrypted now is really encrypted.
    var hasKey: Bool { cipherState.hasKey }

    /// MixKey(input_key_material).
    mutating func mixKey(_ inputKeyMaterial: borrowing SecretBytes) throws(NoiseError) {
        let output = hash.hkdf(chainingKey: chainingKey, inputKeyMaterial: inputKeyMaterial, outputs: 2)
        chainingKey = output.copy(0..<hash.length)
        try initializeKey(output, at: hash.length)
    }

    /// MixHash(data).
    mutating func mixHash(_ data: [UInt8]) {
        handshakeHash = hash.hash(handshakeHash + data)
    }

    /// MixKeyAndHash(input_key_material), for pre-shared keys (§9.2).
    mutating func mixKeyAndHash(_ inputKeyMaterial: borrowing SecretBytes) throws(NoiseError) {
        let output = hash.hkdf(chainingKey: chainingKey, inputKeyMaterial: inputKeyMaterial, outputs: 3)
        chainingKey = output.copy(0..<hash.length)
        mixHash(output.withUnsafeBytes { Array($0[hash.length..<2 * hash.length]) })
        try initializeKey(output, at: 2 * hash.length)
    }

    /// EncryptAndHash(plaintext).
    mutating func encryptAndHash(_ plaintext: [UInt8]) throws(NoiseError) -> [UInt8] {
        let ciphertext = try cipherState.encryptWithAd(handshakeHash, plaintext)
        mixHash(ciphertext)
        return ciphertext
    }

    /// DecryptAndHash(ciphertext).
    mutating func decryptAndHash(_ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
        let plaintext = try cipherState.decryptWithAd(handshakeHash, ciphertext)
        mixHash(ciphertext)
        return plaintext
    }

    /// Split(), from the view of `role`: the initiator sends with the first key. One-way patterns have only that.
    consuming func split(as role: Role, oneWay: Bool) throws(NoiseError) -> Transport {
        let output = hash.hkdf(chainingKey: chainingKey, inputKeyMaterial: SecretBytes(copying: []), outputs: 2)
        let first = try CipherState(key: output.copy(0..<CipherFunction.keyLength), cipher: cipher)
        let second = try secondCipherState(output, oneWay: oneWay)
        switch role {
        case .initiator: return Transport(send: first, receive: second, handshakeHash: handshakeHash)
        case .responder: return Transport(send: second, receive: first, handshakeHash: handshakeHash)
        }
    }

    private borrowing func secondCipherState(
        _ output: borrowing SecretBytes, oneWay: Bool
    ) throws(NoiseError) -> CipherState {
        if oneWay {
            return .forbidden(cipher)
        }
        return try CipherState(
            key: output.copy(hash.length..<hash.length + CipherFunction.keyLength), cipher: cipher)
    }

    /// InitializeKey with 32 bytes of `output` (a hash of 64 bytes is cut).
    private mutating func initializeKey(_ output: borrowing SecretBytes, at offset: Int) throws(NoiseError) {
        cipherState = try CipherState(key: output.copy(offset..<offset + CipherFunction.keyLength), cipher: cipher)
    }
}

/// What a finished handshake leaves: a cipher for each direction (§5.2, Split) and the handshake hash.
package struct Transport: ~Copyable, Sendable {
    /// For our messages. Refuses them at the responder of a one-way pattern.
    package var send: CipherState
    /// For the peer's messages. Refuses them at the initiator of a one-way pattern.
    package var receive: CipherState
    /// Names this session uniquely, for channel binding (§11.2).
    package let handshakeHash: [UInt8]

    /// Hands both ciphers to `body`, which may keep them in different places. (Other modules cannot take a value that
    /// is not copyable out of this one.)
    package consuming func separate<R: ~Copyable, E: Error>(
        _ body: (_ send: consuming CipherState, _ receive: consuming CipherState) throws(E) -> R
    ) throws(E) -> R {
        try body(send, receive)
    }
}
