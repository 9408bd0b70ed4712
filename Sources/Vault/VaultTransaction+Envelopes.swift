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
}
