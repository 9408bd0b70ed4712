import Identity
import Ratchet
import Vault
import Wire

// Who is no contact can do two things by mail: come with an invite of ours, or ask. Neither learns anything from it, and both are bounded.

extension Messenger {
    func takeFromStranger(_ item: MailDesk.Item, _ mailed: (ciphertext: [UInt8], sender: PeerID)) {
        let (ciphertext, sender) = mailed
        guard mailDesk.deferred.isEmpty, strangers.take(now: Self.monotonicClock()) else {
            return mailDesk.putOff(item)
        }
        let mail = item.mail
        let fresh = PeerRatchet(own: home.identity.peerID, peer: sender)
        guard sender != home.identity.peerID,
            let opened = open(ciphertext, with: fresh), let content = try? MessageContent(decoding: opened.plaintext)
        else { return mailDesk.keepForIntroduction(item, now: Self.monotonicClock()) }
        let newcomer = Newcomer(
            peer: sender, envelope: Envelope.id(of: ciphertext), ratchet: opened.next, prekeys: opened.prekeys,
            now: Home.wallClock())
        switch content.body {
        case .introduction(let name, let token, let capability):
            admit(newcomer, mail) { try $0.admit(newcomer, called: name, token: token, capability: capability) }
        case .contactRequest(let name, let greeting, let capability):
            admit(newcomer, mail) {
                try $0.note(newcomer, called: name, greeting: greeting, capability: capability)
            }
        default:
            mailDesk.keepForIntroduction(item, now: Self.monotonicClock())
        }
    }

    private func open(
        _ ciphertext: [UInt8], with ratchet: PeerRatchet
    ) -> (next: PeerRatchet, plaintext: [UInt8], prekeys: PrekeySet?)? {
        do {
            return try ratchet.decrypting(ciphertext, identity: home.identity, prekeys: prekeys)
        } catch {
            if error == .unknownPrekey { publishFreshPrekeys() }
            return nil
        }
    }

    /// Stores what a stranger has come with. Mail behind it waits: it may be theirs, and they a contact by then.
    private func admit(
        _ newcomer: Newcomer, _ mail: UInt64, _ work: @escaping @Sendable (VaultTransaction) throws -> Contact?
    ) {
        mailDesk.isHeld = true
        if let next = newcomer.prekeys {
            prekeys = next
            mailDesk.oneTimePrekeyWasUsed()
        }
        commit(
            work,
            then: { messenger, contact in
                messenger.mailDesk.isHeld = false
                messenger.welcome(contact, newcomer, mail)
            }, otherwise: { messenger, _ in messenger.mailDesk.isHeld = false })
    }

    private func welcome(_ contact: Contact?, _ newcomer: Newcomer, _ mail: UInt64) {
        guard let contact else { return acknowledge(mail) }
        refreshBook()
        guard contact.state == .contact, let conversation = conversation(with: contact) else {
            events.put(.request(contact))
            return acknowledge(mail)
        }
        events.put(.contact(contact))
        mailDesk.takeUpEarly()
        introduceOurselves(to: conversation)
        conversation.receipts.append((newcomer.envelope, mail))
        endTurn(for: conversation)
    }
}

/// Somebody whose first envelope was opened.
struct Newcomer: Sendable {
    let peer: PeerID
    let envelope: [UInt8]
    let ratchet: PeerRatchet
    /// One's own prekeys, when one of them was used.
    let prekeys: PrekeySet?
    /// Milliseconds since 1970.
    let now: UInt64
}

extension VaultTransaction {
    /// Makes the bearer of an invite a contact. `nil` when the token admits nobody.
    fileprivate func admit(
        _ newcomer: Newcomer, called name: String, token: [UInt8], capability: [UInt8]
    ) throws -> Contact? {
        // What was heard once is a repetition, whatever became of its sender.
        guard try !hasReceived(envelope: newcomer.envelope),
            let contact = try admit(newcomer.peer, called: name, token: token, now: newcomer.now)
        else { return nil }
        return try keep(newcomer, as: contact) { stored in stored.theirCapability = capability }
    }

    /// Remembers somebody who asks. `nil` when too many do.
    fileprivate func note(
        _ newcomer: Newcomer, called name: String, greeting: String, capability: [UInt8]
    ) throws -> Contact? {
        guard try !hasReceived(envelope: newcomer.envelope) else { return nil }
        let before = try ContactBook(reading: self)
        // Somebody else may have decided meanwhile.
        let known = before.contact(newcomer.peer)
        guard known == nil || known?.state == .requestsUs else { return nil }
        let isKnown = known != nil
        let waiting = before.contacts.count { $0.state == .requestsUs }
        guard isKnown || waiting < ContactBook.maximumRequests, isKnown || before.hasRoomForAdmission else {
            return nil
        }
        var book = before
        _ = book.admit(newcomer.peer, called: name, as: .requestsUs)
        try book.write(to: self, before: before, now: newcomer.now)
        guard let contact = try contact(newcomer.peer) else { return nil }
        return try keep(newcomer, as: Contact(contact)) { stored in
            stored.greeting = greeting
            stored.theirCapability = capability
        }
    }

    private func keep(
        _ newcomer: Newcomer, as contact: Contact, _ change: (inout StoredContact) -> Void
    ) throws -> Contact? {
        guard let row = contact.row, var stored = try self.contact(row) else { return nil }
        change(&stored)
        try updateContact(stored)
        try setRatchet(newcomer.ratchet.encode(), for: row)
        if let prekeys = newcomer.prekeys { try setPrekeys(prekeys.encode()) }
        _ = try receive(envelope: newcomer.envelope, now: newcomer.now)
        return Contact(stored)
    }
}
