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

/// An ML-KEM-768 key pair, kept as the seed d ‖ z that it is made from (FIPS 203, §7.1). The seed is wiped with it.
///
/// While a key is made or used, swift-crypto holds seed and expanded key in memory of its own, which it frees without wiping.
package struct KEMKeyPair: ~Copyable, Sendable {
    /// Length of the seed in bytes.
    package static let seedLength = 64

    /// The half to give away: 1184 bytes.
    package let publicKey: [UInt8]
    private let seed: SecretBytes

    /// The pair that belongs to a seed. Throws `invalidKeyLength` unless it has 64 bytes.
    package init(seed: consuming SecretBytes) throws(NoiseError) {
        let key = try KEMKeyPair.expand(seed)
        publicKey = Array(key.publicKey.rawRepresentation)
        self.seed = seed
    }

    private init(publicKey: [UInt8], seed: consuming SecretBytes) {
        self.publicKey = publicKey
        self.seed = seed
    }

    /// A new pair from the system's randomness.
    package static func generate() throws(NoiseError) -> KEMKeyPair {
        try KEMKeyPair(seed: .random(count: seedLength))
    }

    /// An independent copy, wiped on its own.
    package borrowing func copy() -> KEMKeyPair {
        KEMKeyPair(publicKey: publicKey, seed: seed.copy())
    }

    /// The secret in `ciphertext`, 32 bytes. An altered ciphertext gives another secret (implicit rejection). Throws `messageTooShort` unless it
    /// has 1088 bytes.
    borrowing func decapsulate(_ ciphertext: [UInt8]) throws(NoiseError) -> SecretBytes {
        let key = try KEMKeyPair.expand(seed)
        guard let shared = try? key.decapsulate(ciphertext) else { throw .messageTooShort }
        return SecretBytes(sharedBy: shared)
    }

    private static func expand(_ seed: borrowing SecretBytes) throws(NoiseError) -> MLKEM768.PrivateKey {
        let key = seed.withUnsafeBytes { try? MLKEM768.PrivateKey(seedRepresentation: $0, publicKey: nil) }
        guard let key else { throw .invalidKeyLength }
        return key
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
