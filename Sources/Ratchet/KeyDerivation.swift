import CSodium
import Noise

/// HKDF with SHA-512 (RFC 5869) and the three uses of it here; labels and layouts are in docs/protocol/ratchet.md.
enum KeyDerivation {
    private static let pqxdhInfo = Array("sotto-pqxdh/1_CURVE25519_SHA-512_ML-KEM-768".utf8)
    private static let rootInfo = Array("sotto-ratchet/1 root".utf8)
    private static let chainInfo = Array("sotto-ratchet/1 chain".utf8)
    private static let zeroSalt = Secret(SecretBytes(copying: [UInt8](repeating: 0, count: 64)))
    /// What a chain is advanced with: there is no other input (Double Ratchet, revision 4, §5.2).
    private static let chainConstant = Secret(SecretBytes(copying: [1]))

    /// KDF(KM) of PQXDH (revision 3, §2.2), `material` being F ‖ KM: the secret SK and what header encryption starts with, the
    /// initiator's first header key and the responder's.
    static func pqxdh(_ material: borrowing SecretBytes) -> [Secret] {
        Secret.split(hkdf(salt: zeroSalt.bytes, material, info: pqxdhInfo, count: 96))
    }

    /// KDF_RK_HE(rk, dh_out) (Double Ratchet, §4.2): root key, chain key, next header key.
    static func root(_ rootKey: Secret, _ shared: borrowing SecretBytes) -> [Secret] {
        Secret.split(hkdf(salt: rootKey.bytes, shared, info: rootInfo, count: 96))
    }

    /// KDF_CK(ck) (§3.1): next chain key, message key.
    static func chain(_ chainKey: Secret) -> [Secret] {
        Secret.split(hkdf(salt: chainKey.bytes, chainConstant.bytes, info: chainInfo, count: 64))
    }

    /// HKDF-SHA-512.
    static func hkdf(
        salt: borrowing SecretBytes, _ material: borrowing SecretBytes, info: [UInt8], count: Int
    ) -> SecretBytes {
        Sodium.initialize()
        let extracted = hmac(key: salt) { update(&$0, material) }
        var block = SecretBytes(copying: [])
        return SecretBytes(count: count) { output in
            for (index, start) in stride(from: 0, to: count, by: 64).enumerated() {
                block = hmac(key: extracted) { state in
                    update(&state, block)
                    let end = info + [UInt8(truncatingIfNeeded: index + 1)]
                    _ = crypto_auth_hmacsha512_update(&state, end, UInt64(end.count))
                }
                block.withUnsafeBytes { bytes in
                    let part = UnsafeMutableRawBufferPointer(rebasing: output[start..<min(start + 64, count)])
                    part.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<part.count]))
                }
            }
        }
    }

    private static func hmac(
        key: borrowing SecretBytes, _ feed: (inout crypto_auth_hmacsha512_state) -> Void
    ) -> SecretBytes {
        var state = crypto_auth_hmacsha512_state()
        defer { sodium_memzero(&state, MemoryLayout<crypto_auth_hmacsha512_state>.size) }
        _ = key.lend { crypto_auth_hmacsha512_init(&state, $0, key.count) }
        feed(&state)
        return SecretBytes(count: 64) { buffer in
            guard let output = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            _ = crypto_auth_hmacsha512_final(&state, output)
        }
    }

    private static func update(_ state: inout crypto_auth_hmacsha512_state, _ bytes: borrowing SecretBytes) {
        _ = bytes.lend { crypto_auth_hmacsha512_update(&state, $0, UInt64(bytes.count)) }
    }
}
