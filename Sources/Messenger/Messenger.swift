import CSodium
import Dispatch
import Foundation
import ICE
import Identity
package import Logging
package import NIOCore
import Peering
import SignalingClient
import Wire

/// What a front end talks to: contacts in, messages out, and a queue of what happens.
///
/// The actor runs on the event loop that owns the sessions, so that nothing hops between threads on a message's way.
package actor Messenger {
    /// Between attempts to reach a contact that the front end wants, in milliseconds; the last one repeats.
    private static let redialMilliseconds: [Int64] = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000]
    /// Longest text of one message in bytes of UTF-8.
    package static let maximumTextSize = 64 << 10

    package nonisolated let loop: any EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }
    /// What happens, in order. Read it from one task.
    package nonisolated let events = EventQueue<MessengerEvent>()

    let home: Home
    let options: MessengerOptions
    let logger: Logger
    private var node: PeerNode?
    private var iceLoop: ICELoop?
    private var networkMonitor: NetworkMonitor?
    private var claim: OnlineClaim?
    private var book: ContactBook
    private var bookGeneration: UInt64
    private var conversations: [PeerID: Conversation] = [:]
    private var isStopped = false

    /// - Throws: ``HomeError`` when the contact book cannot be read.
    package init(home: Home, options: MessengerOptions, thread: EventThread, logger: Logger) throws {
        self.home = home
        self.options = options
        self.loop = thread.loop
        self.logger = logger
        self.bookGeneration = home.bookGeneration()
        self.book = try home.book()
    }

    /// Goes online.
    ///
    /// - Throws: ``HomeError/inUse(processID:)`` when another process is, ``WireError`` for a server URL that makes no sense.
    package func start() throws {
        guard node == nil, !isStopped else { return }
        claim = try home.goOnline()
        let iceLoop = ICELoop()
        self.iceLoop = iceLoop
        // The node keeps this actor alive until ``stop()``.
        let gatekeeper = Gatekeeper(
            greeting: { peer in self.greeting(for: peer) },
            authorize: { peer, greeting in self.authorize(peer, greeting) },
            isContact: { peer in self.contact(peer) != nil })
        let node = PeerNode(
            identity: home.identity, server: try ServerURL(book.server), trust: options.trust,
            policy: options.policy.policy,
            localAddresses: options.localAddresses, eventLoop: loop, iceLoop: iceLoop, logger: logger,
            wallClock: { Self.wallClock() }, gatekeeper: gatekeeper, handler: { event in self.handle(event) })
        self.node = node
        events.whenDrained { [weak self] in
            guard let self else { return }
            self.loop.execute { self.assumeIsolated { $0.readAll() } }
        }
        networkMonitor = NetworkMonitor { [weak self] in
            guard let self else { return }
            self.loop.execute { self.assumeIsolated { $0.node?.networkChanged() } }
        }
        node.start()
    }

    /// Closes every session, leaves the server and finishes ``events``. Idempotent.
    package func stop() {
        guard !isStopped else { return }
        isStopped = true
        node?.stop()
        node = nil
        networkMonitor?.stop()
        networkMonitor = nil
        iceLoop?.shutdown()
        events.finish()
        claim = nil
    }

    /// Returns when ``stop()`` has taken effect everywhere, so that the thread may be shut down.
    package func settled() async {
        guard let iceLoop else { return }
        await withCheckedContinuation { done in iceLoop.whenEnded { done.resume() } }
    }

    // MARK: What the front end wants

    /// The contact book now.
    package func contacts() -> [Contact] {
        refreshBook()
        return book.contacts
    }

    /// The contact called `name`.
    ///
    /// - Throws: ``ContactError/unknown(name:)``
    package func contact(named name: String) throws -> Contact {
        refreshBook()
        return try book.contact(named: name)
    }

    /// What carries the conversation with a contact now, freshly measured; `nil` while there is no session.
    package func path(to contact: Contact) -> ConversationPath? {
        conversations[contact.peer]?.session?.currentPath.map { ConversationPath($0) }
    }

    /// Messages that nobody has confirmed yet.
    package var undelivered: Int { conversations.values.reduce(0) { $0 + $1.outbox.count } }

    /// Messages that the contact has not confirmed yet.
    package func undelivered(to contact: Contact) -> Int { conversations[contact.peer]?.outbox.count ?? 0 }

    /// Reaches a contact, and again whenever the connection breaks, until ``stop()``.
    package func keepConnected(to contact: Contact, onScreen: Bool) {
        let conversation = conversation(with: contact)
        conversation.isWanted = true
        conversation.session?.setOnScreen(onScreen)
        node?.connect(to: contact.peer, policy: options.policy.policy)
    }

    /// Whether a text can be a message.
    ///
    /// - Throws: ``SendError/empty`` or ``SendError/tooLong(limit:)``.
    package static func check(_ text: String) throws(SendError) {
        guard !text.isEmpty else { throw .empty }
        guard text.utf8.count <= maximumTextSize else { throw .tooLong(limit: maximumTextSize) }
    }

    /// Accepts a message. What becomes of it arrives as ``MessengerEvent/state(_:_:_:reason:)``.
    @discardableResult
    package func send(_ text: String, to contact: Contact) throws(SendError) -> MessageID {
        try Self.check(text)
        var bytes = [UInt8](repeating: 0, count: MessageID.byteCount)
        randombytes_buf(&bytes, bytes.count)
        guard let id = MessageID(bytes) else { throw .empty }
        let conversation = conversation(with: contact)
        try conversation.enqueue(id, text, sentAt: Self.wallClock())
        events.put(.state(id, conversation.contact, .queued, reason: nil))
        flush(conversation)
        if conversation.session == nil { node?.connect(to: contact.peer, policy: options.policy.policy) }
        return id
    }

    /// Takes back what was not delivered yet; it will be reported as failed.
    package func withdraw(_ id: MessageID, to contact: Contact, reason: String) {
        let conversation = conversation(with: contact)
        if conversation.withdraw(id) { events.put(.state(id, conversation.contact, .failed, reason: reason)) }
    }

    /// Asks a contact for a sign of life. The answer arrives as ``MessengerEvent/pong(_:_:roundTripMilliseconds:)``.
    package func ping(_ contact: Contact) {
        let conversation = conversation(with: contact)
        conversation.ping(now: Self.monotonicClock())
        flush(conversation)
    }

    // MARK: Gatekeeping

    private func refreshBook() {
        let generation = home.bookGeneration()
        guard generation != bookGeneration, let fresh = try? home.book() else { return }
        bookGeneration = generation
        book = fresh
        for contact in book.contacts { conversations[contact.peer]?.contact = contact }
    }

    private func contact(_ peer: PeerID) -> Contact? {
        if let known = book.contact(peer) { return known }
        refreshBook()
        return book.contact(peer)
    }

    private func greeting(for peer: PeerID) -> [UInt8] {
        Greeting(peer: home.identity.peerID, token: contact(peer)?.token ?? [], name: book.ownName).encode()
    }

    /// Lets contacts in, and bearers of an invite of ours. Changes nothing: the first handshake message can be replayed, and forged by who stole our
    /// key; only the finished handshake makes somebody a contact (``admitted(_:)``).
    private func authorize(_ peer: PeerID, _ bytes: [UInt8]) -> Bool {
        guard let greeting = Greeting(bytes), greeting.peer == peer else { return false }
        return contact(peer) != nil || book.admits(token: greeting.token, now: Self.wallClockSeconds())
    }

    /// The contact at the other end of a new session: known, or made one by the invite it came with.
    private func admitted(_ session: PeerSession) -> Contact? {
        if let known = contact(session.peer) { return known }
        guard let greeting = Greeting(session.greeting), greeting.peer == session.peer, !session.isDialer else {
            return nil
        }
        do {
            let admitted = try home.update { book -> Contact? in
                guard book.admits(token: greeting.token, now: Self.wallClockSeconds()) else { return nil }
                return book.admit(session.peer, called: greeting.name)
            }
            refreshBook()
            if let admitted { events.put(.contact(admitted)) }
            return admitted
        } catch {
            logger.error("cannot remember a new contact", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    // MARK: What happens

    private func conversation(with contact: Contact) -> Conversation {
        if let known = conversations[contact.peer] { return known }
        let conversation = Conversation(contact: contact, policy: options.policy)
        conversations[contact.peer] = conversation
        return conversation
    }

    private func handle(_ event: PeerEvent) {
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
        case .path(let session, let report):
            guard let conversation = current(session) else { return }
            refreshBook()
            events.put(.path(conversation.contact, ConversationPath(report)))
            flush(conversation)
        case .closed(let session, let end):
            guard let conversation = current(session) else { return }
            conversation.detach()
            interrupted(conversation, reason: end.description)
        case .dialFailed(let peer, let failure):
            guard let conversation = conversations[peer] else { return }
            dialFailed(conversation, failure)
        case .mail, .mailWritable:
            // Nothing is sent to a mailbox yet, and nothing asked of it.
            break
        }
    }

    private func current(_ session: PeerSession) -> Conversation? {
        guard let conversation = conversations[session.peer], conversation.session === session else { return nil }
        return conversation
    }

    private func signaling(_ state: SignalingState) {
        events.put(.server(ServerState(state)))
        guard case .connected = state else { return }
        events.put(.ready(home.identity.peerID))
        for conversation in conversations.values where conversation.session == nil && needsSession(conversation) {
            node?.connect(to: conversation.contact.peer, policy: options.policy.policy)
        }
    }

    private func opened(_ session: PeerSession) {
        refreshBook()
        guard let contact = admitted(session) else { return session.close(code: CloseCode.refused, reason: "") }
        let conversation = conversation(with: contact)
        conversation.attach(session, ownName: book.ownName)
        session.setOnScreen(conversation.isWanted)
        events.put(.online(conversation.contact))
        if let path = session.path { events.put(.path(conversation.contact, ConversationPath(path))) }
        flush(conversation)
        read(conversation)
    }

    private func readAll() {
        for conversation in conversations.values { read(conversation) }
    }

    private func read(_ conversation: Conversation) {
        while conversation.session != nil, conversation.mayRead, !events.isFull {
            do {
                let incoming = try conversation.read()
                for item in incoming { show(item, conversation) }
                flush(conversation)
                if incoming.isEmpty && !conversation.hasMore { return }
            } catch {
                conversation.session?.close(code: CloseCode.protocolError, reason: "malformed frame")
                return
            }
        }
    }

    private func show(_ item: Conversation.Incoming, _ conversation: Conversation) {
        switch item {
        case .message(let id, let sentAt, let text):
            events.put(.message(IncomingMessage(id: id, contact: conversation.contact, text: text, sentAt: sentAt)))
        case .delivered(let id):
            events.put(.state(id, conversation.contact, .delivered, reason: nil))
        case .pong(let sentAt):
            let elapsed = Double(Self.monotonicClock() &- sentAt) / 1_000_000
            let path = conversation.session?.path.map { ConversationPath($0) }
            events.put(.pong(conversation.contact, path, roundTripMilliseconds: elapsed))
        }
    }

    private func flush(_ conversation: Conversation) {
        for id in conversation.flush() { events.put(.state(id, conversation.contact, .sent, reason: nil)) }
    }

    // MARK: Trying again

    private func needsSession(_ conversation: Conversation) -> Bool {
        conversation.isWanted || !conversation.outbox.isEmpty
    }

    private func dialFailed(_ conversation: Conversation, _ failure: DialFailure) {
        let reason = failure.description
        if options.failsWhenAbsent {
            for message in conversation.outbox { withdraw(message.id, to: conversation.contact, reason: reason) }
        }
        interrupted(conversation, reason: reason)
    }

    private func interrupted(_ conversation: Conversation, reason: String) {
        guard !isStopped else { return }
        events.put(.offline(conversation.contact, reason: reason))
        guard needsSession(conversation) else { return }
        let delays = Self.redialMilliseconds
        let delay = delays[min(conversation.redials, delays.count - 1)]
        conversation.redials += 1
        let peer = conversation.contact.peer
        loop.scheduleTask(in: .milliseconds(delay)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.redial(peer) }
        }
    }

    private func redial(_ peer: PeerID) {
        guard !isStopped, let conversation = conversations[peer], conversation.session == nil,
            needsSession(conversation)
        else { return }
        node?.connect(to: conversation.contact.peer, policy: options.policy.policy)
    }

    // MARK: Clocks

    private static func wallClock() -> UInt64 { UInt64(max(0, Date().timeIntervalSince1970 * 1000)) }
    private static func wallClockSeconds() -> Int64 { Int64(wallClock() / 1000) }
    private static func monotonicClock() -> UInt64 { DispatchTime.now().uptimeNanoseconds }
}
