import Crypto

// Key encapsulation, for hybrid handshakes (the HFS extension of Noise, as pinned in docs/protocol/session.md).

/// A key encapsulation mechanism of a hybrid handshake. The raw value is its part of the protocol name, behind "25519+".
enum KEMFunction: String, Sendable {
    /// ML-KEM-768 (FIPS 203), by swift-crypto: libsodium has none.
    case mlKEM768 = "MLKEM768"

    /// Length of an encapsulation key in bytes.
    var publicKeyLength: Int { 1184 }
    /// Length of a ciphertext in bytes.
    var ciphertextLength: Int { 1088 }
    /// Length of a shared secret in bytes.
    static let sharedLength = 32

    /// A secret for the owner of `publicKey`, and the ciphertext that tells it. Throws `invalidEncapsulationKey` when those bytes are no key
    /// (FIPS 203, §7.2).
    func encapsulate(to publicKey: [UInt8]) throws(NoiseError) -> KEMEncapsulation {
        guard let key = try? MLKEM768.PublicKey(rawRepresentation: publicKey), let result = try? key.encapsulate()
        else { throw .invalidEncapsulationKey }
        return KEMEncapsulation(
            ciphertext: Array(result.encapsulated),
            shared: SecretBytes(sharedBy: result.sharedSecret))
    }
}

/// An ML-KEM-768 key pair, made from the seed d ‖ z (FIPS 203, §7.1).
///
/// The seed is wiped as soon as the pair is made. swift-crypto holds it and the expanded key in memory of its own, which it frees without
/// wiping; that is done once for each pair, since making it again from the seed takes as long as using it.
package struct KEMKeyPair: ~Copyable, Sendable {
    /// Length of the seed in bytes.
    package static let seedLength = 64

    /// The half to give away: 1184 bytes.
    package let publicKey: [UInt8]
    private let key: MLKEM768.PrivateKey

    /// The pair that belongs to a seed. Throws `invalidKeyLength` unless it has 64 bytes.
    package init(seed: consuming SecretBytes) throws(NoiseError) {
        let key = seed.withUnsafeBytes { try? MLKEM768.PrivateKey(seedRepresentation: $0, publicKey: nil) }
        guard let key else { throw .invalidKeyLength }
        self.init(publicKey: Array(key.publicKey.rawRepresentation), key: key)
    }

    private init(publicKey: [UInt8], key: MLKEM768.PrivateKey) {
        self.publicKey = publicKey
        self.key = key
    }

    /// A new pair from the system's randomness.
    package static func generate() throws(NoiseError) -> KEMKeyPair {
        try KEMKeyPair(seed: .random(count: seedLength))
    }

    /// The same pair once more.
    package borrowing func copy() -> KEMKeyPair { KEMKeyPair(publicKey: publicKey, key: key) }

    /// The secret in `ciphertext`, 32 bytes. An altered ciphertext gives another secret (implicit rejection). Throws `messageTooShort` unless it
    /// has 1088 bytes.
    borrowing func decapsulate(_ ciphertext: [UInt8]) throws(NoiseError) -> SecretBytes {
        guard let shared = try? key.decapsulate(ciphertext) else { throw .messageTooShort }
        return SecretBytes(sharedBy: shared)
    }
}

/// What encapsulation gives. The secret is wiped with it.
package struct KEMEncapsulation: ~Copyable, Sendable {
    /// For the owner of the key.
    package let ciphertext: [UInt8]
    let shared: SecretBytes

    /// - Parameters:
    ///   - ciphertext: as it travels.
    ///   - shared: the secret in it, 32 bytes.
    package init(ciphertext: [UInt8], shared: consuming SecretBytes) {
        self.ciphertext = ciphertext
        self.shared = shared
    }

    borrowing func copy() -> KEMEncapsulation {
        KEMEncapsulation(ciphertext: ciphertext, shared: shared.copy())
    }
}

extension SecretBytes {
    /// A copy of what a KEM gave; swift-crypto wipes the original.
    fileprivate init(sharedBy key: SymmetricKey) {
        self.init(count: KEMFunction.sharedLength) { buffer in
            key.withUnsafeBytes { buffer.copyBytes(from: $0.prefix(buffer.count)) }
        }
    }
}
