import CSodium
import Identity
import Noise
import Wire

/// The vault's own row: whose it is, and its data key, wrapped under a key that only the unlocked identity has. Its table is the same in every
/// version, because it is read before a migration.
///
/// Wrapped key: nonce (24) ‖ XChaCha20-Poly1305 of the data key (48) under `deriveKey("sotto vault")`, with `"sotto-vault-key/1"` ‖ vault id
/// as associated data. Owner mark: BLAKE2b-128 of the vault id, keyed with `deriveKey("sotto vault owner")`: it tells another identity's
/// vault from a damaged one.
struct VaultHeader {
    static let createTable = """
        CREATE TABLE header (
            id INTEGER PRIMARY KEY CHECK (id = 1), vault BLOB NOT NULL, owner BLOB NOT NULL, key BLOB NOT NULL) STRICT
        """
    private static let idByteCount = 16

    let vaultID: [UInt8]
    let owner: [UInt8]
    let wrappedKey: [UInt8]

    /// Wraps a new data key.
    init(wrapping dataKey: borrowing SecretBytes, identity: Identity) {
        Sodium.initialize()
        vaultID = Sodium.randomBytes(count: Self.idByteCount)
        owner = Self.ownerMark(vaultID, identity)
        let context = Self.context(vaultID)
        wrappedKey = identity.deriveKey(label: "sotto vault").withUnsafeBytes { key in
            dataKey.withUnsafeBytes { AEAD.seal($0, key: key, associatedData: context) }
        }
    }

    /// Reads the header of an open file.
    init(reading session: SQLSession) throws(VaultError) {
        guard let row = try session.row("SELECT vault, owner, key FROM header WHERE id = 1") else {
            throw .damaged(detail: "it has no header")
        }
        vaultID = try row.blob(0)
        owner = try row.blob(1)
        wrappedKey = try row.blob(2)
    }

    /// Puts the header into a new file.
    func write(to session: SQLSession) throws(VaultError) {
        try session.executeScript(Self.createTable)
        try session.execute(
            "INSERT INTO header (id, vault, owner, key) VALUES (1, ?, ?, ?)",
            [.blob(vaultID), .blob(owner), .blob(wrappedKey)])
    }

    /// The data key.
    ///
    /// - Throws: ``VaultError/wrongIdentity``, ``VaultError/damaged(detail:)``.
    func unwrap(_ identity: Identity) throws(VaultError) -> SecretBytes {
        let mark = Self.ownerMark(vaultID, identity)
        guard owner.count == mark.count, sodium_memcmp(owner, mark, mark.count) == 0 else { throw .wrongIdentity }
        let context = Self.context(vaultID)
        let key = identity.deriveKey(label: "sotto vault").withUnsafeBytes { key in
            AEAD.openSecret(wrappedKey, key: key, associatedData: context)
        }
        guard let key, key.count == VaultKeys.keyByteCount else {
            throw .damaged(detail: "its key cannot be unwrapped")
        }
        return key
    }

    private static func context(_ vaultID: [UInt8]) -> [UInt8] { Array("sotto-vault-key/1".utf8) + vaultID }

    private static func ownerMark(_ vaultID: [UInt8], _ identity: Identity) -> [UInt8] {
        var mark = [UInt8](repeating: 0, count: 16)
        identity.deriveKey(label: "sotto vault owner").withUnsafeBytes { key in
            // Safety: the key has 32 bytes and outlives the call.
            let key8 = key.assumingMemoryBound(to: UInt8.self)
            _ = crypto_generichash(&mark, mark.count, vaultID, UInt64(vaultID.count), key8.baseAddress, key8.count)
        }
        return mark
    }
}
