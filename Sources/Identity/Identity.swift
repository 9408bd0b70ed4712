import CSodium
package import Noise

/// Why an identity cannot be made.
package enum IdentityError: Error, Hashable, Sendable {
    /// A seed is not 32 bytes long.
    case invalidSeedLength
    /// The seed gives no usable key. Chance never does this.
    case unusableSeed
}

/// One's own identity: an Ed25519 key pair and what is derived from it. Secrets are wiped with the last reference.
package final class Identity: Sendable {
    /// Size of a seed in bytes.
    package static let seedByteCount = 32

    /// The public half.
    package let peerID: PeerID
    private let seed: SecretBytes
    /// Seed and public key, as libsodium wants them: 64 bytes.
    private let secretKey: SecretBytes
    private let noiseKeys: KeyPair

    /// The identity that belongs to a seed of 32 bytes (RFC 8032 §5.1.5, there called private key).
    package init(seed: consuming SecretBytes) throws(IdentityError) {
        Sodium.initialize()
        guard seed.count == Identity.seedByteCount else { throw .invalidSeedLength }
        var publicKey = [UInt8](repeating: 0, count: PeerID.byteCount)
        let secretKey = SecretBytes.written(count: 64) { secret in
            seed.lend { crypto_sign_seed_keypair(&publicKey, secret, $0) }
        }
        guard let secretKey else { throw .unusableSeed }
        let noiseSecret = SecretBytes.written(count: KeyPair.secretLength) { secret in
            secretKey.lend { crypto_sign_ed25519_sk_to_curve25519(secret, $0) }
        }
        guard let noiseSecret else { throw .unusableSeed }
        do {
            self.peerID = try PeerID(bytes: publicKey)
            self.noiseKeys = try KeyPair(secret: noiseSecret)
        } catch {
            throw .unusableSeed
        }
        self.secretKey = secretKey
        self.seed = seed
    }

    /// A new identity from the system's randomness.
    package static func generate() throws(IdentityError) -> Identity {
        try Identity(seed: .random(count: seedByteCount))
    }

    /// An Ed25519 signature (RFC 8032, 64 bytes) over `message`.
    package func sign(_ message: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: 64)
        _ = secretKey.lend { crypto_sign_detached(&signature, nil, message, UInt64(message.count), $0) }
        return signature
    }

    /// A copy of the X25519 key pair whose public half is `peerID.noisePublicKey`, for a Noise handshake to consume.
    package func noiseKeyPair() -> KeyPair {
        noiseKeys.copy()
    }

    /// A secret of 32 bytes for one purpose: BLAKE2b-256, keyed with the seed, of `"sotto-derive-v1"`, a zero byte, and
    /// the label in UTF-8. Different labels give secrets that tell nothing of each other or of the seed.
    package func deriveKey(label: String) -> SecretBytes {
        let message = Array("sotto-derive-v1\0\(label)".utf8)
        return SecretBytes(count: 32) { key in
            guard let output = key.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            _ = seed.lend { crypto_generichash(output, 32, message, UInt64(message.count), $0, seed.count) }
        }
    }

    /// A copy of the seed, for the key file.
    func copySeed() -> SecretBytes { seed.copy() }
}
