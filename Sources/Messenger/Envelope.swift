import CSodium
import Identity
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

extension MessageContent.Body {
    /// What tells a contact how mail reaches us: with the token of their invite it also makes us their contact, when they know us by nothing else.
    static func introducing(as ownName: String, token: [UInt8]?, capability: [UInt8]) -> Self {
        let name = Greeting.clipped(ownName)
        guard let token, token.count == MessageContent.idByteCount else {
            return .contactAccept(name: name, capability: capability)
        }
        return .introduction(name: name, token: token, capability: capability)
    }
}

extension VaultTransaction {
    /// Puts something into the outbox that is encrypted when somebody is online with this identity. `now` is in milliseconds since 1970. A contact who does not know yet how
    /// mail reaches us is told first: who has not heard of us reads nothing else.
    ///
    /// - Returns: its row.
    /// - Throws: ``VaultError``; ``WireError`` when the content breaks its limits.
    @discardableResult
    func enqueue(
        _ content: MessageContent, for contact: ContactRow, messageID: [UInt8]? = nil, now: UInt64
    ) throws -> Int64 {
        if var stored = try self.contact(contact), stored.state == .contact, stored.ourCapability == nil {
            let capability = Capability.generate()
            stored.ourCapability = capability
            try updateContact(stored)
            let body = MessageContent.Body.introducing(
                as: try ContactBook(reading: self).ownName, token: stored.token, capability: capability)
            try enqueue(
                MessageContent(id: MessageID.random().bytes, sentAt: now, sequence: now &* 1000, body: body),
                for: contact, now: now)
        }
        return try appendOutbox(
            OutboxEntry(
                contact: contact, envelopeID: Envelope.placeholder(), messageID: messageID, kind: content.body.kind,
                createdAt: now, ciphertext: [], content: try content.encode()))
    }
}
