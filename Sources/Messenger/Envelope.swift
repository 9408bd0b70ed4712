import CSodium
import Vault
import Wire

/// Names of envelopes: what both sides, and every way between them, call a ciphertext.
package enum Envelope {
    /// The first 16 bytes of BLAKE2b-256 of the ciphertext.
    package static func id(of ciphertext: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&digest, digest.count, ciphertext, UInt64(ciphertext.count), nil, 0)
        return Array(digest.prefix(OutboxEntry.envelopeIDByteCount))
    }

    /// A name for what has no ciphertext yet.
    static func placeholder() -> [UInt8] {
        var id = [UInt8](repeating: 0, count: OutboxEntry.envelopeIDByteCount)
        randombytes_buf(&id, id.count)
        return id
    }
}

extension VaultTransaction {
    /// Puts something into the outbox that is encrypted when somebody is online with this identity. `now` is in milliseconds since 1970.
    ///
    /// - Returns: its row.
    /// - Throws: ``VaultError``; ``WireError`` when the content breaks its limits.
    @discardableResult
    func enqueue(
        _ content: MessageContent, for contact: ContactRow, messageID: [UInt8]? = nil, now: UInt64
    ) throws -> Int64 {
        try appendOutbox(
            OutboxEntry(
                contact: contact, envelopeID: Envelope.placeholder(), messageID: messageID, kind: content.body.kind,
                createdAt: now, ciphertext: [], content: try content.encode()))
    }
}
