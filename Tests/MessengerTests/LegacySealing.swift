import CSodium
import Identity
import Noise

/// Seals a contact book as homes without a vault had it.
enum LegacySealing {
    static func seal(_ plaintext: [UInt8], for identity: Identity) -> [UInt8] {
        let header = Array("SOTTOBK".utf8) + [1]
        let nonce = (0..<24).map { UInt8($0) }
        var sealed = [UInt8](repeating: 0, count: plaintext.count + 16)
        identity.deriveKey(label: "sotto contact book").withUnsafeBytes { key in
            _ = crypto_aead_xchacha20poly1305_ietf_encrypt(
                &sealed, nil, plaintext, UInt64(plaintext.count), header, UInt64(header.count), nil, nonce,
                key.bindMemory(to: UInt8.self).baseAddress!)
        }
        return header + nonce + sealed
    }
}
