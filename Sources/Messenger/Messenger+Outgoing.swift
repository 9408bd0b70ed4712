import Identity
import Logging
import NIOCore
import Peering
import Ratchet
import Vault
import Wire

// From content to envelope: encrypted once, stored in one transaction with the ratchet's step, and from then on the same bytes on every way, until the contact says
// that it has stored them.

extension Messenger {
    /// Takes content in for a contact: encrypts it if there is a ratchet session, stores it, and sends it.
    ///
    /// - Parameters:
    ///   - message: the row of the history that it carries.
    ///   - before: what is stored first.
    ///   - alongside: what is stored with it.
    ///   - then: once all of that is on the disk.
    func put(
        _ content: MessageContent, to conversation: Conversation, message: StoredMessage? = nil,
        before: @escaping @Sendable (VaultTransaction) throws -> Void = { _ in },
        alongside: @escaping @Sendable (VaultTransaction) throws -> Void = { _ in },
        then: @escaping @Sendable (isolated Messenger) -> Void = { _ in },
        otherwise: @escaping @Sendable (isolated Messenger, any Error) -> Void = { _, _ in }
    ) throws(WireError) {
        let plaintext = try content.encode()
        var envelope = Envelope.placeholder()
        var ciphertext: [UInt8]?
        var state: PeerRatchet?
        // What was written earlier is encrypted earlier.
        if !conversation.outbox.hasUnencrypted, let (next, made) = try? conversation.ratchet.encrypting(plaintext) {
            conversation.ratchet = next
            state = next
            envelope = Envelope.id(of: made)
            ciphertext = made
        }
        conversation.outbox.append(
            Outbox.Entry(
                row: nil, envelope: envelope, messageID: message.flatMap { MessageID($0.messageID) },
                kind: content.body.kind,
                isEncrypted: ciphertext != nil, isStored: false, isMailed: false, ciphertext: ciphertext))
        let row = conversation.row
        let peer = conversation.contact.peer
        let entry = OutboxEntry(
            contact: row, envelopeID: envelope, messageID: message?.messageID, kind: content.body.kind,
            createdAt: Home.wallClock(), ciphertext: ciphertext ?? [], content: plaintext)
        commit(
            { [state] transaction in
                try before(transaction)
                if let state { try transaction.setRatchet(state.encode(), for: row) }
                if let message { try transaction.appendMessage(message) }
                try alongside(transaction)
                return try transaction.appendOutbox(entry)
            },
            then: { messenger, outboxRow in
                then(messenger)
                guard let conversation = messenger.conversations[peer] else { return }
                conversation.outbox.stored(entry.envelopeID, row: outboxRow)
                messenger.advance(conversation)
            }, otherwise: otherwise)
        if ciphertext == nil { advance(conversation) }
    }

    /// Does whatever can be done now for what waits in a conversation.
    func advance(_ conversation: Conversation) {
        guard !isStopped else { return }
        if conversation.outbox.hasUnencrypted {
            if conversation.ratchet.canSend { encryptWaiting(conversation) } else { wantPrekeys(conversation) }
        }
        flush(conversation)
        mailOut(conversation)
    }

    // MARK: Through the session

    /// Writes as much as the session takes: frames first, then envelopes in order.
    func flush(_ conversation: Conversation) {
        guard conversation.writeFrames(), let session = conversation.session, session.isOpen,
            conversation.isAllowed(options.policy)
        else { return }
        while let entry = conversation.outbox.nextToSend {
            guard let ciphertext = ciphertext(entry), let frame = try? ConversationFrame.envelope(ciphertext).encode(),
                session.write(frame)
            else { return }
            conversation.outbox.handedOver()
            if conversation.awaitedSince == nil { conversation.awaitedSince = Self.monotonicClock() }
        }
    }

    /// The contact says that it has stored these envelopes.
    func confirmed(_ envelopes: [[UInt8]], by conversation: Conversation) {
        // Words about what never was, and repetitions, cost the disk nothing.
        let envelopes = envelopes.filter {
            conversation.outbox.contains($0) && conversation.confirming.insert($0).inserted
        }
        guard !envelopes.isEmpty else { return }
        let row = conversation.row
        let peer = conversation.contact.peer
        commit(
            { try $0.confirm(envelopes, of: row) },
            then: { messenger, confirmed in
                messenger.confirmed(envelopes, confirmed.messages, of: peer)
            })
    }

    /// Entries of the outbox were confirmed, and are gone from the vault.
    func confirmed(_ envelopes: [[UInt8]], _ messages: [MessageID], of peer: PeerID) {
        guard let conversation = conversations[peer] else { return }
        conversation.outbox.remove(Set(envelopes))
        conversation.confirming.subtract(envelopes)
        conversation.awaitedSince = conversation.outbox.sentCount > 0 ? Self.monotonicClock() : nil
        conversation.isHedging = false
        for id in messages { events.put(.state(id, conversation.contact, .delivered, reason: nil)) }
        advance(conversation)
    }

    // MARK: Ratchet sessions

    /// Encrypts what waited for a ratchet session, in the order of writing.
    private func encryptWaiting(_ conversation: Conversation) {
        let names = conversation.outbox.unencrypted(64)
        guard !names.isEmpty else { return }
        let waiting: [OutboxEntry]
        do {
            waiting = try vault.read { reader in try names.compactMap { try reader.outboxEntry(envelope: $0) } }
        } catch {
            logger.error("the outbox cannot be read", metadata: ["reason": "\(error)"])
            return
        }
        var made: [(row: Int64, envelope: [UInt8], ciphertext: [UInt8])] = []
        for entry in waiting {
            guard let (next, ciphertext) = try? conversation.ratchet.encrypting(entry.content) else { break }
            conversation.ratchet = next
            let envelope = Envelope.id(of: ciphertext)
            conversation.outbox.replace(entry.envelopeID, by: envelope, ciphertext: ciphertext, isStored: false)
            made.append((entry.row, envelope, ciphertext))
        }
        guard !made.isEmpty else { return }
        let state = conversation.ratchet
        let row = conversation.row
        let peer = conversation.contact.peer
        commit(
            { [made] transaction in
                try transaction.setRatchet(state.encode(), for: row)
                for (row, envelope, ciphertext) in made {
                    try transaction.replaceOutbox(row: row, envelopeID: envelope, ciphertext: ciphertext)
                }
            },
            then: { [made] messenger, _ in
                guard let conversation = messenger.conversations[peer] else { return }
                for (_, envelope, _) in made { conversation.outbox.stored(envelope) }
                messenger.advance(conversation)
            })
    }

    /// Asks for what is needed to begin a ratchet session: the contact itself, or if it is absent the server.
    private func wantPrekeys(_ conversation: Conversation) {
        if let bundle = conversation.bundle {
            conversation.bundle = nil
            take(prekeys: bundle, of: conversation)
            if conversation.ratchet.canSend { return }
        }
        if let session = conversation.session {
            guard session.isOpen, !conversation.prekeyRequest.wasAsked else { return }
            conversation.prekeyRequest.wasAsked = true
            conversation.askedAt = Self.monotonicClock()
            conversation.put(.prekeys([]))
        } else {
            fetchPrekeys(conversation)
        }
    }

    /// Begins a ratchet session with a contact's prekeys, if one is needed; else they are kept until it is.
    func take(prekeys bytes: [UInt8], of conversation: Conversation) {
        guard !conversation.ratchet.canSend else {
            conversation.bundle = bytes
            return
        }
        do {
            conversation.ratchet = try conversation.ratchet.starting(
                with: try PrekeyBundle(decoding: bytes), identity: home.identity, now: Home.wallClock())
            conversation.prekeyRequest = Conversation.PrekeyRequest()
            encryptWaiting(conversation)
        } catch {
            logger.error("a contact's prekeys are not usable", metadata: ["reason": "\(error)"])
        }
    }

    /// The contact says in the session that it cannot decrypt these envelopes: what is in them is encrypted again, in a new ratchet session.
    func encryptAgain(_ envelopes: [[UInt8]], of conversation: Conversation) {
        guard envelopes.contains(where: { conversation.outbox.contains($0) }) else { return }
        guard conversation.repairs.take(now: Self.monotonicClock()) else {
            // The next session sends all of it again.
            conversation.session?.close(code: CloseCode.done, reason: "cannot be read")
            return
        }
        conversation.ratchet = conversation.ratchet.abandoning()
        let (state, row, peer) = (conversation.ratchet, conversation.row, conversation.contact.peer)
        commit(
            { transaction in
                try transaction.setRatchet(state.encode(), for: row)
                return try transaction.encryptAgain(envelopes, of: row)
            },
            then: { messenger, renamed in
                guard let conversation = messenger.conversations[peer] else { return }
                messenger.renamedForRetry(renamed, of: conversation)
            })
    }

    /// Entries of the outbox have lost their ciphertexts, and are called otherwise.
    func renamedForRetry(_ renamed: [RenamedEntry], of conversation: Conversation) {
        guard !renamed.isEmpty else { return }
        for entry in renamed {
            conversation.outbox.replace(entry.before, by: entry.after, ciphertext: nil, isStored: true)
        }
        events.put(.notice(conversation.contact, .repaired))
        advance(conversation)
    }

    // MARK: Introductions

    /// Tells a contact how its mail reaches us, once: with the first content it gets.
    func introduceOurselves(to conversation: Conversation) {
        guard conversation.contact.state == .contact, conversation.contact.ourCapability == nil else { return }
        let capability = Capability.generate()
        conversation.contact.ourCapability = capability
        let body = MessageContent.Body.introducing(
            as: book.ownName, token: conversation.contact.token, capability: capability)
        let row = conversation.row
        try? put(
            content(body), to: conversation,
            alongside: { transaction in
                guard var stored = try transaction.contact(row) else { return }
                stored.ourCapability = capability
                try transaction.updateContact(stored)
            },
            then: { $0.registerCapabilities() })
    }

    /// Content with a new id, written now.
    func content(_ body: MessageContent.Body, id: MessageID = .random(), after sequence: UInt64 = 0) -> MessageContent {
        let now = Home.wallClock()
        lastSequence = max(lastSequence &+ 1, now &* 1000, sequence &+ 1)
        return MessageContent(id: id.bytes, sentAt: now, sequence: lastSequence, body: body)
    }
}

/// An entry of the outbox that is to be encrypted again.
struct RenamedEntry: Sendable {
    /// The envelope that it was.
    let before: [UInt8]
    /// What it is called until there is another.
    let after: [UInt8]
}

extension VaultTransaction {
    /// Takes the ciphertexts of these envelopes away, as far as they wait for this contact, so that what is in them is encrypted again.
    func encryptAgain(_ envelopes: [[UInt8]], of contact: ContactRow) throws(VaultError) -> [RenamedEntry] {
        var renamed: [RenamedEntry] = []
        for envelope in envelopes {
            guard let entry = try outboxEntry(envelope: envelope), entry.contact == contact else { continue }
            let name = Envelope.placeholder()
            try replaceOutbox(row: entry.row, envelopeID: name, ciphertext: [])
            renamed.append(RenamedEntry(before: envelope, after: name))
        }
        return renamed
    }
}
