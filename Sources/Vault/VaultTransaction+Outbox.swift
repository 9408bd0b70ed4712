/// Something that waits until its receiver has confirmed it: the ciphertext, made once.
package struct OutboxEntry: Hashable, Sendable {
    /// Its place in the order; later ones have larger numbers. Zero until it was stored.
    package internal(set) var row: Int64 = 0
    package var contact: ContactRow
    /// First 16 bytes of BLAKE2b-256 of the ciphertext.
    package var envelopeID: [UInt8]
    /// The message in the history that it carries; `nil` for receipts and the like.
    package var messageID: [UInt8]?
    /// As in `MessageContent`.
    package var kind: UInt8
    /// Milliseconds since 1970.
    package var createdAt: UInt64
    /// The receiver's mailbox has it.
    package var isMailed = false
    package var ciphertext: [UInt8]
    /// What was encrypted, so that it can be encrypted again when a session had to be given up; may be empty.
    package var content: [UInt8]

    package init(
        contact: ContactRow, envelopeID: [UInt8], messageID: [UInt8]?, kind: UInt8, createdAt: UInt64,
        ciphertext: [UInt8], content: [UInt8]
    ) {
        self.contact = contact
        self.envelopeID = envelopeID
        self.messageID = messageID
        self.kind = kind
        self.createdAt = createdAt
        self.ciphertext = ciphertext
        self.content = content
    }
}

/// What was in the outbox, without its bytes.
package struct OutboxReference: Hashable, Sendable {
    package let row: Int64
    package let contact: ContactRow
    package let envelopeID: [UInt8]
    package let messageID: [UInt8]?
    package let kind: UInt8
    package let isMailed: Bool
}

extension OutboxEntry {
    /// Longest ciphertext, and longest content, in bytes.
    package static let maximumSize = 128 << 10
    /// Size of an envelope id in bytes.
    package static let envelopeIDByteCount = 16
}

extension VaultReader {
    private static let columns = "id, contact, lookup, mailed, record"

    /// What waits for a contact, in order.
    ///
    /// - Parameters:
    ///   - row: only what comes after this row.
    ///   - count: so many at most.
    ///   - unmailedOnly: only what the mailbox does not have.
    package func outbox(
        for contact: ContactRow, after row: Int64 = 0, first count: Int, unmailedOnly: Bool = false
    ) throws(VaultError) -> [OutboxEntry] {
        let rows = try session.rows(
            "SELECT \(Self.columns), payload FROM outbox WHERE contact = ? AND id > ? AND mailed <= ? ORDER BY id LIMIT ?",
            [
                .integer(contact.number), .integer(row), .integer(unmailedOnly ? 0 : 1), .integer(Int64(max(0, count))),
            ])
        var entries: [OutboxEntry] = []
        for row in rows { entries.append(try entry(row)) }
        return entries
    }

    /// The entry with an envelope id.
    package func outboxEntry(envelope id: [UInt8]) throws(VaultError) -> OutboxEntry? {
        let lookup = keys.blind(.outboxEnvelope, id)
        let row = try session.row("SELECT \(Self.columns), payload FROM outbox WHERE lookup = ?", [.blob(lookup)])
        guard let row else { return nil }
        return try entry(row)
    }

    /// The entry in a row.
    package func outboxEntry(row: Int64) throws(VaultError) -> OutboxEntry? {
        let row = try session.row("SELECT \(Self.columns), payload FROM outbox WHERE id = ?", [.integer(row)])
        guard let row else { return nil }
        return try entry(row)
    }

    /// How much waits, for everybody for whom something does.
    package func outboxCounts() throws(VaultError) -> [ContactRow: Int] {
        var counts: [ContactRow: Int] = [:]
        for row in try session.rows("SELECT contact, count(*) FROM outbox GROUP BY contact") {
            counts[ContactRow(try row.integer(0))] = Int(clamping: try row.integer(1))
        }
        return counts
    }

    /// How much waits for a contact; or how much of it the mailbox does not have.
    package func outboxCount(for contact: ContactRow, unmailedOnly: Bool = false) throws(VaultError) -> Int {
        let row = try session.row(
            "SELECT count(*) FROM outbox WHERE contact = ? AND mailed <= ?",
            [.integer(contact.number), .integer(unmailedOnly ? 0 : 1)])
        return Int(clamping: try row?.integer(0) ?? 0)
    }

    fileprivate func reference(_ row: SQLRow) throws(VaultError) -> (OutboxReference, createdAt: UInt64) {
        let number = try row.integer(0)
        let contact = ContactRow(try row.integer(1))
        let content = try keys.open(try row.blob(4), .outboxRecord, row: number, owner: contact.number)
        var reader = RecordReader(content)
        var envelopeID: [UInt8] = []
        var messageID: [UInt8]?
        var kind: UInt8 = 0
        var createdAt: UInt64 = 0
        while let (tag, value) = try reader.next() {
            switch tag {
            case 1: envelopeID = Array(value)
            case 2: messageID = Array(value)
            case 3: kind = value.first ?? 0
            case 4: createdAt = try value.recordInteger()
            default: break
            }
        }
        guard try row.blob(2) == keys.blind(.outboxEnvelope, envelopeID) else {
            throw .damaged(detail: "outbox.lookup, row \(number)")
        }
        let isMailed = try row.integer(3) != 0
        return (
            OutboxReference(
                row: number, contact: contact, envelopeID: envelopeID, messageID: messageID, kind: kind,
                isMailed: isMailed), createdAt
        )
    }

    private func entry(_ row: SQLRow) throws(VaultError) -> OutboxEntry {
        let (reference, createdAt) = try reference(row)
        let payload = try keys.open(
            try row.blob(5), .outboxPayload, row: reference.row, owner: reference.contact.number)
        var ciphertext: [UInt8] = []
        var content: [UInt8] = []
        var reader = RecordReader(payload)
        while let (tag, value) = try reader.next() {
            switch tag {
            case 1: ciphertext = Array(value)
            case 2: content = Array(value)
            default: break
            }
        }
        var entry = OutboxEntry(
            contact: reference.contact, envelopeID: reference.envelopeID, messageID: reference.messageID,
            kind: reference.kind, createdAt: createdAt, ciphertext: ciphertext, content: content)
        entry.row = reference.row
        entry.isMailed = reference.isMailed
        return entry
    }

    fileprivate func outboxReference(_ id: [UInt8]) throws(VaultError) -> (OutboxReference, createdAt: UInt64)? {
        let lookup = keys.blind(.outboxEnvelope, id)
        guard let row = try session.row("SELECT \(Self.columns) FROM outbox WHERE lookup = ?", [.blob(lookup)]) else {
            return nil
        }
        return try reference(row)
    }
}

extension VaultTransaction {
    /// Adds an entry at the end.
    ///
    /// - Throws: ``VaultError/duplicate(_:)`` when its envelope id is there already, ``VaultError/outOfRange(_:)``, ``VaultError/unknown(_:)``.
    @discardableResult
    package func appendOutbox(_ entry: OutboxEntry) throws(VaultError) -> Int64 {
        try check(entry)
        let row = try nextNumber(.outbox)
        try execute(
            "INSERT INTO outbox (id, contact, lookup, mailed, record, payload) VALUES (?, ?, ?, ?, ?, ?)",
            [
                .integer(row), .integer(entry.contact.number), .blob(keys.blind(.outboxEnvelope, entry.envelopeID)),
                .integer(entry.isMailed ? 1 : 0), .blob(sealedRecord(entry, row)), .blob(sealedPayload(entry, row)),
            ])
        return row
    }

    /// Puts another ciphertext into an entry, whose place in the order it keeps; the mailbox does not have that yet.
    ///
    /// - Returns: whether the entry is still there.
    @discardableResult
    package func replaceOutbox(
        row: Int64, envelopeID: [UInt8], ciphertext: [UInt8]
    ) throws(VaultError) -> Bool {
        guard var entry = try outboxEntry(row: row) else { return false }
        entry.envelopeID = envelopeID
        entry.ciphertext = ciphertext
        entry.isMailed = false
        try check(entry)
        try execute(
            "UPDATE outbox SET lookup = ?, mailed = 0, record = ?, payload = ? WHERE id = ?",
            [
                .blob(keys.blind(.outboxEnvelope, envelopeID)), .blob(sealedRecord(entry, row)),
                .blob(sealedPayload(entry, row)), .integer(row),
            ])
        return true
    }

    /// Notes whether the receiver's mailbox has an entry.
    ///
    /// - Returns: the entry, or `nil` when it is gone.
    @discardableResult
    package func setMailed(envelope id: [UInt8], _ isMailed: Bool = true) throws(VaultError) -> OutboxReference? {
        guard let (reference, _) = try outboxReference(id) else { return nil }
        try execute(
            "UPDATE outbox SET mailed = ? WHERE id = ?", [.integer(isMailed ? 1 : 0), .integer(reference.row)])
        return reference
    }

    /// Notes that no mailbox has anything, because the server's store was lost.
    package func setNothingMailed() throws(VaultError) {
        try execute("UPDATE outbox SET mailed = 0 WHERE mailed <> 0")
    }

    /// Removes an entry that its receiver has confirmed, or that is given up.
    ///
    /// - Returns: what it was, or `nil` when there is none.
    @discardableResult
    package func removeOutbox(envelope id: [UInt8]) throws(VaultError) -> OutboxReference? {
        guard let (reference, _) = try outboxReference(id) else { return nil }
        try execute("DELETE FROM outbox WHERE id = ?", [.integer(reference.row)])
        return reference
    }

    /// Makes ``Vault/bookVersion()`` change, so that the process that is online finds what another has added.
    package func noteOutboxChange() { bookChanged = true }

    private func check(_ entry: OutboxEntry) throws(VaultError) {
        guard entry.envelopeID.count == OutboxEntry.envelopeIDByteCount else { throw .outOfRange("an envelope's id") }
        guard entry.ciphertext.count <= OutboxEntry.maximumSize, entry.content.count <= OutboxEntry.maximumSize else {
            throw .outOfRange("an envelope")
        }
    }

    private func sealedRecord(_ entry: OutboxEntry, _ row: Int64) -> [UInt8] {
        var record = RecordWriter()
        record.write(1, entry.envelopeID)
        record.write(2, entry.messageID)
        record.write(3, [entry.kind])
        record.write(4, entry.createdAt)
        return keys.seal(record.finish(), .outboxRecord, row: row, owner: entry.contact.number)
    }

    private func sealedPayload(_ entry: OutboxEntry, _ row: Int64) -> [UInt8] {
        var record = RecordWriter()
        record.write(1, entry.ciphertext)
        record.write(2, entry.content)
        return keys.seal(record.finish(), .outboxPayload, row: row, owner: entry.contact.number)
    }
}
