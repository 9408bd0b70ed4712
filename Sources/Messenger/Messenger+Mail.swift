import CSodium
import Dispatch
import Identity
import NIOCore
import Peering
import Ratchet
import Vault
import Wire

// The own server's mailbox: what the server keeps for us comes in here, and what a contact is not there for goes out. docs/protocol/mailbox.md.

extension Messenger {
    /// How long an attempt to reach a contact may take before the mailbox gets what waits, in nanoseconds.
    static let patience: UInt64 = 3_000_000_000
    /// How long a session may owe us its word before the mailbox gets everything too, in nanoseconds.
    static let hedgeDelay: UInt64 = 5_000_000_000
    /// Milliseconds after which everything that waits is given to the mailbox anew: it does not keep mail for ever.
    static let renewal: UInt64 = 25 * 86_400_000

    func take(_ frame: MailFrame) {
        switch frame {
        case .mailbox(let info): opened(info)
        case .item(let mail, _, let envelope):
            mailDesk.take(MailDesk.Item(mail: mail, envelope: envelope))
            readMail()
        case .stored(let request):
            if case .mail(let conversation, let envelope)? = mailDesk.answered(request) {
                mailed(envelope, to: conversation)
            }
        case .refused(let request, let reason, let retryAfter):
            if let request = mailDesk.answered(request) { refused(request, reason, retryAfter) }
        case .prekeys(let request, let bundle):
            if case .prekeys(let conversation)? = mailDesk.answered(request) { fetched(bundle, of: conversation) }
        case .done(let request):
            if let request = mailDesk.answered(request) { done(request) }
        default:
            break
        }
    }

    func mailboxClosed() {
        mailDesk.close()
        for conversation in conversations.values {
            conversation.mail.outstanding = []
            conversation.prekeyRequest.outstanding = nil
        }
    }

    /// The server keeps mail. Tells it what it does not know, and gives it what waits.
    private func opened(_ info: MailboxInfo) {
        guard mailDesk.open(info) else { return }
        events.put(.mailbox(waiting: Int(info.waiting)))
        maintainMail(oneTimeKeysLeft: Int(info.oneTimeKeysLeft), isAnother: bookkeeping.generation != info.generation)
    }

    /// Renews what the server must know, and what was mailed long ago.
    ///
    /// - Parameter isAnother: the server has lost all of it.
    func maintainMail(oneTimeKeysLeft: Int, isAnother: Bool) {
        let now = Home.wallClock()
        let isOld = now &- min(now, bookkeeping.renewedAt) > Self.renewal
        if isAnother {
            try? prekeys.startAfresh(now: now)
            bookkeeping.capabilitiesDigest = []
            bookkeeping.generation = mailDesk.info?.generation
        }
        _ = try? prekeys.maintain(for: home.identity, now: now, oneTimeLeftOnServer: oneTimeKeysLeft)
        if isAnother || isOld {
            bookkeeping.renewedAt = now
            for conversation in conversations.values { conversation.outbox.nothingIsMailed() }
        }
        commit(
            { [prekeys, bookkeeping] transaction in
                try transaction.setPrekeys(prekeys.encode())
                try transaction.setMailBookkeeping(bookkeeping)
                if isAnother || isOld { try transaction.setNothingMailed() }
            },
            then: { messenger, _ in
                messenger.publishPrekeys()
                messenger.registerCapabilities()
                messenger.resumeAll()
            })
    }

    // MARK: What others need to reach us

    /// Gives the server new prekeys, when there are some that it does not have. They are stored by now.
    ///
    /// To sign them takes as long as to reach a contact, so that is done elsewhere.
    func publishPrekeys() {
        guard mailDesk.info != nil, !mailDesk.isPublicationUnderWay, prekeys.needsPublishing else { return }
        mailDesk.isPublicationUnderWay = true
        pendingCommits += 1
        DispatchQueue.global().async { [self, prekeys, identity = home.identity] in
            let publication = try? prekeys.publication(for: identity)
            loop.execute {
                self.assumeIsolated { messenger in
                    messenger.pendingCommits -= 1
                    messenger.publish(publication)
                }
            }
        }
    }

    private func publish(_ publication: PrekeyPublication?) {
        mailDesk.isPublicationUnderWay = false
        guard mailDesk.info != nil, let publication else { return }
        let request = mailDesk.number(.publication(publication))
        mailDesk.isPublicationUnderWay =
            node?.sendMail(
                .publishPrekeys(request: request, publication: publication.encode())) == true
        if !mailDesk.isPublicationUnderWay { mailDesk.askAgainLater(now: Self.monotonicClock()) }
    }

    /// Somebody uses prekeys that we do not have, as after a backup was put back: whoever begins from now on gets others.
    func publishFreshPrekeys() {
        guard refreshments.take(now: Self.monotonicClock()), (try? prekeys.startAfresh(now: Home.wallClock())) != nil
        else { return }
        commit(
            { [prekeys] in try $0.setPrekeys(prekeys.encode()) }, then: { messenger, _ in messenger.publishPrekeys() })
    }

    /// Tells the server whose mail we take, when that is not what it was told last.
    func registerCapabilities() {
        guard mailDesk.info != nil, !mailDesk.areCapabilitiesUnderWay else { return }
        let digests = capabilityDigests()
        let digest = Self.digest(of: digests)
        guard digest != bookkeeping.capabilitiesDigest else { return }
        var parts = stride(from: 0, to: digests.count, by: MailFrame.maximumDigests).map {
            Array(digests[$0..<min($0 + MailFrame.maximumDigests, digests.count)])
        }
        let last = parts.popLast() ?? []
        var operation = CapabilityOperation.replace
        var isSent = true
        // The answers to all but the last are of no interest.
        for part in [[]] + parts {
            let request = mailDesk.number(.capabilities([]))
            isSent =
                isSent
                && node?.sendMail(.capabilities(request: request, operation: operation, digests: part)) == true
            operation = .add
        }
        let request = mailDesk.number(.capabilities(digest))
        mailDesk.areCapabilitiesUnderWay =
            isSent && node?.sendMail(.capabilities(request: request, operation: .commit, digests: last)) == true
        if !mailDesk.areCapabilitiesUnderWay { mailDesk.askAgainLater(now: Self.monotonicClock()) }
    }

    private func capabilityDigests() -> [CapabilityDigest] {
        var digests: [CapabilityDigest] = []
        for contact in book.contacts where contact.isWelcome {
            let capability = contact.ourCapability ?? conversations[contact.peer]?.contact.ourCapability
            if let capability, let digest = try? Capability.digest(of: capability) { digests.append(digest) }
        }
        let now = Int64(clamping: Home.wallClock() / 1000)
        for invite in (try? home.invites()) ?? [] where invite.use(now: now) == .admitted {
            if let digest = try? CapabilityDigest(invite.capabilityDigest) { digests.append(digest) }
        }
        return digests
    }

    private static func digest(of digests: [CapabilityDigest]) -> [UInt8] {
        var input: [UInt8] = [UInt8(truncatingIfNeeded: digests.count)]
        for bytes in digests.map(\.bytes).sorted(by: { $0.lexicographicallyPrecedes($1) }) { input += bytes }
        var digest = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&digest, digest.count, input, UInt64(input.count), nil, 0)
        return digest
    }

    private func done(_ request: MailDesk.Request) {
        switch request {
        case .publication(let publication):
            mailDesk.isPublicationUnderWay = false
            prekeys.published(publication)
            bookkeeping.prekeysPublishedAt = Home.wallClock()
        case .capabilities(let digest) where !digest.isEmpty:
            mailDesk.areCapabilitiesUnderWay = false
            bookkeeping.capabilitiesDigest = digest
        default:
            return
        }
        commit(
            { [prekeys, bookkeeping] transaction in
                try transaction.setPrekeys(prekeys.encode())
                try transaction.setMailBookkeeping(bookkeeping)
            },
            then: { messenger, _ in
                // Meanwhile there may be more to tell.
                messenger.publishPrekeys()
                messenger.registerCapabilities()
            })
    }

    // MARK: What we need to reach others

    /// Asks the server for a contact's prekeys.
    func fetchPrekeys(_ conversation: Conversation) {
        let now = Self.monotonicClock()
        guard mailDesk.info != nil, conversation.prekeyRequest.outstanding == nil,
            conversation.prekeyRequest.notBefore <= now, options.policy != .direct
        else { return }
        let postage: [UInt8]
        if let known = conversation.contact.postage {
            postage = known
        } else if conversation.contact.state == .requestedByUs {
            postage = MailFrame.noCapability
        } else {
            return
        }
        let request = mailDesk.number(.prekeys(of: conversation))
        let isSent = node?.sendMail(
            .fetchPrekeys(request: request, peer: conversation.contact.peer.key, capability: postage))
        if isSent == true { conversation.prekeyRequest.outstanding = request } else { _ = mailDesk.answered(request) }
    }

    private func fetched(_ bundle: [UInt8], of conversation: Conversation) {
        conversation.prekeyRequest.outstanding = nil
        if !bundle.isEmpty { take(prekeys: bundle, of: conversation) }
        guard !conversation.ratchet.canSend else { return }
        // The contact has never been here, or what the server has is no use: later.
        conversation.prekeyRequest.notBefore =
            Self.monotonicClock() &+ Self.backoff(conversation.prekeyRequest.failures)
        conversation.prekeyRequest.failures += 1
    }

    // MARK: Out

    /// Gives the mailbox what waits for an absent contact, in order: texts many at a time, since a refusal that changes their order is put right by the receiver;
    /// what changes something alone.
    func mailOut(_ conversation: Conversation) {
        let now = Self.monotonicClock()
        guard mailDesk.info != nil, options.policy != .direct, usesMail(conversation, now: now) else { return }
        // Who has not accepted us takes nothing but the request.
        let only = conversation.contact.postage == nil ? MessageContent.requestKind : nil
        while conversation.mail.mayGo, conversation.mail.notBefore <= now,
            let entry = conversation.outbox.nextToMail(besides: conversation.mail.outstanding, only: only),
            conversation.mail.mayFollow(entry), let frame = mailFrame(entry, conversation)
        {
            let request = mailDesk.number(.mail(to: conversation, envelope: entry.envelope))
            guard node?.sendMail(frame(request)) == true else {
                _ = mailDesk.answered(request)
                return
            }
            conversation.mail.outstanding.insert(entry.envelope)
            conversation.mail.isAlone = entry.kind != StoredMessage.textKind
        }
    }

    /// Whether the contact is not there to take it from us directly.
    private func usesMail(_ conversation: Conversation, now: UInt64) -> Bool {
        if conversation.session != nil { return conversation.isHedging }
        return conversation.isAbsent || conversation.dialedAt.map { now &- $0 > Self.patience } ?? true
    }

    private func mailFrame(_ entry: Outbox.Entry, _ conversation: Conversation) -> ((UInt32) -> MailFrame)? {
        let peer = conversation.contact.peer
        let isRequest = conversation.contact.state == .requestedByUs
        // Who has not accepted us takes nothing but the request.
        let postage = conversation.contact.postage
        guard postage != nil || (isRequest && entry.kind == MessageContent.requestKind),
            let ciphertext = ciphertext(entry),
            let sealed = try? MailSeal.seal(ciphertext, from: home.identity, to: peer)
        else { return nil }
        if let postage {
            return { .mail(request: $0, recipient: peer.key, capability: postage, envelope: sealed) }
        }
        return { .requestMail(request: $0, recipient: peer.key, envelope: sealed) }
    }

    /// The mailbox has it on its disk.
    private func mailed(_ envelope: [UInt8], to conversation: Conversation) {
        conversation.mail.outstanding.remove(envelope)
        conversation.mail.failures = 0
        conversation.outbox.mailed(envelope)
        let row = conversation.row
        let peer = conversation.contact.peer
        commit(
            { transaction -> (id: MessageID?, isGone: Bool) in
                guard let entry = try transaction.setMailed(envelope: envelope) else { return (nil, true) }
                if MessageContent.isForgottenOnceMailed(entry.kind) {
                    try transaction.removeOutbox(envelope: envelope)
                    return (nil, true)
                }
                guard let id = entry.messageID, entry.kind == StoredMessage.textKind,
                    try transaction.advanceMessage(row, id: id, to: .sent)
                else { return (nil, false) }
                return (MessageID(id), false)
            },
            then: { messenger, outcome in
                guard let conversation = messenger.conversations[peer] else { return }
                if outcome.isGone { conversation.outbox.remove([envelope]) }
                if let id = outcome.id { messenger.events.put(.state(id, conversation.contact, .sent, reason: nil)) }
                messenger.advance(conversation)
            })
        mailOut(conversation)
    }

    private func refused(_ request: MailDesk.Request, _ reason: MailRefusal, _ retryAfter: UInt32) {
        let wait = UInt64(retryAfter) * 1_000_000
        let now = Self.monotonicClock()
        switch request {
        case .mail(let conversation, let envelope):
            conversation.mail.outstanding.remove(envelope)
            // Those that were under way together are refused together.
            guard conversation.mail.notBefore <= now else { return }
            conversation.mail.notBefore = now &+ max(wait, Self.backoff(conversation.mail.failures))
            if conversation.mail.failures == 0, let text = reason.explanation {
                events.put(.notice(conversation.contact, .mailRefused(text)))
            }
            conversation.mail.failures += 1
        case .prekeys(let conversation):
            conversation.prekeyRequest.outstanding = nil
            conversation.prekeyRequest.notBefore = now &+ max(wait, Self.backoff(conversation.prekeyRequest.failures))
            conversation.prekeyRequest.failures += 1
        case .publication:
            mailDesk.isPublicationUnderWay = false
            mailDesk.askAgainLater(now: now)
        case .capabilities:
            mailDesk.areCapabilitiesUnderWay = false
            mailDesk.askAgainLater(now: now)
        }
    }

    /// Nanoseconds to wait after so many failures: 1 s, doubling up to a minute.
    private static func backoff(_ failures: Int) -> UInt64 { UInt64(1 << min(failures, 6)) * 1_000_000_000 }

    // MARK: In

    /// Looks at the mail that came, as fast as it can be stored and the front end takes it.
    func readMail() {
        while !mailDesk.isHeld, !events.isFull, !isStorageTroubled,
            mailDesk.processing.count < Conversation.receivingLimit,
            mailDesk.acknowledgements.count < MailDesk.limit, let item = mailDesk.next()
        {
            guard let opened = item.opened ?? opened(item.envelope) else {
                // No version of ours can ever read it.
                acknowledge(item.mail)
                continue
            }
            guard let contact = contact(opened.sender), contact.state != .requestsUs else {
                takeFromStranger(MailDesk.Item(mail: item.mail, envelope: item.envelope, opened: opened), opened)
                continue
            }
            guard contact.isWelcome, let conversation = conversation(with: contact) else {
                // Shut out by the user.
                acknowledge(item.mail)
                continue
            }
            take(opened.ciphertext, from: conversation, by: .mail(item.mail))
        }
    }

    private func opened(_ envelope: [UInt8]) -> (ciphertext: [UInt8], sender: PeerID)? {
        guard let opened = try? MailSeal.open(envelope, recipient: home.identity) else { return nil }
        return (opened.ciphertext, opened.sender)
    }

    /// The server may delete the mail: what it says is stored, with the receipt for it, or of no use.
    func acknowledge(_ mail: UInt64) {
        mailDesk.acknowledge(mail)
        scheduleEndOfTurn()
    }

    func sendAcknowledgements() {
        while !mailDesk.acknowledgements.isEmpty, mailDesk.info != nil {
            let part = Array(mailDesk.acknowledgements.prefix(MailFrame.maximumAcknowledged))
            guard node?.sendMail(.acknowledge(mails: part)) == true else { return }
            mailDesk.acknowledgements.removeFirst(part.count)
        }
    }
}

extension MessageContent {
    /// The number of a contact request.
    static let requestKind: UInt8 = 6

    /// Whether nothing is lost when the mailbox has it and it is forgotten: receipts are sent again when what they speak of comes again, and strangers confirm nothing.
    static func isForgottenOnceMailed(_ kind: UInt8) -> Bool { [5, requestKind].contains(kind) }
}

extension MailRefusal {
    /// For people; `nil` for what is normal and passes.
    fileprivate var explanation: String? {
        switch self {
        case .unknownRecipient: "the server does not know them"
        case .capabilityRefused: "they do not accept mail from you"
        case .mailboxFull: "their mailbox is full"
        case .senderQuota: "too much of yours waits in their mailbox"
        case .tooFast: nil
        default: "the server cannot store mail now"
        }
    }
}
