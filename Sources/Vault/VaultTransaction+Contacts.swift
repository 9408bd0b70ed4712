package import Identity

/// The number of a contact's row. Means nothing outside of its vault, and is never used again.
package struct ContactRow: Hashable, Sendable {
    package let number: Int64

    package init(_ number: Int64) { self.number = number }
}

/// Somebody known to the user, or who wants to be.
package struct StoredContact: Hashable, Sendable {
    /// What a contact and the user are to each other.
    package enum State: UInt8, Sendable {
        case contact = 0
        /// We asked, and wait for the answer.
        case requestedByUs = 1
        /// They asked.
        case requestsUs = 2
        case blocked = 3
    }

    /// Zero until it was stored.
    package internal(set) var row = ContactRow(0)
    /// The pinned identity.
    package var peer: PeerID
    /// What the user calls them. Which names are allowed and alike is the caller's business.
    package var name: String
    /// What they call themselves; empty when unknown.
    package var ownName = ""
    package var state = State.contact
    /// The user compared safety numbers.
    package var verified = false
    /// `host[:port]` of their server, or `nil` for ours.
    package var server: String?
    /// The token of their invite, shown when we dial.
    package var token: [UInt8]?
    /// Their capability (16 bytes), with which our mail reaches them.
    package var theirCapability: [UInt8]?
    /// Ours that we gave them (16 bytes), with which theirs reaches us.
    package var ourCapability: [UInt8]?
    /// What they wrote when they asked; empty otherwise.
    package var greeting = ""
    /// The user's own notes.
    package var notes = ""
    /// Disappearing messages: seconds after reading, or `nil`.
    package var expiresAfter: UInt32?
    /// Milliseconds since 1970.
    package var createdAt: UInt64
    /// Facts for which there is no field here, as the caller encodes them.
    package var extra: [UInt8] = []

    package init(peer: PeerID, name: String, createdAt: UInt64) {
        self.peer = peer
        self.name = name
        self.createdAt = createdAt
    }
}

extension VaultReader {
    /// Everybody, in the order in which they were added.
    package func contacts() throws(VaultError) -> [StoredContact] {
        var contacts: [StoredContact] = []
        for row in try session.rows("SELECT id, lookup, record FROM contact ORDER BY id") {
            contacts.append(try contact(row))
        }
        return contacts
    }

    /// The contact in a row.
    package func contact(_ row: ContactRow) throws(VaultError) -> StoredContact? {
        let found = try session.row("SELECT id, lookup, record FROM contact WHERE id = ?", [.integer(row.number)])
        guard let found else { return nil }
        return try contact(found)
    }

    /// The contact with an identity.
    package func contact(_ peer: PeerID) throws(VaultError) -> StoredContact? {
        let lookup = keys.blind(.contactPeer, peer.bytes)
        guard let found = try session.row("SELECT id, lookup, record FROM contact WHERE lookup = ?", [.blob(lookup)])
        else { return nil }
        let contact = try contact(found)
        guard contact.peer == peer else { throw .damaged(detail: "contact.lookup, row \(contact.row.number)") }
        return contact
    }

    /// How many there are.
    package func contactCount() throws(VaultError) -> Int {
        Int(clamping: try session.row("SELECT count(*) FROM contact")?.integer(0) ?? 0)
    }

    private func contact(_ row: SQLRow) throws(VaultError) -> StoredContact {
        let number = try row.integer(0)
        let content = try keys.open(try row.blob(2), .contactRecord, row: number)
        var contact = try StoredContact(decoding: content)
        contact.row = ContactRow(number)
        return contact
    }
}

extension VaultTransaction {
    /// Adds somebody.
    ///
    /// - Throws: ``VaultError/duplicate(_:)`` when the identity is known already.
    @discardableResult
    package func insertContact(_ contact: StoredContact) throws(VaultError) -> ContactRow {
        let lookup = keys.blind(.contactPeer, contact.peer.bytes)
        guard try session.row("SELECT id FROM contact WHERE lookup = ?", [.blob(lookup)]) == nil else {
            throw .duplicate("contact")
        }
        let number = try nextNumber(.contact)
        let record = keys.seal(contact.encode(), .contactRecord, row: number)
        try execute(
            "INSERT INTO contact (id, lookup, record) VALUES (?, ?, ?)",
            [.integer(number), .blob(lookup), .blob(record)])
        bookChanged = true
        return ContactRow(number)
    }

    /// Replaces what is stored of a contact; its row and its identity stay.
    ///
    /// - Throws: ``VaultError/unknown(_:)`` when the row is gone, or is another identity's.
    package func updateContact(_ contact: StoredContact) throws(VaultError) {
        let lookup = keys.blind(.contactPeer, contact.peer.bytes)
        let record = keys.seal(contact.encode(), .contactRecord, row: contact.row.number)
        try execute(
            "UPDATE contact SET record = ? WHERE id = ? AND lookup = ?",
            [.blob(record), .integer(contact.row.number), .blob(lookup)])
        guard session.changes == 1 else { throw .unknown("contact") }
        bookChanged = true
    }

    /// Removes a contact with its messages, outbox and ratchet state. Returns whether there was one.
    @discardableResult
    package func removeContact(_ row: ContactRow) throws(VaultError) -> Bool {
        try forgetTexts(of: row)
        try execute("DELETE FROM contact WHERE id = ?", [.integer(row.number)])
        guard session.changes == 1 else { return false }
        bookChanged = true
        hasDeleted = true
        return true
    }
}

extension StoredContact {
    func encode() -> [UInt8] {
        var record = RecordWriter()
        record.write(1, peer.bytes)
        record.write(2, Array(name.utf8))
        record.write(3, Array(ownName.utf8))
        record.write(4, [state.rawValue])
        record.write(5, verified)
        record.write(6, server.map { Array($0.utf8) })
        record.write(7, token)
        record.write(8, theirCapability)
        record.write(9, ourCapability)
        record.write(10, Array(greeting.utf8))
        record.write(11, Array(notes.utf8))
        record.write(12, expiresAfter.map { UInt64($0) })
        record.write(13, createdAt)
        record.write(14, extra)
        return record.finish()
    }

    init(decoding bytes: [UInt8]) throws(VaultError) {
        var reader = RecordReader(bytes)
        guard let first = try reader.next(), first.tag == 1, let peer = try? PeerID(bytes: first.value) else {
            throw RecordReader.malformed
        }
        self.init(peer: peer, name: "", createdAt: 0)
        while let (tag, value) = try reader.next() {
            switch tag {
            case 2: name = try value.recordText()
            case 3: ownName = try value.recordText()
            case 4:
                guard let byte = value.first, let known = State(rawValue: byte) else { throw RecordReader.malformed }
                state = known
            case 5: verified = value.recordFlag()
            case 6: server = try value.recordText()
            case 7: token = Array(value)
            case 8: theirCapability = Array(value)
            case 9: ourCapability = Array(value)
            case 10: greeting = try value.recordText()
            case 11: notes = try value.recordText()
            case 12: expiresAfter = UInt32(clamping: try value.recordInteger())
            case 13: createdAt = try value.recordInteger()
            case 14: extra = Array(value)
            default: break
            }
        }
    }
}
