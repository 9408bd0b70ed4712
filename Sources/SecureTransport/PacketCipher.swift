import CSodium
import Noise

/// The AEADs that may protect Handshake and 1-RTT packets; raw values are those of the handshake payload
/// (`docs/protocol/session.md`, "Handshake").
package enum PacketCipher: UInt8, CaseIterable, Sendable {
    /// ChaCha20-Poly1305 (RFC 8439). Every implementation has it; Initial packets always use it.
    case chaCha20Poly1305 = 1
    /// AES-256-GCM, offered and chosen only where the processor does it in hardware.
    case aes256GCM = 2

    /// The ciphers this machine offers, best first.
    package static func available() -> [PacketCipher] {
        Sodium.initialize()
        return crypto_aead_aes256gcm_is_available() == 1 ? [.aes256GCM, .chaCha20Poly1305] : [.chaCha20Poly1305]
    }

    /// The best of `offered` that this machine has too.
    package static func choose(from offered: [PacketCipher], available: [PacketCipher]) -> PacketCipher? {
        available.first(where: offered.contains)
    }

    /// Packets that may be sealed with one key (confidentiality limit, RFC 9001 §6.6). Key updates come long before.
    var confidentialityLimit: UInt64 {
        switch self {
        case .chaCha20Poly1305: 1 << 60
        case .aes256GCM: 1 << 23
        }
    }

    /// Packets that may fail to open during the whole connection (integrity limit, RFC 9001 §6.6).
    var integrityLimit: UInt64 {
        switch self {
        case .chaCha20Poly1305: 1 << 36
        case .aes256GCM: 1 << 52
        }
    }
}
