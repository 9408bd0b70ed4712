import Identity
import Logging
import NIOCore
import Peering
import Ratchet
import Vault
import Wire

// Nothing leaves this device, is shown or is acknowledged before it is on the disk. The messenger goes on in memory meanwhile: its state runs ahead of the vault's by what
// was submitted. When the vault fails, everything that was submitted after the failure fails too (an epoch), and the state in memory is read from the vault again.

extension Messenger {
    /// So many units of work may be under way; beyond, nothing more is read.
    static let commitLimit = 4_096

    /// Stores something, and goes on once it is on the disk.
    ///
    /// - Parameters:
    ///   - work: on the vault's thread.
    ///   - then: with what `work` returned.
    ///   - otherwise: when it was not stored; the state in memory has been read from the vault again by then.
    func commit<R: Sendable>(
        _ work: @escaping @Sendable (VaultTransaction) throws -> R,
        then: @escaping @Sendable (isolated Messenger, R) -> Void,
        otherwise: @escaping @Sendable (isolated Messenger, any Error) -> Void = { _, _ in }
    ) {
        guard !mustReload else {
            // What led to this is not stored, and will be taken back.
            loop.execute { [self] in assumeIsolated { otherwise($0, VaultError.superseded) } }
            return
        }
        let unitEpoch = epoch
        pendingCommits += 1
        vault.submitReturning(in: unitEpoch, work) { [self] result in
            loop.execute {
                self.assumeIsolated { messenger in
                    messenger.pendingCommits -= 1
                    if messenger.pendingCommits == Self.commitLimit / 2 { messenger.resumeAll() }
                    switch result {
                    case .success(let value):
                        then(messenger, value)
                    case .failure(let error):
                        messenger.failed(error, in: unitEpoch)
                        otherwise(messenger, error)
                    }
                }
            }
        }
    }

    private func failed(_ error: any Error, in unitEpoch: VaultEpoch) {
        logger.error("not stored", metadata: ["reason": "\(error)"])
        guard unitEpoch == epoch else { return }
        if let failure = error as? VaultError, failure != .closed { events.put(.notice(nil, .storage(failure))) }
        reload()
        storageRetries += 1
        storageFailedAt = Self.monotonicClock()
        let delay = min(Int64(250) << min(storageRetries, 5), 5_000)
        isStorageTroubled = true
        loop.scheduleTask(in: .milliseconds(delay)) { [weak self] in
            self?.assumeIsolated { $0.tryStorageAgain() }
        }
    }

    private func tryStorageAgain() {
        guard !isStopped else { return }
        if mustReload { reload() }
        guard !mustReload else {
            loop.scheduleTask(in: .seconds(5)) { [weak self] in self?.assumeIsolated { $0.tryStorageAgain() } }
            return
        }
        commit(
            { _ in },
            then: { messenger, _ in
                messenger.isStorageTroubled = false
                guard let info = messenger.mailDesk.info else { return messenger.resumeAll() }
                // What the server is to be told may be among what was not stored.
                messenger.maintainMail(
                    oneTimeKeysLeft: Int(info.oneTimeKeysLeft),
                    isAnother: messenger.bookkeeping.generation != info.generation)
            })
    }

    /// Reads the state of every conversation from the vault again. Sessions whose envelopes were not stored are closed, so that they come again.
    private func reload() {
        mustReload = true
        // First the epoch, then what is really there.
        epoch = vault.epoch
        do {
            try loadPrekeys()
            for conversation in conversations.values {
                conversation.receiving = []
                conversation.confirming = []
                conversation.stored = []
                conversation.receipts = []
                conversation.unreadable = []
                try load(conversation)
                conversation.session?.close(code: CloseCode.done, reason: "could not store")
            }
            mailDesk.beginAgain()
            mustReload = false
        } catch {
            logger.error("the vault cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: Reading

    /// The conversation with a contact that is stored, read from the vault when it is not in memory yet.
    func conversation(with contact: Contact) -> Conversation? {
        if let known = conversations[contact.peer] { return known }
        guard let row = contact.row else { return nil }
        let conversation = Conversation(
            contact: contact, row: row, ratchet: PeerRatchet(own: home.identity.peerID, peer: contact.peer))
        do {
            try load(conversation)
        } catch {
            logger.error("a conversation cannot be read", metadata: ["reason": "\(error)"])
            events.put(.notice(contact, .storage(error as? VaultError ?? .system(detail: "\(error)"))))
            return nil
        }
        conversations[contact.peer] = conversation
        return conversation
    }

    private func load(_ conversation: Conversation) throws {
        let own = home.identity.peerID
        let peer = conversation.contact.peer
        let row = conversation.row
        conversation.ratchet = try vault.read { reader in
            guard let state = try reader.ratchet(of: row) else { return PeerRatchet(own: own, peer: peer) }
            // A state that cannot be read is one that was lost: the contact is asked for a new session.
            return (try? PeerRatchet(decoding: state, own: own, peer: peer)) ?? PeerRatchet(own: own, peer: peer)
        }
        // Also when the clock was put back since: what is written later has a larger number.
        lastSequence = max(lastSequence, try vault.read { try $0.lastSequence(to: row) })
        if let stored = try vault.read({ try $0.contact(row) }) { conversation.contact = Contact(stored) }
        conversation.outbox = Outbox()
        conversation.adoptedUpTo = 0
        var last: Int64 = 0
        while true {
            let page = try vault.read { try $0.outbox(for: row, after: last, first: 256) }
            for entry in page { conversation.outbox.append(Outbox.Entry(entry)) }
            guard let end = page.last?.row else { return }
            last = end
            conversation.adoptedUpTo = end
        }
    }

    /// Takes in what another process has put into a contact's outbox.
    func adoptForeignEntries(_ conversation: Conversation) throws {
        let knownRows = Set(conversation.outbox.entries.compactMap(\.row))
        while true {
            // Rows grow in the order of commits: what is behind this one was never looked at.
            let page = try vault.read {
                try $0.outbox(for: conversation.row, after: conversation.adoptedUpTo, first: 256)
            }
            for entry in page
            where !knownRows.contains(entry.row) && !conversation.outbox.contains(entry.envelopeID) {
                conversation.outbox.append(Outbox.Entry(entry))
            }
            guard let end = page.last?.row else { return }
            conversation.adoptedUpTo = end
        }
    }

    /// Reads one's own prekeys, or makes them.
    func loadPrekeys() throws {
        let stored = try vault.read { reader -> PrekeySet? in
            // Prekeys that cannot be read are lost: others are made, and published.
            do {
                guard let state = try reader.prekeys() else { return nil }
                return try? PrekeySet(decoding: state, owner: home.identity.peerID)
            } catch VaultError.damaged {
                return nil
            }
        }
        if let stored {
            prekeys = stored
        } else {
            let fresh = try PrekeySet.generate(for: home.identity, now: Home.wallClock())
            try vault.writeAndWait { try $0.setPrekeys(fresh.encode()) }
            prekeys = fresh
        }
        bookkeeping = try vault.read { try $0.mailBookkeeping() }
    }

    /// The ciphertext of an entry, from memory or from the vault; `nil` when it cannot be read.
    func ciphertext(_ entry: Outbox.Entry) -> [UInt8]? {
        if let ciphertext = entry.ciphertext { return ciphertext }
        return (try? vault.read { try $0.outboxEntry(envelope: entry.envelope)?.ciphertext }) ?? nil
    }
}

extension Outbox.Entry {
    /// What the vault has.
    init(_ stored: OutboxEntry) {
        self.init(
            row: stored.row, envelope: stored.envelopeID, messageID: stored.messageID.flatMap { MessageID($0) },
            kind: stored.kind,
            isEncrypted: !stored.ciphertext.isEmpty, isStored: true, isMailed: stored.isMailed,
            ciphertext: stored.ciphertext.isEmpty ? nil : stored.ciphertext)
    }
}
