import CSodium
import Identity
import Noise
import Wire

// Layout of an exported file, integers big-endian:
//   magic "SOTTOEXP" 8 | version u8 = 1 | operations u32 | memory u32 (KiB) | salt 16 | stream header 24
//   then chunks: length u32 (of what follows, 17…65,553) | one message of libsodium's secretstream (XChaCha20-Poly1305)
// The key is Argon2id(passphrase, salt, operations, memory, 1 lane), 32 bytes. The first chunk has everything before it as associated data; the
// last has the tag FINAL, so that a cut file is noticed. The chunks' contents, one behind the other, are records:
//   type u8 | length u32 (≤ 1 MiB) | body
// `Archive.Record` has the bodies.

/// The sizes and marks of an exported file.
enum Archive {
    static let magic = Array("SOTTOEXP".utf8)
    static let version: UInt8 = 1
    static let saltByteCount = 16
    static let chunkSize = 64 << 10
    static let maximumRecord = 1 << 20
    static let streamHeaderByteCount = 24
    static let chunkOverhead = 17
    static let headerByteCount = magic.count + 1 + 8 + saltByteCount

    /// Types of records; those unknown are skipped.
    enum Record: UInt8 {
        /// Peer id of the exporting identity 32 | time u64 (ms since 1970).
        case start = 1
        /// Row number i64 | record as ``StoredContact`` encodes it.
        case contact = 2
        /// Name length u16 | name | value.
        case setting = 3
        /// Contact's row number i64 | state i64 | time of disappearing i64 (-1: none) | record as ``StoredMessage`` encodes it.
        case message = 4
        /// Contacts u64 | messages u64. Nothing follows.
        case end = 5
    }

    /// The key of a file. Takes about a second.
    static func key(
        _ passphrase: borrowing SecretBytes, salt: [UInt8], cost: KeyFile.Cost
    ) throws(VaultError) -> SecretBytes {
        Sodium.initialize()
        var status: CInt = -1
        let key = SecretBytes(count: 32) { output in
            guard let base = output.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            status = passphrase.withUnsafeBytes { text in
                // Safety: the salt has 16 bytes; all pointers are used during the call only.
                guard let text8 = text.assumingMemoryBound(to: CChar.self).baseAddress else { return -1 }
                return crypto_pwhash(
                    base, 32, text8, UInt64(text.count), salt, UInt64(cost.operations), Int(cost.memory) * 1024,
                    crypto_pwhash_alg_argon2id13())
            }
        }
        guard status == 0 else { throw .outOfMemory }
        return key
    }
}
