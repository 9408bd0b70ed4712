package import Noise

extension VaultReader {
    /// The ratchet state with a contact, as ``VaultTransaction/setRatchet(_:for:)`` got it.
    package func ratchet(of contact: ContactRow) throws(VaultError) -> SecretBytes? {
        let row = try session.row("SELECT state FROM ratchet WHERE contact = ?", [.integer(contact.number)])
        guard let row else { return nil }
        return try keys.openSecret(try row.blob(0), .ratchetState, row: contact.number, owner: contact.number)
    }

    /// One's own prekeys, as ``VaultTransaction/setPrekeys(_:)`` got them.
    package func prekeys() throws(VaultError) -> SecretBytes? {
        guard let row = try session.row("SELECT state FROM prekeys WHERE id = 1") else { return nil }
        return try keys.openSecret(try row.blob(0), .prekeyState, row: 1)
    }
}

extension VaultTransaction {
    /// Stores the ratchet state with a contact in place of the one before.
    ///
    /// - Throws: ``VaultError/unknown(_:)`` when there is no such contact.
    package func setRatchet(_ state: borrowing SecretBytes, for contact: ContactRow) throws(VaultError) {
        let cell = keys.seal(state, .ratchetState, row: contact.number, owner: contact.number)
        try execute(
            "INSERT INTO ratchet (contact, state) VALUES (?, ?) ON CONFLICT (contact) DO UPDATE SET state = excluded.state",
            [.integer(contact.number), .blob(cell)])
    }

    /// Stores one's own prekeys in place of those before.
    package func setPrekeys(_ state: borrowing SecretBytes) throws(VaultError) {
        try execute(
            "INSERT INTO prekeys (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            [.blob(keys.seal(state, .prekeyState, row: 1))])
    }
}
