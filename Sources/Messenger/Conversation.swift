import Paths
import Peering
import Wire

/// What passes between us and one contact: messages that wait for the peer's word, ids already seen, and the frames of the open session.
///
/// A message stays in the outbox until the peer has said *delivered*. A new session sends all of them again, in order; the peer knows by
/// their ids which it has. So nothing is lost, repeated or reordered when sessions break, as long as both processes live.
final class Conversation {
    /// More messages than this do not wait for one contact.
    static let outboxLimit = 10_000
    /// Frames that wait because the stream's buffer is full; beyond this nothing more is read from the peer.
    static let frameQueueLimit = 256

    struct Outgoing {
        let id: MessageID
        /// The encoded frame.
        let frame: [UInt8]
        /// The user was told that it is sent.
        var wasAnnounced = false
    }

    var contact: Contact
    var policy: TravelPolicy
    var session: PeerSession?
    /// The front end wants the contact reached, and again after every interruption.
    var isWanted = false
    var redials = 0
    /// In the order of writing; the first ``sentCount`` were handed to the session that is open now.
    private(set) var outbox: [Outgoing] = []
    private var sentCount = 0
    private var seen = RecentIDs()
    private var decoder = ConversationFrameDecoder()
    /// The peer broke the protocol in what was read last.
    private var failure: WireError?
    private var frames: [[UInt8]] = []
    private var unansweredPings: [UInt64: UInt64] = [:]
    private var nextPing: UInt64 = 1

    init(contact: Contact, policy: TravelPolicy) {
        self.contact = contact
        self.policy = policy
    }

    // MARK: Sessions

    /// Begins to talk through a session: says hello, and everything that was not delivered yet.
    func attach(_ session: PeerSession, ownName: String) {
        self.session = session
        redials = 0
        decoder = ConversationFrameDecoder()
        failure = nil
        frames = []
        unansweredPings = [:]
        sentCount = 0
        put(.hello(name: Greeting.clipped(ownName), features: 0))
    }

    func detach() { session = nil }

    /// Whether messages may travel now: not over the relay when the user wants none.
    private var isAllowed: Bool { policy != .direct || (session?.path.map { $0.kind != .relay } ?? false) }

    // MARK: Out

    /// Takes a message in. `sentAt` is in milliseconds since 1970.
    func enqueue(_ id: MessageID, _ text: String, sentAt: UInt64) throws(SendError) {
        guard outbox.count < Self.outboxLimit else { throw .queueFull }
        let frame = ConversationFrame.message(id: id.bytes, sentAt: sentAt, text: text)
        guard let bytes = try? frame.encode() else { throw .tooLong(limit: ConversationFrame.maximumText) }
        outbox.append(Outgoing(id: id, frame: bytes))
    }

    /// Writes as much as the session takes: frames first, then messages in order. Returns those handed over just now.
    func flush() -> [MessageID] {
        guard let session, session.isOpen else { return [] }
        while let frame = frames.first {
            guard session.write(frame) else { return [] }
            frames.removeFirst()
        }
        guard isAllowed else { return [] }
        var announced: [MessageID] = []
        while sentCount < outbox.count {
            let message = outbox[sentCount]
            guard session.write(message.frame) else { break }
            if !message.wasAnnounced { announced.append(message.id) }
            outbox[sentCount].wasAnnounced = true
            sentCount += 1
        }
        return announced
    }

    func ping(now: UInt64) {
        // What was never answered is forgotten long after anybody waits for it.
        if unansweredPings.count >= 64 { unansweredPings = [:] }
        unansweredPings[nextPing] = now
        put(.ping(nextPing))
        nextPing += 1
    }

    /// Queues a frame. Everything that comes here was made by us within its limits, so that encoding it does not fail.
    private func put(_ frame: ConversationFrame) {
        if let bytes = try? frame.encode() { frames.append(bytes) }
    }

    /// Takes a message out of the outbox because it will not be sent any more.
    func withdraw(_ id: MessageID) -> Bool {
        guard let index = outbox.firstIndex(where: { $0.id == id }) else { return false }
        outbox.remove(at: index)
        if index < sentCount { sentCount -= 1 }
        return true
    }

    // MARK: In

    /// The last ``read()`` found something, so that there may be more.
    private(set) var hasMore = false

    enum Incoming {
        case message(id: MessageID, sentAt: UInt64, text: String)
        case delivered(MessageID)
        case pong(sentAt: UInt64)
    }

    /// Whether more may be read: the answers to it must find room.
    var mayRead: Bool { frames.count < Self.frameQueueLimit }

    /// Reads what the session has, and says what of it concerns the user.
    ///
    /// - Throws: ``WireError`` when the peer breaks the protocol, once everything before that was returned; the session must be closed.
    func read() throws -> [Incoming] {
        guard let session else { return [] }
        if let failure { throw failure }
        let bytes = session.read()
        hasMore = !bytes.isEmpty
        decoder.append(bytes)
        var incoming: [Incoming] = []
        do {
            while let frame = try decoder.next() {
                if let item = handle(frame) { incoming.append(item) }
            }
        } catch {
            failure = error
            hasMore = true
        }
        return incoming
    }

    private func handle(_ frame: ConversationFrame) -> Incoming? {
        switch frame {
        case .hello:
            return nil
        case .message(let bytes, let sentAt, let text):
            guard let id = MessageID(bytes) else { return nil }
            put(.delivered(id: bytes))
            return seen.insert(id) ? .message(id: id, sentAt: sentAt, text: text) : nil
        case .delivered(let bytes):
            guard let id = MessageID(bytes), withdraw(id) else { return nil }
            return .delivered(id)
        case .ping(let number):
            put(.pong(number))
            return nil
        case .pong(let number):
            return unansweredPings.removeValue(forKey: number).map { .pong(sentAt: $0) }
        }
    }
}

/// Remembers the latest ids, so that a message sent again over a new session is recognised.
struct RecentIDs {
    static let capacity = 16_384

    private var order: [MessageID] = []
    private var next = 0
    private var known: Set<MessageID> = []

    /// Whether the id is new; if so it is remembered, in place of the oldest when there are too many.
    mutating func insert(_ id: MessageID) -> Bool {
        guard known.insert(id).inserted else { return false }
        if order.count < Self.capacity {
            order.append(id)
        } else {
            known.remove(order[next])
            order[next] = id
            next = (next + 1) % Self.capacity
        }
        return true
    }
}
