// Ids of envelopes that came in: BLAKE2b of their ciphertext, 16 bytes. Kept so that repeats are acknowledged and not opened again.

extension VaultReader {
    /// Whether an envelope was received before.
    package func hasReceived(envelope id: [UInt8]) throws(VaultError) -> Bool {
        let lookup = keys.blind(.receivedEnvelope, id)
        return try session.row("SELECT 1 FROM envelope WHERE lookup = ?", [.blob(lookup)]) != nil
    }
}

extension VaultTransaction {
    /// Remembers an envelope. `now` is in milliseconds since 1970; only the day is kept, in the clear. Returns whether it is new.
    package func receive(envelope id: [UInt8], now: UInt64) throws(VaultError) -> Bool {
        try execute(
            "INSERT OR IGNORE INTO envelope (lookup, day) VALUES (?, ?)",
            [.blob(keys.blind(.receivedEnvelope, id)), .integer(Self.day(now))])
        return session.changes == 1
    }

    /// Forgets envelopes that were received more than `days` days before `now` (milliseconds since 1970). Returns how many.
    @discardableResult
    package func pruneEnvelopes(now: UInt64, days: Int64 = 60) throws(VaultError) -> Int {
        try execute("DELETE FROM envelope WHERE day < ?", [.integer(Self.day(now) - days)])
        return session.changes
    }

    private static func day(_ milliseconds: UInt64) -> Int64 { Int64(milliseconds / 86_400_000) }
}
