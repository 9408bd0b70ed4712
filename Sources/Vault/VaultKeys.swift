import CSodium
import Identity
import Noise
import Wire

/// A sealed column. Its name and the schema version since which it has its present form are part of what seals it.
enum SealedColumn: Sendable {
    case contactRecord
    case settingRecord
    case inviteRecord
    case historyBody
    case outboxRecord
    case outboxPayload
    case ratchetState
    case prekeyState

    /// Table, column, and the schema version that gave the column its present form.
    var place: (table: String, column: String, since: UInt32) {
        switch self {
        case .contactRecord: ("contact", "record", 1)
        case .settingRecord: ("setting", "record", 1)
        case .inviteRecord: ("invite", "record", 1)
        case .historyBody: ("history", "body", 1)
        case .outboxRecord: ("outbox", "record", 1)
        case .outboxPayload: ("outbox", "payload", 1)
        case .ratchetState: ("ratchet", "state", 1)
        case .prekeyState: ("prekeys", "state", 1)
        }
    }
}

/// A column that is found by a keyed hash of what it stands for.
enum BlindColumn: Int, CaseIterable, Sendable {
    case contactPeer
    case settingName
    case inviteDigest
    case historyMessage
    case outboxEnvelope
    case receivedEnvelope

    fileprivate var label: String {
        switch self {
        case .contactPeer: "contact.peer"
        case .settingName: "setting.name"
        case .inviteDigest: "invite.digest"
        case .historyMessage: "history.message"
        case .outboxEnvelope: "outbox.envelope"
        case .receivedEnvelope: "envelope.id"
        }
    }
}

/// What a vault needs its data key for: sealing cells, and finding rows without their content being readable.
///
/// Cell: nonce (24, random) ‖ XChaCha20-Poly1305 (content + 16). Associated data: `"sotto-cell/1"`, 0, table, 0, column, 0,
/// schema version u32, row i64, owner i64, so that a cell opens only where it was put. The owner is the row number of
/// the contact that the row belongs to, else 0. Blind index: BLAKE2b-128 keyed with the column's own key.
final class VaultKeys: Sendable {
    static let keyByteCount = 32
    static let blindByteCount = 16
    static let nonceByteCount = 24
    static let tagByteCount = 16
    /// What sealing adds to the content.
    static let overhead = nonceByteCount + tagByteCount

    private let cellKey: SecretBytes
    /// One key for each ``BlindColumn``, one behind the other.
    private let blindKeys: SecretBytes

    init(dataKey: borrowing SecretBytes) {
        Sodium.initialize()
        cellKey = Self.subkey(of: dataKey, label: "cell")
        let columns = BlindColumn.allCases
        var keys = SecretBytes(count: columns.count * Self.keyByteCount) { _ in }
        for column in columns {
            let key = Self.subkey(of: dataKey, label: "blind " + column.label)
            let offset = column.rawValue * Self.keyByteCount
            keys.withUnsafeMutableBytes { keys in
                key.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: keys[offset...]).copyMemory(from: $0) }
            }
        }
        blindKeys = keys
    }

    private static func subkey(of dataKey: borrowing SecretBytes, label: String) -> SecretBytes {
        let message = Array("sotto-vault/1 \(label)".utf8)
        return SecretBytes(count: keyByteCount) { output in
            dataKey.withUnsafeBytes { key in
                // Safety: both buffers have 32 bytes and are used during the call only.
                guard let base = output.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
                let key8 = key.assumingMemoryBound(to: UInt8.self).baseAddress
                _ = crypto_generichash(base, output.count, message, UInt64(message.count), key8, key.count)
            }
        }
    }

    // MARK: Cells

    /// Seals the content of a cell.
    func seal(_ content: [UInt8], _ column: SealedColumn, row: Int64, owner: Int64 = 0) -> [UInt8] {
        content.withUnsafeBytes { seal($0, column, row: row, owner: owner) }
    }

    /// Seals secret content: no copy of it stays behind.
    func seal(_ content: borrowing SecretBytes, _ column: SealedColumn, row: Int64, owner: Int64 = 0) -> [UInt8] {
        content.withUnsafeBytes { seal($0, column, row: row, owner: owner) }
    }

    private func seal(_ content: UnsafeRawBufferPointer, _ column: SealedColumn, row: Int64, owner: Int64) -> [UInt8] {
        let context = Self.associatedData(column, row: row, owner: owner)
        return cellKey.withUnsafeBytes { key in
            AEAD.seal(content, key: key, associatedData: context)
        }
    }

    /// The content of a cell.
    ///
    /// - Throws: ``VaultError/damaged(detail:)`` when it was changed, or belongs to another place.
    func open(_ cell: [UInt8], _ column: SealedColumn, row: Int64, owner: Int64 = 0) throws(VaultError) -> [UInt8] {
        let context = Self.associatedData(column, row: row, owner: owner)
        let opened = cellKey.withUnsafeBytes { AEAD.open(cell, key: $0, associatedData: context) }
        guard let opened else { throw Self.unauthentic(column, row: row) }
        return opened
    }

    /// The content of a secret cell. Throws as ``open(_:_:row:owner:)`` does.
    func openSecret(
        _ cell: [UInt8], _ column: SealedColumn, row: Int64, owner: Int64 = 0
    ) throws(VaultError) -> SecretBytes {
        let context = Self.associatedData(column, row: row, owner: owner)
        guard let opened = cellKey.withUnsafeBytes({ AEAD.openSecret(cell, key: $0, associatedData: context) }) else {
            throw Self.unauthentic(column, row: row)
        }
        return opened
    }

    private static func associatedData(_ column: SealedColumn, row: Int64, owner: Int64) -> [UInt8] {
        let place = column.place
        var writer = ByteWriter(capacity: 64)
        writer.write("sotto-cell/1\0".utf8)
        writer.write(place.table.utf8)
        writer.write(UInt8(0))
        writer.write(place.column.utf8)
        writer.write(UInt8(0))
        writer.write(place.since)
        writer.write(UInt64(bitPattern: row))
        writer.write(UInt64(bitPattern: owner))
        return writer.bytes
    }

    private static func unauthentic(_ column: SealedColumn, row: Int64) -> VaultError {
        .damaged(detail: "\(column.place.table).\(column.place.column), row \(row)")
    }

    // MARK: Blind indexes

    /// What stands in the file for `value`: 16 bytes that only the owner of the data key can make or check.
    func blind(_ column: BlindColumn, _ value: [UInt8]) -> [UInt8] {
        var index = [UInt8](repeating: 0, count: Self.blindByteCount)
        blindKeys.withUnsafeBytes { keys in
            let key = UnsafeRawBufferPointer(rebasing: keys[(column.rawValue * Self.keyByteCount)...])
                .assumingMemoryBound(to: UInt8.self)
            // Safety: at least 32 bytes follow, because there is a key for each column; used during the call only.
            _ = crypto_generichash(
                &index, index.count, value, UInt64(value.count), key.baseAddress, Self.keyByteCount)
        }
        return index
    }
}

/// XChaCha20-Poly1305 with a random nonce in front.
enum AEAD {
    /// Nonce ‖ ciphertext ‖ tag. `key` has 32 bytes.
    static func seal(_ content: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, associatedData: [UInt8]) -> [UInt8]
    {
        let nonceSize = VaultKeys.nonceByteCount
        let size = content.count + VaultKeys.overhead
        return [UInt8](unsafeUninitializedCapacity: size) { output, count in
            // Safety: the output has room for nonce, ciphertext and tag; the inputs outlive the call.
            if let nonce = output.baseAddress, let key8 = key.assumingMemoryBound(to: UInt8.self).baseAddress {
                randombytes_buf(nonce, nonceSize)
                _ = crypto_aead_xchacha20poly1305_ietf_encrypt(
                    nonce + nonceSize, nil, content.assumingMemoryBound(to: UInt8.self).baseAddress,
                    UInt64(content.count), associatedData, UInt64(associatedData.count), nil, nonce, key8)
            }
            count = size
        }
    }

    /// The content, or `nil` when it is not authentic.
    static func open(_ sealed: [UInt8], key: UnsafeRawBufferPointer, associatedData: [UInt8]) -> [UInt8]? {
        guard sealed.count >= VaultKeys.overhead else { return nil }
        var isAuthentic = false
        let opened = [UInt8](unsafeUninitializedCapacity: sealed.count - VaultKeys.overhead) { output, count in
            isAuthentic = decrypt(sealed, to: output.baseAddress, key: key, associatedData: associatedData)
            count = isAuthentic ? sealed.count - VaultKeys.overhead : 0
        }
        return isAuthentic ? opened : nil
    }

    /// The content as a secret, or `nil` when it is not authentic.
    static func openSecret(_ sealed: [UInt8], key: UnsafeRawBufferPointer, associatedData: [UInt8]) -> SecretBytes? {
        guard sealed.count >= VaultKeys.overhead else { return nil }
        var isAuthentic = false
        let opened = SecretBytes(count: sealed.count - VaultKeys.overhead) { output in
            isAuthentic = decrypt(
                sealed, to: output.baseAddress?.assumingMemoryBound(to: UInt8.self), key: key,
                associatedData: associatedData)
        }
        guard isAuthentic else { return nil }
        return opened
    }

    /// `sealed` is at least as long as nonce and tag, and `output` has room for the rest.
    private static func decrypt(
        _ sealed: [UInt8], to output: UnsafeMutablePointer<UInt8>?, key: UnsafeRawBufferPointer, associatedData: [UInt8]
    ) -> Bool {
        sealed.withUnsafeBufferPointer { sealed in
            // Safety: the lengths were checked by the callers; all pointers are used during the call only.
            guard let nonce = sealed.baseAddress, let key = key.baseAddress else { return false }
            let box = nonce + VaultKeys.nonceByteCount
            let size = UInt64(sealed.count - VaultKeys.nonceByteCount)
            let key8 = key.assumingMemoryBound(to: UInt8.self)
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                output, nil, nil, box, size, associatedData, UInt64(associatedData.count), nonce, key8) == 0
        }
    }
}
