/// A message that has disappeared.
package struct ExpiredMessage: Hashable, Sendable {
    package let row: Int64
    package let contact: ContactRow
    package let direction: StoredMessage.Direction
    package let messageID: [UInt8]
}

/// What has become of a message that was to be added.
package enum AppendedMessage: Hashable, Sendable {
    /// It is new, and is stored so.
    case added(StoredMessage)
    /// Something stood for it already (see ``StoredMessage/isProvisional``), and is this now.
    case completed(StoredMessage)
    /// It is there already, or was (see ``VaultReader/isGone(_:_:id:)``): nothing has changed.
    case known

    /// The row of one that is new.
    package var newRow: Int64? {
        if case .added(let message) = self { message.row } else { nil }
    }
}

extension VaultTransaction {
    /// Adds a message: at the end, or if its sender wrote it before others that are there, before those. The time of an outgoing one with ``StoredMessage/expiresAfter`` begins at ``StoredMessage/storedAt``.
    ///
    /// Where one stands for it provisionally, that is completed.
    ///
    /// - Throws: ``VaultError/unknown(_:)`` when there is no such contact, ``VaultError/outOfRange(_:)`` unless its id has 16 bytes.
    @discardableResult
    package func appendMessage(_ message: StoredMessage) throws(VaultError) -> AppendedMessage {
        guard message.messageID.count == StoredMessage.idByteCount else { throw .outOfRange("a message's id") }
        let lookup = keys.messageLookup(message.contact, message.direction, message.messageID)
        if let there = try session.row("SELECT id, position FROM history WHERE lookup = ?", [.blob(lookup)]) {
            return try complete(row: try there.integer(0), at: try there.integer(1), by: message)
        }
        guard try !isGone(lookup: lookup) else { return .known }
        var message = message
        if message.direction == .outgoing || message.state == .seen { message.beginExpiry(at: message.storedAt) }
        message.row = 0
        let position = try position(for: message)
        message.row = try nextNumber(.history)
        try execute(
            "INSERT INTO history (id, contact, lookup, position, state, expires, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                .integer(message.row), .integer(message.contact.number), .blob(lookup), .integer(position),
                .integer(message.state.rawValue), message.expiryColumn, .blob(sealed(message, message.row)),
            ])
        if message.isSearchable { searchChanges.append(.text(row: message.row, message.text)) }
        return .added(message)
    }

    /// Completes what stands provisionally in a row by the message itself, and puts it where that belongs.
    private func complete(
        row: Int64, at position: Int64, by original: StoredMessage
    ) throws(VaultError) -> AppendedMessage {
        guard !original.isProvisional, let provisional = try message(row: row), provisional.isProvisional else {
            return .known
        }
        let message = provisional.completed(by: original)
        try store(message)
        let better = try self.position(for: message, from: position)
        if better != position {
            try execute("UPDATE history SET position = ? WHERE id = ?", [.integer(better), .integer(row)])
        }
        if message.text != provisional.text { try textChanged(message) }
        return .completed(message)
    }

    /// Moves a message on to a state, never back (see ``StoredMessage/State``).
    ///
    /// - Parameter reason: why it failed; kept with the message.
    /// - Returns: whether its state changed.
    @discardableResult
    package func advanceMessage(
        _ contact: ContactRow, _ direction: StoredMessage.Direction = .outgoing, id: [UInt8],
        to state: StoredMessage.State, reason: String? = nil
    ) throws(VaultError) -> Bool {
        let lookup = keys.messageLookup(contact, direction, id)
        guard let row = try session.row("SELECT id, state FROM history WHERE lookup = ?", [.blob(lookup)]) else {
            return false
        }
        let number = try row.integer(0)
        guard let before = StoredMessage.State(rawValue: try row.integer(1)) else {
            throw .damaged(detail: "history.state, row \(number)")
        }
        guard before.mayBecome(state) else { return false }
        // The reason is sealed; only failures have one.
        if state == .failed || before == .failed, var message = try message(row: number) {
            message.state = state
            message.reason = state == .failed ? reason : nil
            try store(message)
        } else {
            try execute(
                "UPDATE history SET state = ? WHERE id = ?", [.integer(state.rawValue), .integer(number)])
        }
        return true
    }

    /// Replaces a text by its author's newer one.
    ///
    /// - Parameters:
    ///   - at: by the author's clock, in milliseconds since 1970.
    ///   - sequence: the author's sequence number of the edit.
    /// - Returns: the message as it is now; `nil` when there is none, it is deleted, or it was edited later than that.
    package func editMessage(
        _ contact: ContactRow, _ direction: StoredMessage.Direction, id: [UInt8], text: String, at: UInt64,
        sequence: UInt64
    ) throws(VaultError) -> StoredMessage? {
        guard var message = try message(contact, direction, id: id), message.mayBeEdited(by: sequence) else {
            return nil
        }
        message.text = text
        message.editedAt = at
        message.editSequence = sequence
        try store(message)
        try textChanged(message)
        return message
    }

    /// Deletes a message for everybody: text, reactions and payload go, the row stays so that a repetition does not bring it back.
    ///
    /// - Returns: what is left of it; `nil` when there is none.
    package func deleteMessage(
        _ contact: ContactRow, _ direction: StoredMessage.Direction, id: [UInt8]
    ) throws(VaultError) -> StoredMessage? {
        guard var message = try message(contact, direction, id: id) else { return nil }
        message.takeBack()
        if message.state == .unread { message.state = .seen }
        try store(message)
        try textChanged(message)
        hasDeleted = true
        return message
    }

    /// Sets, replaces or (with an empty text) takes back somebody's reaction to a message.
    ///
    /// - Returns: the message as it is now; `nil` when there is none, or it is deleted.
    package func react(
        _ contact: ContactRow, id: [UInt8], isOwn: Bool, _ text: String
    ) throws(VaultError) -> StoredMessage? {
        guard var message = try message(contact, id: id), !message.isDeleted else { return nil }
        message.reactions.removeAll { $0.isOwn == isOwn }
        if !text.isEmpty { message.reactions.append(StoredMessage.Reaction(isOwn: isOwn, text: text)) }
        try store(message)
        return message
    }

    /// Marks what a contact wrote as seen, up to and including a row, and begins the time of what disappears after reading.
    ///
    /// - Parameter now: milliseconds since 1970.
    /// - Returns: the messages that are seen now and were not before, oldest first.
    @discardableResult
    package func markSeen(
        from contact: ContactRow, upTo row: Int64 = .max, now: UInt64
    ) throws(VaultError) -> [StoredMessage] {
        let numbers = try session.rows(
            "SELECT id FROM history WHERE contact = ? AND state = 0 AND id <= ? ORDER BY id",
            [.integer(contact.number), .integer(row)])
        var seen: [StoredMessage] = []
        for number in numbers {
            guard var message = try message(row: try number.integer(0)) else { continue }
            message.state = .seen
            message.beginExpiry(at: now)
            try execute(
                "UPDATE history SET state = ?, expires = ? WHERE id = ?",
                [.integer(message.state.rawValue), message.expiryColumn, .integer(message.row)])
            seen.append(message)
        }
        return seen
    }

    /// Removes messages whose time is over.
    ///
    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - limit: so many at most, so that others get their turn.
    package func expireMessages(now: UInt64, limit: Int = 1_000) throws(VaultError) -> [ExpiredMessage] {
        let rows = try session.rows(
            "SELECT id FROM history WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?",
            [.integer(Int64(clamping: now)), .integer(Int64(max(0, limit)))])
        var expired: [ExpiredMessage] = []
        for row in rows {
            guard let message = try message(row: try row.integer(0)) else { continue }
            try removeMessage(row: message.row, now: now)
            expired.append(
                ExpiredMessage(
                    row: message.row, contact: message.contact, direction: message.direction,
                    messageID: message.messageID))
        }
        return expired
    }

    /// Takes a contact's messages out of the search index.
    func forgetTexts(of contact: ContactRow) throws(VaultError) {
        for row in try session.rows("SELECT id FROM history WHERE contact = ?", [.integer(contact.number)]) {
            searchChanges.append(.gone(row: try row.integer(0)))
        }
    }

    private func sealed(_ message: StoredMessage, _ row: Int64) -> [UInt8] {
        keys.seal(message.encode(), .historyBody, row: row, owner: message.contact.number)
    }

    private func store(_ message: StoredMessage) throws(VaultError) {
        try execute(
            "UPDATE history SET state = ?, expires = ?, body = ? WHERE id = ?",
            [
                .integer(message.state.rawValue), message.expiryColumn, .blob(sealed(message, message.row)),
                .integer(message.row),
            ])
    }

    /// Tells the index of this process, and by the counter those of others.
    private func textChanged(_ message: StoredMessage) throws(VaultError) {
        let row = try session.row("SELECT value FROM counter WHERE id = \(Counter.edits.rawValue)")
        let before = try row?.integer(0) ?? 0
        try execute("UPDATE counter SET value = value + 1 WHERE id = \(Counter.edits.rawValue)")
        searchChanges.append(.edited(from: before))
        searchChanges.append(
            message.isSearchable ? .text(row: message.row, message.text) : .gone(row: message.row))
    }
}

extension StoredMessage {
    fileprivate var expiryColumn: SQLValue { .optional(expiresAt.map { Int64(clamping: $0) }) }

    /// Whether its author's edit with this sequence number came after all that is known of it.
    fileprivate func mayBeEdited(by sequence: UInt64) -> Bool {
        !isDeleted && kind == Self.textKind
            && (sequence > editSequence ?? self.sequence || self.sequence == 0)
    }

    /// What is left once its author took it back.
    fileprivate mutating func takeBack() {
        text = ""
        payload = []
        reactions = []
        replyTo = nil
        editedAt = nil
        isDeleted = true
    }

    /// What it is once the message has arrived for which it stands.
    fileprivate func completed(by original: StoredMessage) -> StoredMessage {
        var message = original
        message.row = row
        message.storedAt = storedAt
        message.state = state
        message.reason = reason
        message.reactions = reactions
        message.expiresAt = expiresAt ?? original.expiresAt
        if let editSequence, original.mayBeEdited(by: editSequence) {
            message.text = text
            message.editedAt = editedAt
            message.editSequence = editSequence
        }
        if isDeleted || original.isDeleted { message.takeBack() }
        if message.direction == .outgoing || message.state == .seen { message.beginExpiry(at: original.storedAt) }
        return message
    }

    fileprivate mutating func beginExpiry(at now: UInt64) {
        guard let expiresAfter, expiresAt == nil else { return }
        let (end, overflow) = now.addingReportingOverflow(UInt64(expiresAfter) * 1000)
        expiresAt = overflow ? .max : end
    }
}
