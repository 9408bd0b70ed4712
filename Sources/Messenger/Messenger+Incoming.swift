import Identity
import Logging
import NIOCore
import Peering
import Ratchet
import Vault
import Wire

// From envelope to event: decrypted in memory, stored in one transaction with the ratchet's step, and only then shown and confirmed.

/// The way by which an envelope came, which its confirmation takes back.
enum EnvelopeOrigin: Sendable {
    case session
    /// The number that the server gave the mail.
    case mail(UInt64)
}

extension Messenger {
    // MARK: The session

    /// Reads what the contact sends, as fast as it can be stored and the front end takes it.
    func read(_ conversation: Conversation) {
        while conversation.session != nil, conversation.mayRead, !events.isFull, !isStorageTroubled,
            pendingCommits < Self.commitLimit
        {
            do {
                let frames = try conversation.read()
                for frame in frames { take(frame, from: conversation) }
                flush(conversation)
                if frames.isEmpty && !conversation.hasMore { return }
            } catch {
                conversation.session?.close(code: CloseCode.protocolError, reason: "malformed frame")
                return
            }
        }
    }

    private func take(_ frame: ConversationFrame, from conversation: Conversation) {
        switch frame {
        case .hello(_, let features):
            conversation.peerFeatures = features
            guard features & ConversationFrame.speaksEnvelopes == 0 else { return }
            conversation.session?.close(code: CloseCode.protocolError, reason: "speaks no envelopes")
        case .ping(let number):
            conversation.put(.pong(number))
        case .pong(let number):
            guard let sentAt = conversation.answered(number) else { return }
            let elapsed = Double(Self.monotonicClock() &- sentAt) / 1_000_000
            let path = conversation.session?.currentPath.map { ConversationPath($0) }
            events.put(.pong(conversation.contact, path, roundTripMilliseconds: elapsed))
        case .envelope(let ciphertext):
            take(ciphertext, from: conversation, by: .session)
        case .stored(let envelopes):
            confirmed(envelopes, by: conversation)
        case .prekeys(let bundle):
            if bundle.isEmpty { give(prekeysTo: conversation) } else { take(prekeys: bundle, of: conversation) }
        case .unreadable(let envelopes):
            encryptAgain(envelopes, of: conversation)
        case .typing(let isTyping):
            events.put(.typing(conversation.contact, isTyping))
        }
    }

    /// Gives a contact what it needs to begin a ratchet session, with a one-time prekey for it alone.
    func give(prekeysTo conversation: Conversation, then: @escaping @Sendable (isolated Messenger) -> Void = { _ in }) {
        guard conversation.bundles.take(now: Self.monotonicClock()) else { return then(self) }
        var next = prekeys
        guard let bundle = try? next.bundle(for: home.identity, to: conversation.contact.peer, now: Home.wallClock())
        else { return }
        prekeys = next
        let peer = conversation.contact.peer
        commit(
            { [next] in try $0.setPrekeys(next.encode()) },
            then: { messenger, _ in
                guard let conversation = messenger.conversations[peer] else { return }
                if conversation.session != nil { conversation.put(.prekeys(bundle.encode())) }
                then(messenger)
                messenger.flush(conversation)
            })
    }

    // MARK: Envelopes

    /// Opens an envelope of a contact and stores what it says.
    func take(_ ciphertext: [UInt8], from conversation: Conversation, by origin: EnvelopeOrigin) {
        let envelope = Envelope.id(of: ciphertext)
        let peer = conversation.contact.peer
        guard !conversation.receiving.contains(envelope) else {
            // It is being stored: when this is done, that is.
            return commit(
                { _ in },
                then: { messenger, _ in
                    messenger.conversations[peer].map {
                        messenger.isStored(envelope, of: $0, origin, wantsReceipt: true)
                    }
                })
        }
        let opened: (next: PeerRatchet, plaintext: [UInt8], prekeys: PrekeySet?)
        do {
            opened = try conversation.ratchet.decrypting(ciphertext, identity: home.identity, prekeys: prekeys)
        } catch {
            return notOpened(envelope, of: conversation, origin, because: error)
        }
        conversation.ratchet = opened.next
        if let next = opened.prekeys {
            prekeys = next
            mailDesk.oneTimePrekeyWasUsed()
        }
        conversation.receiving.insert(envelope)
        let content = readable(opened.plaintext, envelope)
        let arrival = Arrival(contact: conversation.row, envelope: envelope, content: content, now: Home.wallClock())
        let wantsReceipt = content.body.wantsReceipt
        commit(
            { transaction in
                try transaction.setRatchet(opened.next.encode(), for: arrival.contact)
                if let next = opened.prekeys { try transaction.setPrekeys(next.encode()) }
                return try transaction.apply(arrival)
            },
            then: { messenger, effects in
                guard let conversation = messenger.conversations[peer] else {
                    // Shut out meanwhile: they hear nothing, and their mail has been read.
                    if case .mail(let mail) = origin { messenger.acknowledge(mail) }
                    return
                }
                conversation.receiving.remove(envelope)
                for effect in effects { messenger.show(effect, conversation) }
                messenger.isStored(envelope, of: conversation, origin, wantsReceipt: wantsReceipt)
            })
    }

    /// What was encrypted. What no version may have written is kept as something unknown: asking for it again would bring the same.
    private func readable(_ plaintext: [UInt8], _ envelope: [UInt8]) -> MessageContent {
        if let content = try? MessageContent(decoding: plaintext) { return content }
        return MessageContent(
            id: envelope, sentAt: Home.wallClock(), sequence: 0, body: .unknown(version: 0, kind: 0, bytes: []))
    }

    private func notOpened(
        _ envelope: [UInt8], of conversation: Conversation, _ origin: EnvelopeOrigin, because error: RatchetError
    ) {
        if (try? vault.read { try $0.hasReceived(envelope: envelope) }) == true {
            return isStored(envelope, of: conversation, origin, wantsReceipt: true)
        }
        logger.info("an envelope cannot be opened", metadata: ["reason": "\(error)"])
        if error == .unknownPrekey { publishFreshPrekeys() }
        let mail: UInt64? = if case .mail(let number) = origin { number } else { nil }
        conversation.unreadable.append((envelope, mail))
        endTurn(for: conversation)
    }

    /// What was in the envelope is on the disk, now or since long: its sender may hear so.
    private func isStored(
        _ envelope: [UInt8], of conversation: Conversation, _ origin: EnvelopeOrigin, wantsReceipt: Bool
    ) {
        switch origin {
        case .session: if conversation.session != nil { conversation.stored.append(envelope) }
        case .mail(let mail) where wantsReceipt: conversation.receipts.append((envelope, mail))
        case .mail(let mail): acknowledge(mail)
        }
        endTurn(for: conversation)
    }

    private func show(_ effect: ArrivalEffect, _ conversation: Conversation) {
        switch effect {
        case .message(let stored):
            if stored.expiresAfter != nil { expiryMayHaveChanged() }
            if let message = IncomingMessage(stored, conversation.contact) { events.put(.message(message)) }
        case .changed(let stored):
            // Its time may have begun.
            if stored.expiresAt != nil { expiryMayHaveChanged() }
            events.put(.changed(stored, conversation.contact))
        case .confirmed(let envelopes, let messages):
            confirmed(envelopes, messages, of: conversation.contact.peer)
        case .read(let messages):
            for id in messages { events.put(.state(id, conversation.contact, .read, reason: nil)) }
        case .wanted(let renamed):
            renamedForRetry(renamed, of: conversation)
        case .contact(let contact, let isNew):
            conversation.contact = contact
            refreshBook()
            if isNew { events.put(.contact(contact)) }
            introduceOurselves(to: conversation)
            advance(conversation)
        }
    }

    // MARK: At the end of a turn

    /// What is to be said to a contact is said once for all that happens in this turn of the loop.
    func endTurn(for conversation: Conversation) {
        unfinished.insert(conversation.contact.peer)
        scheduleEndOfTurn()
    }

    func scheduleEndOfTurn() {
        guard !isTurnEnding else { return }
        isTurnEnding = true
        loop.execute { [weak self] in self?.assumeIsolated { $0.finishTurn() } }
    }

    private func finishTurn() {
        isTurnEnding = false
        guard !isStopped else { return }
        let peers = unfinished
        unfinished = []
        for peer in peers {
            guard let conversation = conversations[peer] else { continue }
            sayStored(conversation)
            sendReceipts(conversation)
            askAgain(conversation)
            flush(conversation)
            read(conversation)
        }
        sendAcknowledgements()
        readMail()
    }

    private func sayStored(_ conversation: Conversation) {
        guard conversation.session != nil else {
            conversation.stored = []
            return
        }
        while !conversation.stored.isEmpty {
            conversation.put(.stored(Array(conversation.stored.prefix(ConversationFrame.maximumIDs))))
            conversation.stored.removeFirst(min(ConversationFrame.maximumIDs, conversation.stored.count))
        }
    }

    /// Receipts for what came by mail go the way of messages. The mails are deleted once the receipts are stored, so that none is lost.
    private func sendReceipts(_ conversation: Conversation) {
        while !conversation.receipts.isEmpty {
            let part = Array(conversation.receipts.prefix(MessageContent.maximumIDs))
            conversation.receipts.removeFirst(part.count)
            guard conversation.outbox.count < Outbox.limit else {
                // Somebody who takes nothing from us learns nothing.
                for (_, mail) in part { acknowledge(mail) }
                continue
            }
            try? put(
                content(.delivered(envelopes: part.map(\.envelope))), to: conversation,
                then: { messenger in for (_, mail) in part { messenger.acknowledge(mail) } })
        }
    }

    /// Asks the contact for what could not be decrypted: by its open session, or by a new ratchet session of ours.
    private func askAgain(_ conversation: Conversation) {
        guard !conversation.unreadable.isEmpty else { return }
        // Too often: nothing of it is confirmed, and it is asked for together with what comes meanwhile.
        guard conversation.repairs.take(now: Self.monotonicClock()) else { return }
        let asked = Array(conversation.unreadable.prefix(ConversationFrame.maximumIDs))
        conversation.unreadable.removeFirst(asked.count)
        if !conversation.unreadable.isEmpty { endTurn(for: conversation) }
        events.put(.notice(conversation.contact, .repairing))
        let peer = conversation.contact.peer
        let bySession = asked.filter { $0.mail == nil }.map(\.envelope)
        if !bySession.isEmpty {
            give(prekeysTo: conversation) { messenger in
                messenger.conversations[peer]?.put(.unreadable(bySession))
            }
        }
        let byMail = asked.filter { $0.mail != nil }
        guard !byMail.isEmpty else { return }
        let mails = byMail.compactMap(\.mail)
        guard conversation.outbox.count < Outbox.limit else {
            // Somebody who takes nothing from us is asked for nothing.
            for mail in mails { acknowledge(mail) }
            return
        }
        conversation.ratchet = conversation.ratchet.abandoning()
        let (state, row) = (conversation.ratchet, conversation.row)
        // The mails are deleted once the request is stored; it waits until the contact confirms it.
        try? put(
            content(.retry(envelopes: byMail.map(\.envelope))), to: conversation,
            before: { try $0.setRatchet(state.encode(), for: row) },
            then: { messenger in for mail in mails { messenger.acknowledge(mail) } })
    }
}
