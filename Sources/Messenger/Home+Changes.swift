import Vault
import Wire

// Changes of what was said, made without being online. Whoever is online with this home, now or later, tells the contact.

extension Home {
    /// Replaces the text of a message that the user has written.
    ///
    /// - Returns: the row of the outbox that tells the contact.
    /// - Throws: ``SendError``, ``VaultError``.
    @discardableResult
    package func edit(_ id: MessageID, to text: String, for contact: Contact) throws -> Int64 {
        try Messenger.check(text)
        return try tell(contact) { transaction, row, now in
            guard let before = try transaction.message(row, .outgoing, id: id.bytes), !before.isDeleted else {
                throw SendError.unknownMessage
            }
            let sequence = max(now &* 1000, (before.editSequence ?? before.sequence) &+ 1)
            _ = try transaction.editMessage(row, .outgoing, id: id.bytes, text: text, at: now, sequence: sequence)
            return MessageContent(
                id: MessageID.random().bytes, sentAt: now, sequence: sequence, body: .edit(id: id.bytes, text: text))
        }
    }

    /// Deletes a message that the user has written, here and at the contact.
    ///
    /// - Returns: the row of the outbox that tells the contact.
    /// - Throws: ``SendError``, ``VaultError``.
    @discardableResult
    package func delete(_ id: MessageID, for contact: Contact) throws -> Int64 {
        try tell(contact) { transaction, row, now in
            guard try transaction.deleteMessage(row, .outgoing, id: id.bytes) != nil else {
                throw SendError.unknownMessage
            }
            return .now(.delete(id: id.bytes), now)
        }
    }

    /// Puts the user's reaction to a message of either; an empty one takes it back. At most 64 bytes.
    ///
    /// - Returns: the row of the outbox that tells the contact.
    /// - Throws: ``SendError``, ``VaultError``.
    @discardableResult
    package func react(to id: MessageID, with text: String, for contact: Contact) throws -> Int64 {
        guard text.utf8.count <= MessageContent.maximumReaction else {
            throw SendError.tooLong(limit: MessageContent.maximumReaction)
        }
        return try tell(contact) { transaction, row, now in
            guard try transaction.react(row, id: id.bytes, isOwn: true, text) != nil else {
                throw SendError.unknownMessage
            }
            return .now(.reaction(id: id.bytes, text: text), now)
        }
    }

    /// From now on messages with this contact disappear so many seconds after they were read, on both sides; `nil`: they stay.
    ///
    /// - Returns: the row of the outbox that tells the contact.
    /// - Throws: ``SendError``, ``VaultError``.
    @discardableResult
    package func setExpiry(_ seconds: UInt32?, with contact: Contact) throws -> Int64 {
        try tell(contact) { transaction, row, now in
            if var stored = try transaction.contact(row) {
                stored.expiresAfter = seconds
                try transaction.updateContact(stored)
            }
            return .now(.timer(seconds: seconds ?? 0), now)
        }
    }

    /// The user goes by another name from now on: invites carry it, and contacts are told.
    ///
    /// - Throws: ``ContactError/badName``, ``VaultError``.
    package func rename(_ name: String) throws {
        guard name.isEmpty || ContactBook.isUsableName(name) else { throw ContactError.badName }
        try vault.writeAndWait { transaction in
            let before = try ContactBook(reading: transaction)
            var book = before
            book.ownName = name
            let now = Self.wallClock()
            try book.write(to: transaction, before: before, now: now)
            for contact in book.contacts where contact.state == .contact {
                guard let row = contact.row else { continue }
                try transaction.enqueue(.now(.profile(name: Greeting.clipped(name)), now), for: row, now: now)
            }
            transaction.noteOutboxChange()
        }
    }

    /// Stores a change, and what tells the contact, in one unit of work.
    private func tell(
        _ contact: Contact,
        _ change: @escaping @Sendable (VaultTransaction, ContactRow, UInt64) throws -> MessageContent
    ) throws -> Int64 {
        guard let row = contact.row else { throw ContactError.unknown(name: contact.name) }
        return try vault.writeAndWait { transaction in
            guard try transaction.outboxCount(for: row) < Outbox.limit else { throw SendError.queueFull }
            let now = Self.wallClock()
            let content = try change(transaction, row, now)
            let entry = try transaction.enqueue(content, for: row, now: now)
            transaction.noteOutboxChange()
            return entry
        }
    }
}

extension MessageContent {
    /// Content with an id of its own, written at `now`, in milliseconds since 1970.
    fileprivate static func now(_ body: Body, _ now: UInt64) -> MessageContent {
        MessageContent(id: MessageID.random().bytes, sentAt: now, sequence: now &* 1000, body: body)
    }
}
