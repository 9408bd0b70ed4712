import Crypto
import Noise

/// An ML-KEM-768 key pair (FIPS 203), kept as the 64-byte seed d ‖ z that it is made from.
///
/// While a key is in use, swift-crypto holds its expanded form in memory of its own, which it frees without wiping.
final class KEMKey: Sendable {
    /// Sizes in bytes.
    static let seedByteCount = 64
    static let publicByteCount = 1_184
    static let ciphertextByteCount = 1_088

    let seed: SecretBytes

    /// Throws `malformed` unless `seed` has 64 bytes.
    init(seed: consuming SecretBytes) throws(RatchetError) {
        guard seed.count == KEMKey.seedByteCount else { throw .malformed }
        self.seed = seed
    }

    /// The encapsulation key, 1,184 bytes. Takes a key generation: about 40 µs.
    func publicKey() throws(RatchetError) -> [UInt8] {
        Array(try expanded().publicKey.rawRepresentation)
    }

    /// The secret in `ciphertext`, 32 bytes. An altered ciphertext gives another secret (implicit rejection).
    func decapsulate(_ ciphertext: [UInt8]) throws(RatchetError) -> Secret {
        let key = try expanded()
        guard let shared = try? key.decapsulate(ciphertext) else { throw .malformed }
        return shared.withUnsafeBytes { Secret(SecretBytes(copying: $0)) }
    }

    /// A secret for the owner of `publicKey`, and what tells it. Throws `malformed` when those bytes are no key.
    static func encapsulate(to publicKey: [UInt8]) throws(RatchetError) -> Encapsulation {
        guard let key = try? MLKEM768.PublicKey(rawRepresentation: publicKey), let result = try? key.encapsulate()
        else {
            throw .malformed
        }
        return Encapsulation(
            shared: result.sharedSecret.withUnsafeBytes { Secret(SecretBytes(copying: $0)) },
            ciphertext: Array(result.encapsulated))
    }

    private func expanded() throws(RatchetError) -> MLKEM768.PrivateKey {
        let key = seed.withUnsafeBytes { try? MLKEM768.PrivateKey(seedRepresentation: $0, publicKey: nil) }
        guard let key else { throw .malformed }
        return key
    }
}

/// What encapsulation gives.
struct Encapsulation: Sendable {
    let shared: Secret
    /// 1,088 bytes.
    let ciphertext: [UInt8]
}
