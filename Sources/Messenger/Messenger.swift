import Dispatch
import Foundation
import ICE
import Identity
package import Logging
package import NIOCore
import Peering
import PortMapping
import Ratchet
import SignalingClient
import Vault
import Wire

/// What a front end talks to: contacts in, messages out, and a queue of what happens.
///
/// The actor runs on the event loop that owns the sessions, so that nothing hops between threads on a message's way but to the disk. What it does is told in extensions, one
/// file each: Outgoing, Incoming, Mail, Strangers, Sessions, Storage, Messages.
package actor Messenger {
    package nonisolated let loop: any EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }
    /// What happens, in order. Read it from one task.
    package nonisolated let events = EventQueue<MessengerEvent>()

    nonisolated let home: Home
    nonisolated let vault: Vault
    nonisolated let options: MessengerOptions
    nonisolated let logger: Logger
    var node: PeerNode?
    private var iceLoop: ICELoop?
    private var networkMonitor: NetworkMonitor?
    private var portMapper: PortMapper?
    private var claim: OnlineClaim?
    private var housekeeping: RepeatedTask?
    var book: ContactBook
    private var bookGeneration: Int64
    var conversations: [PeerID: Conversation] = [:]
    private(set) var isStopped = false
    var benchmarks = Benchmarks()

    // MARK: Storing
    var epoch: VaultEpoch
    var pendingCommits = 0
    var storageRetries = 0
    /// When the vault failed last, in nanoseconds.
    var storageFailedAt: UInt64 = 0
    /// What is in memory is not what is stored, and could not be read: until it is, nothing is stored.
    var mustReload = false
    /// The vault fails: nothing more is taken in until it does not.
    var isStorageTroubled = false
    var prekeys: PrekeySet
    var bookkeeping = MailBookkeeping()
    var lastSequence: UInt64 = 0
    /// When the next message disappears, in milliseconds since 1970.
    var nextExpiry: UInt64?

    // MARK: Turns and mail
    var unfinished: Set<PeerID> = []
    /// The book or the outbox was changed: what waits in it must be looked at.
    var isWaitingUnread = false
    /// When what grows old was looked after last, in nanoseconds.
    var maintainedAt: UInt64 = 0
    var isTurnEnding = false
    var mailDesk = MailDesk()
    /// Bounds the public-key work that strangers cause.
    var strangers = RefillingBudget(capacity: 64, secondsEach: 0.1)
    /// Bounds how often others can make us publish new prekeys: once an hour.
    var refreshments = RefillingBudget(capacity: 1, secondsEach: 3_600)

    /// - Throws: ``HomeError`` or ``VaultError`` when the home cannot be read.
    package init(home: Home, options: MessengerOptions, thread: EventThread, logger: Logger) throws {
        self.home = home
        self.vault = home.vault
        self.options = options
        self.loop = thread.loop
        self.logger = logger
        bookGeneration = home.bookGeneration()
        book = try home.book()
        epoch = home.vault.epoch
        // Replaced by the stored ones in ``start()``: before the home is claimed they may be another process's to change.
        prekeys = try PrekeySet.generate(for: home.identity, now: Home.wallClock())
    }

    /// Goes online, and begins to deliver what waits.
    ///
    /// - Throws: ``HomeError/inUse(processID:)`` when another process is, ``VaultError``, ``WireError`` for a server URL that makes no sense.
    package func start() throws {
        guard node == nil, !isStopped else { return }
        claim = try home.goOnline()
        // Until now another process may have advanced what is stored.
        epoch = vault.epoch
        try drawConsequencesOfRestoration()
        try loadPrekeys()
        nextExpiry = try vault.read { try $0.nextExpiry() }
        refreshBook()
        let iceLoop = ICELoop()
        self.iceLoop = iceLoop
        // The node keeps this actor alive until ``stop()``.
        let gatekeeper = Gatekeeper(
            greeting: { peer in self.greeting(for: peer) },
            authorize: { peer, greeting in self.authorize(peer, greeting) },
            isContact: { peer in self.contact(peer)?.isWelcome == true })
        let isMapping = options.mapsPorts && options.policy.policy != .relay
        let portMapper = isMapping ? PortMapper(helper: options.gatewayHelper) : nil
        self.portMapper = portMapper
        let node = PeerNode(
            identity: home.identity, server: try ServerURL(book.server), trust: options.trust,
            policy: options.policy.policy,
            localAddresses: options.localAddresses, cipher: options.cipher, portMapper: portMapper,
            searchesPorts: options.searchesPorts, eventLoop: loop, iceLoop: iceLoop, logger: logger,
            wallClock: { Home.wallClock() }, gatekeeper: gatekeeper, handler: { event in self.handle(event) })
        self.node = node
        try loadWaiting()
        events.whenDrained { [weak self] in
            guard let self else { return }
            self.loop.execute { self.assumeIsolated { $0.resumeAll() } }
        }
        networkMonitor = NetworkMonitor { [weak self] in
            guard let self else { return }
            self.loop.execute { self.assumeIsolated { $0.node?.networkChanged() } }
        }
        housekeeping = loop.scheduleRepeatedTask(initialDelay: .milliseconds(250), delay: .milliseconds(250)) {
            [weak self] _ in self?.assumeIsolated { $0.keepHouse() }
        }
        node.start()
    }

    /// A home that was put back from a backup has ratchet states that its contacts have left behind.
    private func drawConsequencesOfRestoration() throws {
        guard try vault.read({ try $0.wasRestored() }) else { return }
        let own = home.identity
        let contacts = book.contacts
        try vault.writeAndWait { transaction in
            for contact in contacts {
                guard let row = contact.row, let state = try transaction.ratchet(of: row),
                    let ratchet = try? PeerRatchet(decoding: state, own: own.peerID, peer: contact.peer)
                else { continue }
                try transaction.setRatchet(ratchet.abandoning().encode(), for: row)
            }
            // What the contacts were told since by which their mail reaches us is not known: they are told anew.
            for contact in contacts where contact.state == .contact {
                guard let row = contact.row, var stored = try transaction.contact(row) else { continue }
                stored.ourCapability = nil
                try transaction.updateContact(stored)
            }
            if let state = try transaction.prekeys(),
                var prekeys = try? PrekeySet(decoding: state, owner: own.peerID)
            {
                try prekeys.startAfresh(now: Home.wallClock())
                try transaction.setPrekeys(prekeys.encode())
            }
            try transaction.setMailBookkeeping(MailBookkeeping())
            try transaction.setNothingMailed()
            try transaction.acknowledgeRestoration()
        }
        events.put(.notice(nil, .restored))
    }

    /// Closes every session, leaves the server and finishes ``events``. Idempotent.
    package func stop() {
        guard !isStopped else { return }
        isStopped = true
        node?.stop()
        node = nil
        networkMonitor?.stop()
        networkMonitor = nil
        housekeeping?.cancel()
        housekeeping = nil
        stopTicking()
        iceLoop?.shutdown()
        events.finish()
    }

    /// Returns when ``stop()`` has taken effect everywhere and everything is on the disk, so that the thread may be shut down, and another process may go online.
    package func settled() async {
        if let iceLoop {
            await withCheckedContinuation { done in iceLoop.whenEnded { done.resume() } }
        }
        if let portMapper {
            await withCheckedContinuation { done in portMapper.stop { done.resume() } }
        }
        // Units are done in order, and their completions come to this loop in order.
        while pendingCommits > 0 { _ = try? await vault.write { _ in } }
        claim = nil
    }

    // MARK: The contact book

    /// The contact book now.
    package func contacts() -> [Contact] {
        refreshBook()
        return book.contacts
    }

    /// The contact called `name`, whom one may write to.
    ///
    /// - Throws: ``ContactError/unknown(name:)``, ``ContactError/blocked(name:)``, ``ContactError/notAccepted(name:)``.
    package func contact(named name: String) throws(ContactError) -> Contact {
        refreshBook()
        return try book.recipient(named: name)
    }

    func contact(_ peer: PeerID) -> Contact? {
        if let known = book.contact(peer) { return known }
        refreshBook()
        return book.contact(peer)
    }

    /// Takes over what this or another process has changed in the book, and what another has put into the outbox.
    func refreshBook() {
        let generation = home.bookGeneration()
        guard generation != bookGeneration, let fresh = try? home.book() else { return }
        bookGeneration = generation
        book = fresh
        for conversation in conversations.values {
            guard let contact = book.contact(conversation.contact.peer), contact.isWelcome else {
                conversations[conversation.contact.peer] = nil
                // They hear nothing more, and what they mailed is of no use or was stored.
                for mail in conversation.unansweredMails { acknowledge(mail) }
                conversation.session?.close(code: CloseCode.refused, reason: "")
                continue
            }
            conversation.contact = contact
        }
        isWaitingUnread = true
    }

    /// Brings everybody into memory for whom something waits, or who does not know yet how to reach us.
    func loadWaiting() throws {
        guard !isStopped else { return }
        let counts = try vault.read { try $0.outboxCounts() }
        for contact in book.contacts where contact.isWelcome {
            guard let row = contact.row else { continue }
            let isNew = contact.state == .contact && contact.ourCapability == nil
            guard isNew || counts[row] != nil || conversations[contact.peer] != nil,
                let conversation = conversation(with: contact)
            else { continue }
            try adoptForeignEntries(conversation)
            introduceOurselves(to: conversation)
            advance(conversation)
            if needsSession(conversation) { dial(conversation) }
        }
    }

    // MARK: Clocks

    static func monotonicClock() -> UInt64 { DispatchTime.now().uptimeNanoseconds }
}
