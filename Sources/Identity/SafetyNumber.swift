import CSodium
import Noise

/// The number two people compare to know that nobody sits between them. 60 decimal digits, the same on both sides.
///
/// In the style of Signal's numeric fingerprint. For each of the two peer ids K (32 bytes): `H₀ =
/// "sotto-safety-number-v1" ‖ K`, `Hᵢ = SHA-512(Hᵢ₋₁ ‖ K)` for i = 1…5200. The first 30 bytes of H₅₂₀₀ are six numbers
/// of five bytes, big-endian; each modulo 100,000 gives five digits. The 30 digits of the lower peer id come first. To
/// find a key with given 30 digits takes about 2¹⁰⁰ times 5200 hashes.
package enum SafetyNumber {
    /// How often the hash is iterated.
    package static let iterations = 5200

    /// The 60 digits, without spaces. Takes some milliseconds.
    package static func digits(_ one: PeerID, _ other: PeerID) -> String {
        groups(one, other).joined()
    }

    /// The digits as people read them: 12 groups of 5.
    package static func groups(_ one: PeerID, _ other: PeerID) -> [String] {
        fingerprint(min(one, other)) + fingerprint(max(one, other))
    }

    private static func fingerprint(_ peer: PeerID) -> [String] {
        Sodium.initialize()
        let key = peer.bytes
        var hash = [UInt8](repeating: 0, count: 64)
        var input = Array("sotto-safety-number-v1".utf8) + key
        for _ in 0..<iterations {
            input += key
            _ = crypto_hash_sha512(&hash, input, UInt64(input.count))
            input = hash
        }
        return stride(from: 0, to: 30, by: 5).map { start in
            let number = hash[start..<start + 5].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } % 100_000
            let text = String(number)
            return String(repeating: "0", count: 5 - text.utf8.count) + text
        }
    }
}
