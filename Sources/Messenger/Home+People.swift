package import Identity
package import Vault
import Wire

// What can be decided without being online. Whoever is online with this home, now or later, carries it out.

extension Home {
    /// Longest greeting of a contact request in bytes of UTF-8.
    package static let maximumGreeting = MessageContent.maximumGreeting

    /// Asks somebody on the same server to become a contact. The request waits in the outbox.
    ///
    /// - Parameters:
    ///   - name: under which the user wants to know them.
    ///   - greeting: what the user says to them, at most ``maximumGreeting`` bytes.
    /// - Throws: ``ContactError``, ``SendError/tooLong(limit:)``, ``VaultError``.
    @discardableResult
    package func request(_ peer: PeerID, as name: String, greeting: String) throws -> Contact {
        guard peer != identity.peerID else { throw ContactError.yourself }
        guard greeting.utf8.count <= Self.maximumGreeting else { throw SendError.tooLong(limit: Self.maximumGreeting) }
        return try vault.writeAndWait { transaction in
            let before = try ContactBook(reading: transaction)
            if let known = before.contact(peer), known.state != .requestedByUs {
                throw ContactError.alreadyKnown(name: known.name)
            }
            var book = before
            var contact = before.contact(peer) ?? Contact(peer: peer, name: name)
            if contact.name != name {
                try book.rename(contact.name, to: name)
                contact.name = name
            }
            contact.state = .requestedByUs
            contact.ourCapability = contact.ourCapability ?? Capability.generate()
            try book.put(contact)
            let stored = try book.store(contact, in: transaction, before: before)
            // Only the latest request waits.
            for entry in try transaction.outbox(for: stored.row, first: 16)
            where entry.kind == MessageContent.requestKind {
                try transaction.removeOutbox(envelope: entry.envelopeID)
            }
            let body = MessageContent.Body.contactRequest(
                name: Greeting.clipped(book.ownName), greeting: greeting, capability: stored.ourCapability ?? [])
            try transaction.enqueue(body, for: stored.row)
            return Contact(stored)
        }
    }

    /// Makes somebody a contact who asked for it, or lets somebody in again who was shut out. They are told.
    ///
    /// - Parameter newName: instead of the name that they gave themselves.
    /// - Throws: ``ContactError``, ``VaultError``.
    @discardableResult
    package func accept(_ name: String, as newName: String? = nil) throws -> Contact {
        try vault.writeAndWait { transaction in
            let before = try ContactBook(reading: transaction)
            var book = before
            var contact = try book.contact(named: name)
            guard contact.state == .requestsUs || contact.state == .blocked else {
                throw ContactError.noRequest(name: name)
            }
            contact.state = .contact
            // What somebody had who was shut out is of no use any more.
            let capability = Capability.generate()
            contact.ourCapability = capability
            try book.put(contact)
            if let newName, newName != name { try book.rename(name, to: newName) }
            guard let changed = book.contact(contact.peer) else { throw ContactError.unknown(name: name) }
            let stored = try book.store(changed, in: transaction, before: before)
            try transaction.enqueue(
                .contactAccept(name: Greeting.clipped(book.ownName), capability: capability), for: stored.row)
            return Contact(stored)
        }
    }

    /// Shuts somebody out: no session, no mail, no sign of us. What was said stays; what waits for them is dropped.
    ///
    /// - Throws: ``ContactError/unknown(name:)``, ``VaultError``.
    @discardableResult
    package func block(_ name: String) throws -> Contact {
        try vault.writeAndWait { transaction in
            let before = try ContactBook(reading: transaction)
            var book = before
            var contact = try book.contact(named: name)
            contact.state = .blocked
            contact.ourCapability = nil
            try book.put(contact)
            let stored = try book.store(contact, in: transaction, before: before)
            for entry in try transaction.outbox(for: stored.row, first: .max) {
                try transaction.removeOutbox(envelope: entry.envelopeID)
                if let id = entry.messageID {
                    try transaction.advanceMessage(stored.row, id: id, to: .failed, reason: "you blocked them")
                }
            }
            return Contact(stored)
        }
    }

    /// Puts a message into the outbox for whoever is online with this home, now or later.
    ///
    /// - Parameter answers: the message of either that it answers.
    /// - Throws: ``SendError``, ``ContactError``, ``VaultError``.
    package func leave(_ text: String, for contact: Contact, answers: MessageID? = nil) throws -> MessageID {
        try Messenger.check(text)
        guard let row = contact.row else { throw ContactError.unknown(name: contact.name) }
        let id = MessageID.random()
        try vault.writeAndWait { transaction in
            guard let stored = try transaction.contact(row) else { throw ContactError.unknown(name: contact.name) }
            guard try transaction.outboxCount(for: row) < Outbox.limit else { throw SendError.queueFull }
            let now = Self.wallClock()
            var message = StoredMessage(
                contact: row, direction: .outgoing, messageID: id.bytes, text: text, sentAt: now, storedAt: now,
                state: .queued)
            message.expiresAfter = stored.expiresAfter
            message.replyTo = answers?.bytes
            message.sequence = max(now &* 1000, try transaction.lastSequence(to: row) &+ 1)
            try transaction.appendMessage(message)
            let content = MessageContent(
                id: id.bytes, sentAt: now, sequence: message.sequence,
                body: .text(text, answers: answers?.bytes, expiresAfter: stored.expiresAfter))
            try transaction.enqueue(content, for: row, messageID: id.bytes, now: now)
            transaction.noteOutboxChange()
        }
        return id
    }

    /// The message that the user has written to a contact under this id, as it is now.
    package func sent(_ id: MessageID, to contact: Contact) throws -> StoredMessage? {
        guard let row = contact.row else { return nil }
        return try vault.read { try $0.message(row, .outgoing, id: id.bytes) }
    }

    /// The message of either under this id.
    package func message(_ id: MessageID, with contact: Contact) throws -> StoredMessage? {
        guard let row = contact.row else { return nil }
        return try vault.read { try $0.message(row, id: id.bytes) }
    }

    /// The last `count` messages with a contact before a row, oldest first.
    package func history(_ contact: Contact, before row: Int64 = .max, last count: Int) throws -> [StoredMessage] {
        guard let contactRow = contact.row else { return [] }
        return try vault.read { try $0.messages(with: contactRow, before: row, last: count) }
    }

    /// The next `count` messages with a contact after a row, oldest first.
    package func history(_ contact: Contact, after row: Int64, first count: Int) throws -> [StoredMessage] {
        guard let contactRow = contact.row else { return [] }
        return try vault.read { try $0.messages(with: contactRow, after: row, first: count) }
    }

    /// The first `count` messages of a contact after a row that the user has not seen, oldest first.
    package func unread(_ contact: Contact, after row: Int64 = 0, first count: Int) throws -> [StoredMessage] {
        guard let contactRow = contact.row else { return [] }
        return try vault.read { try $0.messages(to: contactRow, in: .unread, after: row, first: count) }
    }

    /// How much waits for a contact, and how much of that no mailbox has.
    package func queue(_ contact: Contact) throws -> (waiting: Int, unmailed: Int) {
        guard let row = contact.row else { return (0, 0) }
        return try vault.read { reader in
            (try reader.outboxCount(for: row), try reader.outboxCount(for: row, unmailedOnly: true))
        }
    }

    /// How much waits and how much is unread, by contact.
    package func counts() throws -> [ContactRow: (waiting: Int, unread: Int)] {
        try vault.read { reader in
            var counts: [ContactRow: (waiting: Int, unread: Int)] = [:]
            for (row, count) in try reader.outboxCounts() { counts[row, default: (0, 0)].waiting = count }
            for (row, count) in try reader.unreadCounts() { counts[row, default: (0, 0)].unread = count }
            return counts
        }
    }
}

extension ContactBook {
    /// Adds somebody or replaces what is known of them, with all that makes a name usable.
    fileprivate mutating func put(_ contact: Contact) throws(ContactError) {
        guard let index = contacts.firstIndex(where: { $0.peer == contact.peer }) else { return try add(contact) }
        contacts[index] = contact
    }

    /// Writes the book, and returns somebody in it as they are stored now.
    fileprivate func store(
        _ contact: Contact, in vault: VaultTransaction, before: ContactBook
    ) throws -> StoredContact {
        try write(to: vault, before: before, now: Home.wallClock())
        guard let stored = try vault.contact(contact.peer) else { throw ContactError.unknown(name: contact.name) }
        return stored
    }
}

extension VaultTransaction {
    /// Puts something new into the outbox, written now, that is encrypted when somebody is online.
    fileprivate func enqueue(
        _ body: MessageContent.Body, for contact: ContactRow, messageID: [UInt8]? = nil
    ) throws {
        let now = Home.wallClock()
        let id = messageID ?? MessageID.random().bytes
        try enqueue(
            MessageContent(id: id, sentAt: now, sequence: now &* 1000, body: body), for: contact, messageID: messageID,
            now: now)
        noteOutboxChange()
    }
}
