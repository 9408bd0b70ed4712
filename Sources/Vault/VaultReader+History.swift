extension VaultReader {
    private static let columns = "id, contact, lookup, state, expires, body"

    /// The message in a row.
    package func message(row: Int64) throws(VaultError) -> StoredMessage? {
        let found = try session.row("SELECT \(Self.columns) FROM history WHERE id = ?", [.integer(row)])
        guard let found else { return nil }
        return try message(found)
    }

    /// The message that its author called by this id.
    package func message(
        _ contact: ContactRow, _ direction: StoredMessage.Direction, id: [UInt8]
    ) throws(VaultError) -> StoredMessage? {
        let lookup = keys.messageLookup(contact, direction, id)
        guard let row = try session.row("SELECT \(Self.columns) FROM history WHERE lookup = ?", [.blob(lookup)]) else {
            return nil
        }
        return try message(row)
    }

    /// The message with this id, whoever of the two wrote it.
    package func message(_ contact: ContactRow, id: [UInt8]) throws(VaultError) -> StoredMessage? {
        if let incoming = try message(contact, .incoming, id: id) { return incoming }
        return try message(contact, .outgoing, id: id)
    }

    /// The last `count` messages with a contact that stand before the one in a row, or at all when there is none in it, oldest first.
    package func messages(
        with contact: ContactRow, before row: Int64 = .max, last count: Int
    ) throws(VaultError) -> [StoredMessage] {
        let rows = try session.rows(
            """
            SELECT \(Self.columns) FROM history
            WHERE contact = ?1 AND position < coalesce((SELECT position FROM history WHERE id = ?2), ?3)
            ORDER BY position DESC, id DESC LIMIT ?4
            """,
            [.integer(contact.number), .integer(row), .integer(.max), .integer(Int64(max(0, count)))])
        return try messages(rows.reversed())
    }

    /// The first `count` messages with a contact that stand after the one in a row, or at all when there is none in it, oldest first.
    package func messages(
        with contact: ContactRow, after row: Int64, first count: Int
    ) throws(VaultError) -> [StoredMessage] {
        try messages(
            try session.rows(
                """
                SELECT \(Self.columns) FROM history
                WHERE contact = ?1 AND position > coalesce((SELECT position FROM history WHERE id = ?2), ?3)
                ORDER BY position, id LIMIT ?4
                """,
                [.integer(contact.number), .integer(row), .integer(.min), .integer(Int64(max(0, count)))]))
    }

    /// How many messages there are with a contact.
    package func messageCount(with contact: ContactRow) throws(VaultError) -> Int {
        let row = try session.row("SELECT count(*) FROM history WHERE contact = ?", [.integer(contact.number)])
        return Int(clamping: try row?.integer(0) ?? 0)
    }

    /// Our own messages to a contact that are in a state, oldest first, from after a row on.
    package func messages(
        to contact: ContactRow, in state: StoredMessage.State, after row: Int64 = 0, first count: Int
    ) throws(VaultError) -> [StoredMessage] {
        try messages(
            try session.rows(
                "SELECT \(Self.columns) FROM history WHERE contact = ? AND id > ? AND state = ? ORDER BY id LIMIT ?",
                [
                    .integer(contact.number), .integer(row), .integer(state.rawValue),
                    .integer(Int64(max(0, count))),
                ]))
    }

    /// How many messages of a contact the user has not seen.
    package func unreadCount(from contact: ContactRow) throws(VaultError) -> Int {
        let row = try session.row(
            "SELECT count(*) FROM history WHERE contact = ? AND state = 0", [.integer(contact.number)])
        return Int(clamping: try row?.integer(0) ?? 0)
    }

    /// How many messages the user has not seen, of everybody of whom there are some.
    package func unreadCounts() throws(VaultError) -> [ContactRow: Int] {
        var counts: [ContactRow: Int] = [:]
        for row in try session.rows("SELECT contact, count(*) FROM history WHERE state = 0 GROUP BY contact") {
            counts[ContactRow(try row.integer(0))] = Int(clamping: try row.integer(1))
        }
        return counts
    }

    /// When the next message disappears, in milliseconds since 1970.
    package func nextExpiry() throws(VaultError) -> UInt64? {
        let row = try session.row("SELECT min(expires) FROM history WHERE expires IS NOT NULL")
        return try row?.optionalInteger(0).map { UInt64(clamping: $0) }
    }

    /// Calls `body` with every message as it is read, oldest first.
    func forEachMessage(_ body: (StoredMessage) throws(VaultError) -> Void) throws(VaultError) {
        try session.forEachRow("SELECT \(Self.columns) FROM history ORDER BY id") { (row) throws(VaultError) in
            try body(try message(row))
        }
    }

    /// Up to `count` messages before a row, latest first, of all contacts.
    func messages(before row: Int64, last count: Int) throws(VaultError) -> [StoredMessage] {
        try messages(
            try session.rows(
                "SELECT \(Self.columns) FROM history WHERE id < ? ORDER BY id DESC LIMIT ?",
                [.integer(row), .integer(Int64(count))]))
    }

    /// All messages after a row, oldest first, of all contacts.
    func messages(after row: Int64) throws(VaultError) -> [StoredMessage] {
        try messages(
            try session.rows("SELECT \(Self.columns) FROM history WHERE id > ? ORDER BY id", [.integer(row)]))
    }

    private func messages(_ rows: some Sequence<SQLRow>) throws(VaultError) -> [StoredMessage] {
        var messages: [StoredMessage] = []
        for row in rows { messages.append(try message(row)) }
        return messages
    }

    /// Opens a row with ``columns``, and checks that it is found under its own id.
    private func message(_ row: SQLRow) throws(VaultError) -> StoredMessage {
        let number = try row.integer(0)
        let contact = ContactRow(try row.integer(1))
        let content = try keys.open(try row.blob(5), .historyBody, row: number, owner: contact.number)
        let message = try StoredMessage(
            decoding: content, row: number, contact: contact, state: try row.integer(3),
            expires: try row.optionalInteger(4))
        guard try row.blob(2) == keys.messageLookup(contact, message.direction, message.messageID) else {
            throw .damaged(detail: "history.lookup, row \(number)")
        }
        return message
    }
}

extension VaultKeys {
    /// What a message is found by: contact, direction and id, so that one is stored once.
    func messageLookup(_ contact: ContactRow, _ direction: StoredMessage.Direction, _ id: [UInt8]) -> [UInt8] {
        var value: [UInt8] = []
        for shift in stride(from: 56, through: 0, by: -8) {
            value.append(UInt8(truncatingIfNeeded: contact.number >> Int64(shift)))
        }
        value.append(direction.rawValue)
        return blind(.historyMessage, value + id)
    }
}
