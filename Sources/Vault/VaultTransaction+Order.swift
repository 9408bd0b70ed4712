// Where a message stands in its conversation: where it arrived, unless its sender wrote it before something of theirs that is there already.

/// The order of a conversation: a number for each message, with room between them for what comes late.
enum HistoryOrder {
    /// From one message to the next.
    static let step: Int64 = 1 << 20
    /// So many of a contact's last messages are looked at for one that comes late.
    static let reach = 1024
    /// A sequence number follows its sender's clock, in microseconds; one that is further ahead of ours says nothing, in milliseconds.
    static let tolerance: UInt64 = 86_400_000
}

extension StoredMessage {
    /// ``sequence``, or 0 if it is not believed: nothing comes to stand before such a message, or it before another.
    fileprivate var believedSequence: UInt64 {
        let latest = storedAt.addingReportingOverflow(HistoryOrder.tolerance)
        let bound = latest.partialValue.multipliedReportingOverflow(by: 1000)
        return latest.overflow || bound.overflow || sequence <= bound.partialValue ? sequence : 0
    }
}

extension VaultTransaction {
    /// The position of a message that is about to be stored.
    func position(for message: StoredMessage) throws(VaultError) -> Int64 {
        let contact = message.contact
        let last = try session.row(
            "SELECT max(position) FROM history WHERE contact = ?", [.integer(contact.number)])
        let end = try (last?.optionalInteger(0) ?? 0) + HistoryOrder.step
        guard message.direction == .incoming, let follower = try follower(of: message) else { return end }
        if let position = try between(follower, contact) { return position }
        try spread(contact)
        return try between(follower, contact) ?? end
    }

    /// The row of the earliest of the sender's last messages that were all written after this one.
    private func follower(of message: StoredMessage) throws(VaultError) -> Int64? {
        let sequence = message.believedSequence
        var follower: Int64?
        guard sequence > 0 else { return nil }
        var page = 1
        var seen = 0
        while seen < HistoryOrder.reach {
            let rows = try session.rows(
                """
                SELECT id FROM history WHERE contact = ? AND state < ? ORDER BY position DESC LIMIT ? OFFSET ?
                """,
                [
                    .integer(message.contact.number), .integer(StoredMessage.State.queued.rawValue),
                    .integer(Int64(page)), .integer(Int64(seen)),
                ])
            for row in rows {
                let number = try row.integer(0)
                guard let other = try self.message(row: number), other.believedSequence > sequence else {
                    return follower
                }
                follower = number
            }
            guard rows.count == page else { return follower }
            seen += page
            page = 64
        }
        return follower
    }

    /// A position right before a message; `nil` when there is no room.
    private func between(_ follower: Int64, _ contact: ContactRow) throws(VaultError) -> Int64? {
        let row = try session.row(
            """
            SELECT position, (SELECT max(position) FROM history WHERE contact = ?1 AND position < late.position)
            FROM history AS late WHERE id = ?2
            """, [.integer(contact.number), .integer(follower)])
        guard let row else { return nil }
        let upper = try row.integer(0)
        let lower = try row.optionalInteger(1) ?? upper - HistoryOrder.step
        return upper - lower > 1 ? lower + (upper - lower) / 2 : nil
    }

    /// Makes room everywhere in a conversation.
    private func spread(_ contact: ContactRow) throws(VaultError) {
        try execute(
            """
            UPDATE history SET position = \(HistoryOrder.step) * ranked.rank
            FROM (SELECT id, row_number() OVER (ORDER BY position, id) AS rank FROM history WHERE contact = ?1) AS ranked
            WHERE history.id = ranked.id
            """, [.integer(contact.number)])
    }
}

extension VaultReader {
    /// The sequence number of the last message of the user to a contact; 0 if there is none.
    package func lastSequence(to contact: ContactRow) throws(VaultError) -> UInt64 {
        let row = try session.row(
            "SELECT id FROM history WHERE contact = ? AND state >= ? ORDER BY position DESC LIMIT 1",
            [.integer(contact.number), .integer(StoredMessage.State.queued.rawValue)])
        guard let row else { return 0 }
        return try message(row: try row.integer(0))?.sequence ?? 0
    }
}
