import Identity
import NIOCore
import NIOWebSocket
import Wire

// Frames for the mailbox, and mail for the client.
extension ConnectionHandler {
    /// How long to wait after trouble with the store.
    private static let troublePause: UInt32 = 5_000
    /// What answers may take that a client does not read; beyond, it is not read from either.
    private static let unreadAnswers = 128 * 1024
    /// What an answer takes beside its bytes.
    private static let answerOverhead = 256

    /// Takes a whole message for the mailbox.
    func receiveMail(_ message: ByteBuffer, now: NIODeadline) {
        guard let mailbox = server.mailbox else { return server.metrics.unknown.add() }
        let decoded: MailFrame?
        do {
            decoded = try MailFrame.decode(Array(message.readableBytesView))
        } catch {
            return close(.protocolError, reason: "malformed frame of the mailbox")
        }
        guard let frame = decoded else { return server.metrics.unknown.add() }
        guard !frame.isFromServer else { return close(.protocolError, reason: "a frame that does not belong here") }
        guard let peer = session?.peer, let handler = bound else { return }
        if case .acknowledge(let mails) = frame {
            return delete(session?.mail?.window.acknowledge(mails) ?? [], from: mailbox)
        }
        let cost = message.readableBytes
        guard let request = frame.request, admit(frame, request, cost: cost, now: now) else { return }
        let answer = Answer(request: request, cost: cost, handler: handler)
        switch frame {
        case .mail(_, let recipient, let capability, let envelope):
            guard let digest = try? Capability.digest(of: capability) else {
                return close(.protocolError, reason: "malformed frame of the mailbox")
            }
            store(NewMail(recipient: recipient, capability: digest, envelope: envelope), in: mailbox, answer)
        case .requestMail(_, let recipient, let envelope):
            store(NewMail(recipient: recipient, capability: nil, envelope: envelope), in: mailbox, answer)
        case .publishPrekeys(_, let publication):
            publish(publication, of: peer, in: mailbox, answer)
        case .fetchPrekeys(_, let owner, let capability):
            let digest = capability == MailFrame.noCapability ? nil : try? Capability.digest(of: capability)
            mailbox.bundle(of: owner, capability: digest) { result in
                answer.send(result.map { .prekeys(request: request, bundle: $0) })
            }
        case .capabilities(_, let operation, let digests):
            change(operation, digests, of: peer, in: mailbox, answer)
        default:
            break
        }
    }

    /// Whether a request may go on; says why not.
    private func admit(_ frame: MailFrame, _ request: UInt32, cost: Int, now: NIODeadline) -> Bool {
        do {
            try session?.mail?.begin(frame, cost: cost, now: now)
        } catch {
            refuse(request, .tooFast, retryAfter: Self.milliseconds(error.retryAfter))
            return false
        }
        if case .requestMail = frame, let address = context?.remoteAddress?.wireAddress,
            let retryAfter = server.strangers?.refuse(AddressKey(address), now: now)
        {
            session?.mail?.end(cost: cost)
            refuse(request, .tooFast, retryAfter: Self.milliseconds(retryAfter))
            return false
        }
        return true
    }

    private static func milliseconds(_ time: TimeAmount) -> UInt32 {
        UInt32(clamping: max(1, (time.nanoseconds + 999_999) / 1_000_000))
    }

    // MARK: Requests

    private func store(_ mail: NewMail, in mailbox: any Mailbox, _ answer: Answer) {
        let (router, metrics, recipient) = (server.router, server.metrics, mail.recipient)
        mailbox.store(mail) { result in
            if case .success(.stored) = result {
                metrics.mailStored.add()
                router.announceMail(to: recipient)
            }
            answer.send(
                result.map { verdict in
                    switch verdict {
                    case .stored: .stored(request: answer.request)
                    case .refused(let reason):
                        .refused(
                            request: answer.request, reason: reason,
                            retryAfter: reason == .storeTrouble ? Self.troublePause : 0)
                    }
                })
        }
    }

    private func publish(_ publication: [UInt8], of peer: PeerKey, in mailbox: any Mailbox, _ answer: Answer) {
        guard let layout = try? PrekeyPublicationLayout(decoding: publication), layout.peer == peer else {
            return close(.protocolError, reason: "malformed publication of prekeys")
        }
        mailbox.publish(layout) { result in answer.send(result.map { .done(request: answer.request) }) }
    }

    private func change(
        _ operation: CapabilityOperation, _ digests: [CapabilityDigest], of peer: PeerKey, in mailbox: any Mailbox,
        _ answer: Answer
    ) {
        let staged = session?.mail?.staged
        let change: CapabilityChange
        switch (operation, staged) {
        case (.replace, _): return stage(Set(digests), answer)
        case (.add, let staged?): return stage(staged.union(digests), answer)
        case (.remove, let staged?): return stage(staged.subtracting(digests), answer)
        case (.add, nil): change = .add(digests)
        case (.remove, nil): change = .remove(digests)
        case (.commit, let staged?):
            session?.mail?.staged = nil
            change = .replace(Array(staged.union(digests)))
        case (.commit, nil):
            // Its beginning was refused, or never came.
            return finish(.refused(request: answer.request, reason: .tooFast, retryAfter: 1_000), cost: answer.cost)
        }
        mailbox.change(change, of: peer) { result in answer.send(result.map { Self.verdict($0, answer.request) }) }
    }

    private func stage(_ digests: Set<CapabilityDigest>, _ answer: Answer) {
        let isPossible = digests.count <= (server.configuration.mailbox?.limits.capabilities ?? 0)
        session?.mail?.staged = isPossible ? digests : nil
        finish(Self.verdict(isPossible, answer.request), cost: answer.cost)
    }

    private static func verdict(_ isDone: Bool, _ request: UInt32) -> MailFrame {
        isDone ? .done(request: request) : .refused(request: request, reason: .senderQuota, retryAfter: 0)
    }

    // MARK: Answers

    /// How a request is answered from the mailbox's thread.
    struct Answer: Sendable {
        let request: UInt32
        let cost: Int
        let handler: NIOLoopBound<ConnectionHandler>

        func send(_ result: Result<MailFrame, MailboxError>) {
            let frame: MailFrame
            switch result {
            case .success(let answer): frame = answer
            case .failure(.overloaded): frame = .refused(request: request, reason: .tooFast, retryAfter: 1_000)
            case .failure:
                frame = .refused(
                    request: request, reason: .storeTrouble, retryAfter: ConnectionHandler.troublePause)
            }
            handler.eventLoop.execute { handler.value.finish(frame, cost: cost) }
        }
    }

    private var bound: NIOLoopBound<ConnectionHandler>? {
        session.map { NIOLoopBound(self, eventLoop: $0.outbox.eventLoop) }
    }

    /// A request that was let in has its answer.
    func finish(_ frame: MailFrame, cost: Int) {
        guard phase == .active else { return }
        session?.mail?.end(cost: cost)
        if case .refused = frame { server.metrics.mailRefused.add() }
        answer(frame)
    }

    private func refuse(_ request: UInt32, _ reason: MailRefusal, retryAfter: UInt32) {
        server.metrics.mailRefused.add()
        answer(.refused(request: request, reason: reason, retryAfter: retryAfter))
    }

    /// Writes an answer. They are flushed together; a client that does not read them is not read from until it does.
    private func answer(_ frame: MailFrame) {
        guard let context, let bytes = try? frame.encode() else { return }
        let size = bytes.count + Self.answerOverhead
        let wasPaused = hasUnreadAnswers
        unreadAnswers += size
        if hasUnreadAnswers, !wasPaused { server.metrics.mailPauses.add() }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.answerLeft(size) }
        queue(ServerFrame.make(.binary, bytes), promise: written)
        flushSoon()
    }

    private func answerLeft(_ size: Int) {
        let wasPaused = hasUnreadAnswers
        unreadAnswers -= size
        if wasPaused, !hasUnreadAnswers { resumeReading() }
    }

    /// Whether so many answers lie here that no more requests are read.
    var hasUnreadAnswers: Bool { unreadAnswers > Self.unreadAnswers }

    /// Flushes once for everything that is written until then.
    private func flushSoon() {
        guard !isFlushPlanned, let context else { return }
        isFlushPlanned = true
        context.eventLoop.assumeIsolated().execute { [weak self] in
            self?.isFlushPlanned = false
            self?.context?.flush()
        }
    }

    // MARK: Mail for the client

    /// Says what there is, and then pushes it. Called after the login, and again when the store failed.
    func announceMailbox() {
        guard phase == .active, session?.mail?.announcement == .due, let mailbox = server.mailbox,
            let peer = session?.peer, let handler = bound
        else { return }
        session?.mail?.announcement = .asked
        mailbox.greet(peer) { result in
            handler.eventLoop.execute { handler.value.announce(try? result.get()) }
        }
    }

    private func announce(_ summary: MailboxSummary?) {
        guard phase == .active, let limits = server.configuration.mailbox?.limits else { return }
        guard let summary else {
            session?.mail?.announcement = .due
            return
        }
        session?.mail?.announcement = .done
        answer(
            .mailbox(
                MailboxInfo(
                    waiting: UInt32(clamping: summary.waiting),
                    oneTimeKeysLeft: UInt16(clamping: summary.oneTimeKeysLeft),
                    timeToLive: UInt32(clamping: limits.timeToLive), quota: UInt32(clamping: limits.recipient.bytes),
                    generation: summary.generation)))
        session?.mail?.window.wake()
        fetchMail()
    }

    /// There is new mail in the store.
    func mailCame() {
        guard phase == .active else { return }
        session?.mail?.window.wake()
        fetchMail()
    }

    /// Asks for as much as may be pushed, once what was asked for has been written.
    func fetchMail() {
        guard let mailbox = server.mailbox, let context, context.channel.isWritable, let peer = session?.peer,
            session?.mail?.announcement == .done, let handler = bound,
            let request = session?.mail?.window.nextRequest()
        else { return }
        mailbox.fetch(for: peer, after: request.after, items: request.items, bytes: request.bytes) { result in
            handler.eventLoop.execute { handler.value.fetched(try? result.get()) }
        }
    }

    private func fetched(_ slice: MailSlice?) {
        guard phase == .active else { return }
        session?.mail?.window.fetched(slice)
        // What failed is asked for again by the loop's timer.
        if slice != nil { drain() }
    }

    /// The next mails as they are written.
    func takeMail(maximumBytes: Int) -> [ByteBuffer] {
        guard session?.mail != nil else { return [] }
        return (session?.mail?.window.take(maximumBytes: maximumBytes) ?? []).compactMap { mail in
            let frame = MailFrame.item(mail: mail.id, storedAt: mail.storedAt, envelope: mail.envelope)
            return (try? frame.encode()).map { ServerFrame.make(.binary, $0) }
        }
    }

    private func delete(_ mails: [UInt64], from mailbox: any Mailbox) {
        guard !mails.isEmpty, let peer = session?.peer, let handler = bound else { return }
        let metrics = server.metrics
        mailbox.delete(mails, of: peer) { result in
            if case .success(let count) = result { metrics.mailDelivered.add(count) }
            handler.eventLoop.execute { handler.value.deleted(mails, failed: (try? result.get()) == nil) }
        }
    }

    private func deleted(_ mails: [UInt64], failed: Bool) {
        guard phase == .active else { return }
        guard !failed else {
            session?.mail?.window.notDeleted(mails)
            return
        }
        session?.mail?.window.deleted(mails)
        fetchMail()
    }

    /// Tries again what the store has refused; called by the loop's timer.
    func retryMail() {
        guard let mailbox = server.mailbox, session?.mail != nil else { return }
        announceMailbox()
        delete(session?.mail?.window.takeUndeleted() ?? [], from: mailbox)
        fetchMail()
    }
}
