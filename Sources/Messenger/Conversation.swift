import Identity
import Paths
import Peering
import Ratchet
import Vault
import Wire

/// What is in memory of the conversation with one contact: the ratchet as it will be once everything submitted is stored, what waits, and the frames of the open session.
///
/// Lives on the messenger's event loop. The vault is the truth; after it has failed to store something, this is read from it again.
final class Conversation {
    /// Frames that wait because the stream's buffer is full; beyond this nothing more is read from the peer.
    static let frameQueueLimit = 256
    /// Envelopes of the contact that are being stored; beyond this nothing more is read.
    static let receivingLimit = 256

    var contact: Contact
    let row: ContactRow
    var ratchet: PeerRatchet
    var outbox = Outbox()
    /// The last row of the outbox that was looked at for entries of other processes.
    var adoptedUpTo: Int64 = 0
    /// Envelopes of the contact on their way into the vault.
    var receiving: Set<[UInt8]> = []
    /// Envelopes of ours that the contact has confirmed, while the vault is told.
    var confirming: Set<[UInt8]> = []

    // MARK: Reaching the contact

    var session: PeerSession?
    /// The front end wants the contact reached, and again after every interruption.
    var isWanted = false
    var redials = 0
    /// Since when something that was handed to the session waits for the contact's word, in nanoseconds.
    var awaitedSince: UInt64?
    /// The session has kept us waiting for so long that the mailbox gets everything too.
    var isHedging = false
    /// The MAILs that wait for the server's answer, and when the next may be tried.
    var mail = MailAttempt()
    /// Prekeys of the contact are asked for.
    var prekeyRequest = PrekeyRequest()
    /// Prekeys of the contact that came while none were needed.
    var bundle: [UInt8]?
    /// The contact could not be reached when it was tried last: the mailbox gets what waits.
    var isAbsent = false
    /// When the present attempt to reach the contact began, in nanoseconds.
    var dialedAt: UInt64?
    /// The next attempt is planned.
    var isRedialing = false
    /// When the open session was asked for prekeys last, in nanoseconds.
    var askedAt: UInt64?

    struct MailAttempt {
        /// Envelopes that may wait for the server's answer.
        static let window = 16
        /// Those that do.
        var outstanding: Set<[UInt8]> = []
        /// Nanoseconds on the monotonic clock; 0 for at once.
        var notBefore: UInt64 = 0
        var failures = 0
        /// The last of them is no text: nothing follows before it is stored.
        var isAlone = false

        var mayGo: Bool { outstanding.isEmpty || (!isAlone && outstanding.count < Self.window) }

        /// Whether an entry may go while others are under way.
        func mayFollow(_ entry: Outbox.Entry) -> Bool { outstanding.isEmpty || entry.kind == StoredMessage.textKind }
    }

    struct PrekeyRequest {
        /// The request number of a PREKEYS-FETCH that waits for the server's answer.
        var outstanding: UInt32?
        /// The open session was asked.
        var wasAsked = false
        var notBefore: UInt64 = 0
        var failures = 0
    }

    // MARK: What is to be said at the end of the turn

    /// Envelopes that came by the session and are stored.
    var stored: [[UInt8]] = []
    /// Envelopes that came by mail and are stored, with the mails they came in.
    var receipts: [(envelope: [UInt8], mail: UInt64)] = []
    /// Envelopes that could not be read, with the mail when they came in one.
    var unreadable: [(envelope: [UInt8], mail: UInt64?)] = []
    /// Mails of the contact that are kept by the server until something was said about them.
    var unansweredMails: [UInt64] { receipts.map(\.mail) + unreadable.compactMap(\.mail) }
    /// Bounds how often the contact can make us ask for a new ratchet session.
    var repairs = RefillingBudget(capacity: 8, secondsEach: 2)
    /// Bounds how many prekeys the contact gets from us.
    var bundles = RefillingBudget(capacity: 4, secondsEach: 10)

    // MARK: The open session

    /// What the peer's HELLO said, once it has come.
    var peerFeatures: UInt32?
    private var decoder = ConversationFrameDecoder()
    /// The peer broke the protocol in what was read last.
    private var failure: WireError?
    private var frames: [[UInt8]] = []
    private var unansweredPings: [UInt64: UInt64] = [:]
    private var nextPing: UInt64 = 1
    /// The last ``read()`` found something, so that there may be more.
    private(set) var hasMore = false

    init(contact: Contact, row: ContactRow, ratchet: PeerRatchet) {
        self.contact = contact
        self.row = row
        self.ratchet = ratchet
    }

    /// Begins to talk through a session: says hello, and everything that was not confirmed yet.
    ///
    /// - Parameter features: what we say in HELLO.
    func attach(_ session: PeerSession, ownName: String, features: UInt32) {
        self.session = session
        redials = 0
        isAbsent = false
        dialedAt = nil
        decoder = ConversationFrameDecoder()
        failure = nil
        frames = []
        unansweredPings = [:]
        hasMore = false
        resetSessionState()
        outbox.beginSession()
        put(.hello(name: Greeting.clipped(ownName), features: features))
    }

    func detach() {
        session = nil
        resetSessionState()
    }

    private func resetSessionState() {
        awaitedSince = nil
        isHedging = false
        peerFeatures = nil
        stored = []
        prekeyRequest.wasAsked = false
        bundle = nil
        unreadable.removeAll { $0.mail == nil }
    }

    /// Whether what people say may travel now: not over the relay when the user wants none.
    func isAllowed(_ policy: TravelPolicy) -> Bool {
        policy != .direct || (session?.path.map { $0.kind != .relay } ?? false)
    }

    // MARK: Out

    /// Queues a frame. Everything that comes here was made by us within its limits, so that encoding it does not fail.
    func put(_ frame: ConversationFrame) {
        if let bytes = try? frame.encode() { frames.append(bytes) }
    }

    /// Writes as many of the queued frames as the session takes. Returns whether all were.
    func writeFrames() -> Bool {
        guard let session, session.isOpen else { return false }
        var written = 0
        defer { frames.removeFirst(written) }
        for frame in frames {
            guard session.write(frame) else { return false }
            written += 1
        }
        return true
    }

    func ping(now: UInt64) {
        // What was never answered is forgotten long after anybody waits for it.
        if unansweredPings.count >= 64 { unansweredPings = [:] }
        unansweredPings[nextPing] = now
        put(.ping(nextPing))
        nextPing += 1
    }

    /// When the ping was sent that this answers.
    func answered(_ ping: UInt64) -> UInt64? { unansweredPings.removeValue(forKey: ping) }

    // MARK: In

    /// Whether more may be read: the answers to it must find room, in the queue and in the vault's.
    var mayRead: Bool {
        frames.count < Self.frameQueueLimit && receiving.count < Self.receivingLimit
            && unreadable.count < Self.receivingLimit
    }

    /// Reads what the session has.
    ///
    /// - Throws: ``WireError`` when the peer breaks the protocol, once everything before that was returned; the session must be closed.
    func read() throws -> [ConversationFrame] {
        guard let session else { return [] }
        if let failure { throw failure }
        let bytes = session.read()
        hasMore = !bytes.isEmpty
        decoder.append(bytes)
        var read: [ConversationFrame] = []
        do {
            while let frame = try decoder.next() { read.append(frame) }
        } catch {
            failure = error
            hasMore = true
        }
        return read
    }
}

/// So many at once, and one more each so many seconds.
struct RefillingBudget {
    let capacity: Double
    let secondsEach: Double
    private var level: Double
    private var at: UInt64 = 0

    init(capacity: Int, secondsEach: Double) {
        self.capacity = Double(capacity)
        self.secondsEach = secondsEach
        level = Double(capacity)
    }

    /// Takes one, if there is one. `now` is in nanoseconds on a clock that never goes back.
    mutating func take(now: UInt64) -> Bool {
        guard available(now: now) >= 1 else { return false }
        level -= 1
        return true
    }

    /// How many there are.
    mutating func available(now: UInt64) -> Int {
        let seconds = Double(now &- min(at, now)) / 1e9
        if at > 0 { level = min(capacity, level + seconds / secondsEach) }
        at = now
        return Int(level)
    }
}
