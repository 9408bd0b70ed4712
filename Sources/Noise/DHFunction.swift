import CSodium

// The Diffie-Hellman function "25519" (Noise revision 34, §4.1 and §12.1).

/// An X25519 public key: 32 bytes, not yet known to be a good point. Low-order points are refused when they are used.
package struct PublicKey: Hashable, Sendable {
    /// Length in bytes (DHLEN).
    package static let length = 32

    /// The 32 bytes.
    package let bytes: [UInt8]

    /// Throws `invalidKeyLength` unless there are 32 bytes.
    package init(_ bytes: some Collection<UInt8>) throws(NoiseError) {
        guard bytes.count == PublicKey.length else { throw .invalidKeyLength }
        self.bytes = Array(bytes)
    }
}

/// An X25519 key pair (§4.1, GENERATE_KEYPAIR and DH). The secret half is wiped with it.
package struct KeyPair: ~Copyable, Sendable {
    /// Length of the secret key in bytes.
    package static let secretLength = 32

    /// The half to give away.
    package let publicKey: PublicKey
    private let secret: SecretBytes

    /// The pair that belongs to a 32-byte secret key. Throws `invalidKeyLength` for any other length.
    package init(secret: consuming SecretBytes) throws(NoiseError) {
        Sodium.initialize()
        guard secret.count == KeyPair.secretLength else { throw .invalidKeyLength }
        var publicBytes = [UInt8](repeating: 0, count: PublicKey.length)
        guard secret.withPointer({ crypto_scalarmult_curve25519_base(&publicBytes, $0) }) == 0 else {
            throw .weakPublicKey
        }
        self.publicKey = try PublicKey(publicBytes)
        self.secret = secret
    }

    private init(publicKey: PublicKey, secret: consuming SecretBytes) {
        self.publicKey = publicKey
        self.secret = secret
    }

    /// A new pair from the system's randomness.
    package static func generate() -> KeyPair {
        let secret = SecretBytes.random(count: secretLength)
        var publicBytes = [UInt8](repeating: 0, count: PublicKey.length)
        _ = secret.withPointer { crypto_scalarmult_curve25519_base(&publicBytes, $0) }
        return KeyPair(publicKey: PublicKey(unchecked: publicBytes), secret: secret)
    }

    /// An independent copy, wiped on its own.
    package borrowing func copy() -> KeyPair {
        KeyPair(publicKey: publicKey, secret: secret.copy())
    }

    /// DH(self, remote): 32 bytes. Throws `weakPublicKey` when the result is all zeros.
    package borrowing func dh(_ remote: PublicKey) throws(NoiseError) -> SecretBytes {
        var status: CInt = -1
        let shared = SecretBytes(count: 32) { buffer in
            guard let base = buffer.baseAddress else { return }
            let output = base.assumingMemoryBound(to: UInt8.self)
            status = secret.withPointer { crypto_scalarmult_curve25519(output, $0, remote.bytes) }
        }
        guard status == 0 else { throw .weakPublicKey }
        return shared
    }
}

extension PublicKey {
    fileprivate init(unchecked bytes: [UInt8]) {
        self.bytes = bytes
    }
}
