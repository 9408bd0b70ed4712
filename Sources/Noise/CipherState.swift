/// A key and a nonce that counts up (Noise revision 34, §5.1).
package struct CipherState: ~Copyable, Sendable {
    /// Longest Noise message in bytes (§3).
    package static let maximumMessageLength = 65535
    /// The nonce that is never used for a message (§5.1).
    package static let reservedNonce = UInt64.max

    private enum Use {
        /// k is empty: during a handshake, before the first key, text passes as it is.
        case unkeyed
        case keyed
        /// The direction that a one-way pattern does not have.
        case forbidden
    }

    private let cipher: CipherFunction
    private let use: Use
    private var key: SecretBytes
    /// The nonce of the next message.
    package private(set) var nonce: UInt64 = 0

    /// InitializeKey(key), with n = 0. Throws `invalidKeyLength` unless the key has 32 bytes, and `cipherUnavailable`.
    package init(key: consuming SecretBytes, cipher: CipherFunction) throws(NoiseError) {
        guard cipher.isAvailable else { throw .cipherUnavailable }
        guard key.count == CipherFunction.keyLength else { throw .invalidKeyLength }
        self.init(cipher: cipher, use: .keyed, key: key)
    }

    private init(cipher: CipherFunction, use: Use, key: consuming SecretBytes) {
        self.cipher = cipher
        self.use = use
        self.key = key
    }

    /// InitializeKey(empty).
    static func unkeyed(_ cipher: CipherFunction) -> CipherState {
        CipherState(cipher: cipher, use: .unkeyed, key: SecretBytes(copying: []))
    }

    /// Refuses every message.
    static func forbidden(_ cipher: CipherFunction) -> CipherState {
        CipherState(cipher: cipher, use: .forbidden, key: SecretBytes(copying: []))
    }

    /// A copy, for the all-or-nothing handling of handshake messages. Not for transport: two states that encrypt with
    /// the same nonces would break the cipher.
    func copy() -> CipherState {
        var copy = CipherState(cipher: cipher, use: use, key: key.copy())
        copy.nonce = nonce
        return copy
    }

    /// HasKey().
    package var hasKey: Bool { use == .keyed }

    /// SetNonce(nonce): for transports that lose or reorder messages.
    package mutating func setNonce(_ nonce: UInt64) {
        self.nonce = nonce
    }

    /// EncryptWithAd(ad, plaintext): the ciphertext, 16 bytes longer than the plaintext.
    /// Throws `messageTooLong`, `nonceExhausted`, `oneWayPattern`.
    package mutating func encryptWithAd(_ ad: [UInt8], _ plaintext: [UInt8]) throws(NoiseError) -> [UInt8] {
        let ciphertext = try encrypt(nonce: nonce, ad: ad, plaintext)
        advance()
        return ciphertext
    }

    /// DecryptWithAd(ad, ciphertext): the plaintext. The nonce advances only on success.
    /// Throws `messageTooLong`, `messageTooShort`, `authenticationFailed`, `nonceExhausted`, `oneWayPattern`.
    package mutating func decryptWithAd(_ ad: [UInt8], _ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
        let plaintext = try decrypt(nonce: nonce, ad: ad, ciphertext)
        advance()
        return plaintext
    }

    private mutating func advance() {
        // Cannot overflow: the reserved nonce was refused before.
        if use == .keyed {
            nonce += 1
        }
    }

    /// Encrypts under a nonce that the caller sends along (§11.4). It must never be used twice with this key.
    /// Throws as `encryptWithAd`; does not touch the counter.
    package borrowing func encrypt(nonce: UInt64, ad: [UInt8], _ plaintext: [UInt8]) throws(NoiseError) -> [UInt8] {
        switch use {
        case .forbidden: throw .oneWayPattern
        case .unkeyed:
            guard plaintext.count <= CipherState.maximumMessageLength else { throw .messageTooLong }
            return plaintext
        case .keyed:
            guard plaintext.count <= CipherState.maximumMessageLength - CipherFunction.tagLength else {
                throw .messageTooLong
            }
            guard nonce != CipherState.reservedNonce else { throw .nonceExhausted }
            return cipher.encrypt(key: key, nonce: nonce, ad: ad, plaintext: plaintext)
        }
    }

    /// Decrypts under a nonce that came along (§11.4). Recognising repeated nonces is up to the caller.
    /// Throws as `decryptWithAd`; does not touch the counter.
    package borrowing func decrypt(nonce: UInt64, ad: [UInt8], _ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard ciphertext.count <= CipherState.maximumMessageLength else { throw .messageTooLong }
        switch use {
        case .forbidden: throw .oneWayPattern
        case .unkeyed: return ciphertext
        case .keyed:
            guard nonce != CipherState.reservedNonce else { throw .nonceExhausted }
            return try cipher.decrypt(key: key, nonce: nonce, ad: ad, ciphertext: ciphertext)
        }
    }

    /// Rekey(): k = the first 32 bytes of ENCRYPT(k, 2^64-1, empty, 32 zero bytes) (§4.2, §11.3). The nonce stays.
    /// Without a key it does nothing.
    package mutating func rekey() {
        guard use == .keyed else { return }
        let zeros = [UInt8](repeating: 0, count: CipherFunction.keyLength)
        var output = cipher.encrypt(key: key, nonce: CipherState.reservedNonce, ad: [], plaintext: zeros)
        key = SecretBytes(copying: output.prefix(CipherFunction.keyLength))
        output.wipe()
    }

    /// Lends the 32-byte key to `body`, to derive other keys from (QUIC packet protection). The buffer is empty for the
    /// direction that a one-way pattern does not have. It must not outlive the call.
    package borrowing func withKey<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try key.withUnsafeBytes(body)
    }
}
