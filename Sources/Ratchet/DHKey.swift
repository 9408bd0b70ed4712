import CSodium
import Noise

/// An X25519 key pair whose secret can be stored (GENERATE_DH and DH of Double Ratchet, revision 4, §3.1).
final class DHKey: Sendable {
    let publicKey: PublicKey
    let secret: SecretBytes

    /// Throws `malformed` unless `secret` has 32 bytes.
    init(secret: consuming SecretBytes) throws(RatchetError) {
        Sodium.initialize()
        guard secret.count == KeyPair.secretLength else { throw .malformed }
        var publicBytes = [UInt8](repeating: 0, count: PublicKey.length)
        guard secret.lend(to: { crypto_scalarmult_curve25519_base(&publicBytes, $0) }) == 0 else { throw .malformed }
        self.publicKey = try PublicKey(reading: publicBytes)
        self.secret = secret
    }

    static func generate(_ entropy: Entropy) throws(RatchetError) -> DHKey {
        try DHKey(secret: entropy.secret(KeyPair.secretLength))
    }

    /// The shared secret, 32 bytes. Throws `weakKey` when it is zero.
    func agree(with remote: PublicKey) throws(RatchetError) -> SecretBytes {
        var status: CInt?
        let shared = SecretBytes(count: 32) { buffer in
            guard let output = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            status = secret.lend { crypto_scalarmult_curve25519(output, $0, remote.bytes) }
        }
        guard status == 0 else { throw .weakKey }
        return shared
    }
}

extension PublicKey {
    /// 32 bytes from outside. Throws `malformed` for another number of them.
    init(reading bytes: some Collection<UInt8>) throws(RatchetError) {
        do throws(NoiseError) {
            try self.init(bytes)
        } catch {
            throw .malformed
        }
    }
}
