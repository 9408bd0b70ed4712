import Identity
import Logging
import NIOCore
import Peering
import SignalingClient
import Vault
import Wire

// Sessions: who may have one, what happens to it, and trying again.

extension Messenger {
    /// Between attempts to reach a contact that the front end wants, in milliseconds; the last one repeats.
    private static let redialMilliseconds: [Int64] = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000]

    // MARK: Gatekeeping

    func greeting(for peer: PeerID) -> [UInt8] {
        Greeting(peer: home.identity.peerID, token: contact(peer)?.token ?? [], name: book.ownName).encode()
    }

    /// Lets contacts in, and bearers of an invite of ours. Changes nothing: the first handshake message can be replayed, and forged by who stole our
    /// key; only the finished handshake makes somebody a contact (``admitted(_:)``).
    func authorize(_ peer: PeerID, _ bytes: [UInt8]) -> Bool {
        guard let greeting = Greeting(bytes), greeting.peer == peer else { return false }
        if let known = contact(peer), known.state != .requestsUs { return known.isWelcome }
        return book.hasRoomForAdmission
            && (try? home.admits(token: greeting.token, now: Int64(clamping: Home.wallClock() / 1000))) == true
    }

    /// The contact at the other end of a new session: known, or made one by the invite it came with.
    private func admitted(_ session: PeerSession) -> Contact? {
        if let known = contact(session.peer), known.state != .requestsUs { return known.isWelcome ? known : nil }
        guard let greeting = Greeting(session.greeting), greeting.peer == session.peer, !session.isDialer else {
            return nil
        }
        do {
            let admitted = try vault.writeAndWait { [now = Home.wallClock()] in
                try $0.admit(greeting.peer, called: greeting.name, token: greeting.token, now: now)
            }
            refreshBook()
            guard let admitted else { return nil }
            events.put(.contact(admitted))
            // What they had mailed before.
            mailDesk.takeUpEarly()
            scheduleEndOfTurn()
            return admitted
        } catch {
            logger.error("cannot remember a new contact", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    // MARK: What happens

    func handle(_ event: PeerEvent) {
        switch event {
        case .signaling(let state):
            signaling(state)
        case .opened(let session):
            opened(session)
        case .readable(let session):
            if let conversation = current(session) { read(conversation) }
        case .writable(let session):
            guard let conversation = current(session) else { return }
            flush(conversation)
            read(conversation)
        case .stream(let session, let stream, let event):
            handle(event, of: stream, in: session)
        case .path(let session, let report):
            benchmarkPathChanged(in: session)
            guard let conversation = current(session) else { return }
            refreshBook()
            events.put(.path(conversation.contact, ConversationPath(report)))
            flush(conversation)
        case .closed(let session, let end):
            benchmarkSessionClosed(session, reason: end.description)
            guard let conversation = current(session) else { return }
            conversation.detach()
            interrupted(conversation, reason: end.description)
        case .dialFailed(let peer, let failure):
            guard let conversation = conversations[peer] else { return }
            interrupted(conversation, reason: failure.description)
        case .mail(let frame):
            take(frame)
        case .mailWritable:
            sendAcknowledgements()
            readMail()
            for conversation in conversations.values { mailOut(conversation) }
        }
    }

    private func current(_ session: PeerSession) -> Conversation? {
        guard let conversation = conversations[session.peer], conversation.session === session else { return nil }
        return conversation
    }

    private func signaling(_ state: SignalingState) {
        events.put(.server(ServerState(state)))
        mailboxClosed()
        guard case .connected = state else { return }
        events.put(.ready(home.identity.peerID))
        for conversation in conversations.values where conversation.session == nil && needsSession(conversation) {
            dial(conversation)
        }
    }

    private func opened(_ session: PeerSession) {
        refreshBook()
        guard let contact = admitted(session), let conversation = conversation(with: contact) else {
            return session.close(code: CloseCode.refused, reason: "")
        }
        conversation.attach(session, ownName: book.ownName, features: features(for: contact))
        session.setOnScreen(conversation.isWanted)
        introduceOurselves(to: conversation)
        events.put(.online(conversation.contact))
        if let path = session.path { events.put(.path(conversation.contact, ConversationPath(path))) }
        advance(conversation)
        read(conversation)
    }

    // MARK: Trying again

    /// Whether there is something to say that neither the contact nor its mailbox has, or the front end wants the contact reached.
    func needsSession(_ conversation: Conversation) -> Bool {
        conversation.isWanted || conversation.outbox.hasUnmailed
    }

    /// Reaches for a contact, unless there is a session.
    func dial(_ conversation: Conversation) {
        guard conversation.session == nil, !isStopped else { return }
        if conversation.dialedAt == nil { conversation.dialedAt = Self.monotonicClock() }
        // Who has not accepted us does not learn our addresses by our asking.
        let policy = conversation.contact.state == .contact ? options.policy : .relay
        node?.connect(to: conversation.contact.peer, policy: policy.policy)
    }

    private func interrupted(_ conversation: Conversation, reason: String) {
        guard !isStopped else { return }
        conversation.isAbsent = true
        conversation.dialedAt = nil
        events.put(.offline(conversation.contact, reason: reason))
        advance(conversation)
        guard needsSession(conversation), !conversation.isRedialing else { return }
        let delays = Self.redialMilliseconds
        let delay = delays[min(conversation.redials, delays.count - 1)]
        conversation.redials += 1
        conversation.isRedialing = true
        let peer = conversation.contact.peer
        loop.scheduleTask(in: .milliseconds(delay)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.redial(peer) }
        }
    }

    private func redial(_ peer: PeerID) {
        guard let conversation = conversations[peer] else { return }
        conversation.isRedialing = false
        guard !isStopped, conversation.session == nil, needsSession(conversation) else { return }
        dial(conversation)
    }
}
