// Messages that were removed from this device, so that what arrives later does not bring them back: what they are found by, and the day.

extension VaultReader {
    /// Whether a message was here and was removed, because its time was over: for as long as that is remembered, see ``VaultTransaction/prune(now:)``.
    package func isGone(
        _ contact: ContactRow, _ direction: StoredMessage.Direction, id: [UInt8]
    ) throws(VaultError) -> Bool {
        try isGone(lookup: keys.messageLookup(contact, direction, id))
    }

    func isGone(lookup: [UInt8]) throws(VaultError) -> Bool {
        try session.row("SELECT 1 FROM gone WHERE lookup = ?", [.blob(lookup)]) != nil
    }
}

extension VaultTransaction {
    /// How long is remembered what came in and what was removed: longer than any mailbox keeps anything.
    static let rememberedDays: Int64 = 60
    /// Rows of a table that are forgotten at a time, so that others get their turn.
    static let prunedAtOnce: Int64 = 10_000

    /// Removes a message from this device alone, and remembers that it was here. Returns whether there was one.
    ///
    /// - Parameter now: milliseconds since 1970; only the day is kept, in the clear.
    @discardableResult
    func removeMessage(row: Int64, now: UInt64) throws(VaultError) -> Bool {
        try execute(
            "INSERT OR REPLACE INTO gone (lookup, day) SELECT lookup, ? FROM history WHERE id = ?",
            [.integer(Self.day(now)), .integer(row)])
        try execute("DELETE FROM history WHERE id = ?", [.integer(row)])
        guard session.changes == 1 else { return false }
        searchChanges.append(.gone(row: row))
        hasDeleted = true
        return true
    }

    /// Forgets envelopes that were received, and messages that were removed, more than 60 days ago: up to 10,000 of each. Writes nothing when there are none.
    ///
    /// - Parameter now: milliseconds since 1970.
    /// - Returns: how many; if there were any there may be more.
    @discardableResult
    package func prune(now: UInt64) throws(VaultError) -> Int {
        var forgotten = 0
        for table in ["envelope", "gone"] {
            try execute(
                "DELETE FROM \(table) WHERE lookup IN (SELECT lookup FROM \(table) WHERE day < ? LIMIT ?)",
                [.integer(Self.day(now) - Self.rememberedDays), .integer(Self.prunedAtOnce)])
            forgotten += session.changes
        }
        return forgotten
    }

    static func day(_ milliseconds: UInt64) -> Int64 { Int64(milliseconds / 86_400_000) }
}
