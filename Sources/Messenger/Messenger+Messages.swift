import Identity
import NIOCore
import Peering
import Vault
import Wire

// What the front end wants.

extension Messenger {
    /// Longest text of one message in bytes of UTF-8.
    package static let maximumTextSize = MessageContent.maximumText

    /// What carries the conversation with a contact now, freshly measured; `nil` while there is no session.
    package func path(to contact: Contact) -> ConversationPath? {
        conversations[contact.peer]?.session?.currentPath.map { ConversationPath($0) }
    }

    /// Messages that neither their receivers nor a mailbox has yet.
    package var unsettled: Int {
        conversations.values.reduce(0) { sum, conversation in
            sum + conversation.outbox.entries.count { $0.messageID != nil && !$0.isMailed }
        }
    }

    /// Something is not on the disk yet, or is on its way to a receiver who is here or has a mailbox: leaving a moment later is better.
    package var isBusy: Bool {
        pendingCommits > 0 || !mailDesk.acknowledgements.isEmpty || mailDesk.areCapabilitiesUnderWay
            || mailDesk.isPublicationUnderWay || conversations.values.contains { isUnderWay($0) }
    }

    private func isUnderWay(_ conversation: Conversation) -> Bool {
        guard conversation.outbox.hasUnmailed else { return false }
        if conversation.session != nil { return true }
        return mailDesk.info != nil && conversation.contact.postage != nil && !conversation.outbox.hasUnencrypted
            && conversation.mail.notBefore <= Self.monotonicClock()
    }

    /// Messages that the contact has not confirmed yet.
    package func undelivered(to contact: Contact) -> Int {
        conversations[contact.peer]?.outbox.messageCount ?? 0
    }

    /// Messages that nobody has confirmed yet.
    package var undelivered: Int { conversations.values.reduce(0) { $0 + $1.outbox.messageCount } }

    /// Reaches a contact, and again whenever the connection breaks, until ``stop()``.
    package func keepConnected(to contact: Contact, onScreen: Bool) {
        guard let conversation = conversation(with: contact) else { return }
        conversation.isWanted = true
        conversation.session?.setOnScreen(onScreen)
        dial(conversation)
    }

    /// Asks a contact for a sign of life. The answer arrives as ``MessengerEvent/pong(_:_:roundTripMilliseconds:)``.
    package func ping(_ contact: Contact) {
        guard let conversation = conversation(with: contact) else { return }
        conversation.ping(now: Self.monotonicClock())
        flush(conversation)
    }

    /// Tells a contact who is here that the user writes, or has stopped.
    package func setTyping(_ isTyping: Bool, to contact: Contact) {
        guard book.sendsTyping, let conversation = conversations[contact.peer], conversation.session != nil else {
            return
        }
        conversation.put(.typing(isTyping))
        flush(conversation)
    }

    // MARK: Messages

    /// Whether a text can be a message.
    ///
    /// - Throws: ``SendError/empty`` or ``SendError/tooLong(limit:)``.
    package static func check(_ text: String) throws(SendError) {
        guard !text.isEmpty else { throw .empty }
        guard text.utf8.count <= maximumTextSize else { throw .tooLong(limit: maximumTextSize) }
    }

    /// Accepts a message. What becomes of it arrives as ``MessengerEvent/state(_:_:_:reason:)``: *queued* once it is on the disk, or *failed*.
    ///
    /// - Parameters:
    ///   - answers: the message of either that it answers.
    ///   - id: a new one, for callers who must know it before anything happens.
    @discardableResult
    package func send(
        _ text: String, to contact: Contact, answers: MessageID? = nil, id: MessageID = .random()
    ) throws(SendError) -> MessageID {
        try Self.check(text)
        let conversation = try writable(contact)
        let expiresAfter = conversation.contact.expiresAfter
        let content = content(.text(text, answers: answers?.bytes, expiresAfter: expiresAfter), id: id)
        var message = StoredMessage(
            contact: conversation.row, direction: .outgoing, messageID: id.bytes, text: text, sentAt: content.sentAt,
            storedAt: content.sentAt, state: .queued)
        message.sequence = content.sequence
        message.replyTo = answers?.bytes
        message.expiresAfter = expiresAfter
        let known = conversation.contact
        do {
            try put(
                content, to: conversation, message: message,
                then: { messenger in
                    messenger.events.put(.state(id, known, .queued, reason: nil))
                    if expiresAfter != nil { messenger.expiryMayHaveChanged() }
                },
                otherwise: { messenger, error in
                    messenger.events.put(.state(id, known, .failed, reason: "\(error)"))
                })
        } catch {
            throw .tooLong(limit: Self.maximumTextSize)
        }
        dial(conversation)
        return id
    }

    private func writable(_ contact: Contact) throws(SendError) -> Conversation {
        guard let current = self.contact(contact.peer) else { throw .contact(.unknown(name: contact.name)) }
        switch current.state {
        case .blocked: throw .contact(.blocked(name: current.name))
        case .requestsUs: throw .contact(.notAccepted(name: current.name))
        case .contact, .requestedByUs: break
        }
        guard let conversation = conversation(with: current) else { throw .contact(.unknown(name: contact.name)) }
        guard conversation.outbox.count < Outbox.limit else { throw .queueFull }
        introduceOurselves(to: conversation)
        return conversation
    }

    /// Replaces the text of a message that the user has written.
    ///
    /// - Throws: ``SendError``
    package func edit(_ id: MessageID, to text: String, in contact: Contact) throws(SendError) {
        try Self.check(text)
        let conversation = try writable(contact)
        let row = conversation.row
        let before = try message(id, in: row)
        guard before.direction == .outgoing, !before.isDeleted else { throw .unknownMessage }
        let content = content(.edit(id: id.bytes, text: text), after: before.editSequence ?? before.sequence)
        try change(content, conversation) {
            try $0.editMessage(
                row, .outgoing, id: id.bytes, text: text, at: content.sentAt, sequence: content.sequence)
        }
    }

    /// Deletes a message that the user has written, here and at the contact.
    ///
    /// - Throws: ``SendError``
    package func delete(_ id: MessageID, in contact: Contact) throws(SendError) {
        let conversation = try writable(contact)
        let row = conversation.row
        guard try message(id, in: row).direction == .outgoing else { throw .unknownMessage }
        try change(content(.delete(id: id.bytes)), conversation) { try $0.deleteMessage(row, .outgoing, id: id.bytes) }
    }

    /// Puts the user's reaction to a message of either; an empty one takes it back. At most 64 bytes.
    ///
    /// - Throws: ``SendError``
    package func react(to id: MessageID, with text: String, in contact: Contact) throws(SendError) {
        guard text.utf8.count <= MessageContent.maximumReaction else {
            throw .tooLong(limit: MessageContent.maximumReaction)
        }
        let conversation = try writable(contact)
        let row = conversation.row
        _ = try message(id, in: row)
        try change(content(.reaction(id: id.bytes, text: text)), conversation) {
            try $0.react(row, id: id.bytes, isOwn: true, text)
        }
    }

    /// From now on messages with this contact disappear so many seconds after they were read, on both sides; `nil`: they stay.
    ///
    /// - Throws: ``SendError``
    package func setExpiry(_ seconds: UInt32?, with contact: Contact) throws(SendError) {
        let conversation = try writable(contact)
        let row = conversation.row
        conversation.contact.expiresAfter = seconds
        try change(content(.timer(seconds: seconds ?? 0)), conversation) { transaction in
            guard var stored = try transaction.contact(row) else { return nil }
            stored.expiresAfter = seconds
            try transaction.updateContact(stored)
            return nil
        }
    }

    /// The user has seen what a contact wrote, up to a row of the history. Tells the contact unless the user does not want that.
    package func markSeen(_ contact: Contact, upTo row: Int64 = .max) {
        guard let contact = self.contact(contact.peer), contact.isWelcome,
            let conversation = conversation(with: contact)
        else { return }
        let contactRow = conversation.row
        let peer = contact.peer
        let tells = book.sendsReadReceipts
        commit(
            { transaction in
                let now = Home.wallClock()
                let seen = try transaction.markSeen(from: contactRow, upTo: row, now: now)
                guard tells else { return seen }
                for start in stride(from: 0, to: seen.count, by: MessageContent.maximumIDs) {
                    let part = seen[start..<min(start + MessageContent.maximumIDs, seen.count)].map(\.messageID)
                    let content = MessageContent(
                        id: MessageID.random().bytes, sentAt: now, sequence: now &* 1000, body: .read(messages: part))
                    try transaction.enqueue(content, for: contactRow, now: now)
                }
                return seen
            },
            then: { messenger, seen in
                if seen.contains(where: { $0.expiresAfter != nil }) { messenger.expiryMayHaveChanged() }
                guard tells, !seen.isEmpty, let conversation = messenger.conversations[peer] else { return }
                try? messenger.adoptForeignEntries(conversation)
                messenger.advance(conversation)
            })
    }

    private func message(_ id: MessageID, in row: ContactRow) throws(SendError) -> StoredMessage {
        guard let found = (try? vault.read { try $0.message(row, id: id.bytes) }) ?? nil else { throw .unknownMessage }
        return found
    }

    /// Stores a change of a message together with what tells the contact.
    private func change(
        _ content: MessageContent, _ conversation: Conversation,
        _ work: @escaping @Sendable (VaultTransaction) throws -> StoredMessage?
    ) throws(SendError) {
        let contact = conversation.contact
        do {
            try put(
                content, to: conversation,
                alongside: { transaction in _ = try work(transaction) },
                then: { messenger in messenger.tellChange(content, contact) },
                otherwise: { messenger, error in
                    messenger.events.put(.notice(contact, .storage(error as? VaultError ?? .superseded)))
                })
        } catch {
            throw .tooLong(limit: Self.maximumTextSize)
        }
        dial(conversation)
    }

    private func tellChange(_ content: MessageContent, _ contact: Contact) {
        let changed: [UInt8]
        switch content.body {
        case .edit(let id, _), .delete(let id), .reaction(let id, _): changed = id
        default: return
        }
        guard let row = contact.row, let message = (try? vault.read { try $0.message(row, id: changed) }) ?? nil else {
            return
        }
        events.put(.changed(message, contact))
    }

    // MARK: Disappearing messages

    /// Something was stored that disappears.
    func expiryMayHaveChanged() { nextExpiry = (try? vault.read { try $0.nextExpiry() }) ?? nil }

    /// Removes the messages whose time is over.
    func expireMessages() {
        let now = Home.wallClock()
        guard let due = nextExpiry, due <= now else { return }
        nextExpiry = nil
        commit(
            { try $0.expireMessages(now: now) },
            then: { messenger, expired in
                for message in expired {
                    let contact = messenger.book.contacts.first { $0.row == message.contact }
                    if let contact, let id = MessageID(message.messageID) {
                        messenger.events.put(.expired(id, contact))
                    }
                }
                messenger.expiryMayHaveChanged()
            })
    }
}
