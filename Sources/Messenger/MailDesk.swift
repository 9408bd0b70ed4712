import Identity
import Ratchet
import Wire

/// What is in memory of the exchange with the server's mailbox. Everything here dies with the connection: the server sends again what was not acknowledged.
struct MailDesk {
    /// So many mails of unknown people wait for an introduction, and so long, in nanoseconds.
    static let earlyLimit = 64
    static let earlyDelay: UInt64 = 60_000_000_000

    /// More mails than this no server has under way at once.
    static let limit = 1_024
    /// How long to wait before the server is told again what it has refused to hear, in nanoseconds.
    static let pause: UInt64 = 30_000_000_000

    struct Item {
        let mail: UInt64
        let envelope: [UInt8]
        /// What is in the envelope, once it was opened.
        var opened: (ciphertext: [UInt8], sender: PeerID)?
    }

    /// What an answer of the server is the answer to.
    enum Request {
        case mail(to: Conversation, envelope: [UInt8])
        case prekeys(of: Conversation)
        case publication(PrekeyPublication)
        /// The last of the frames that put a list of capabilities into force; a digest of the list.
        case capabilities([UInt8])
    }

    /// The mailbox of the connection that is open now.
    private(set) var info: MailboxInfo?
    /// Came in and was not looked at yet.
    private var inbox: [Item] = []
    /// Mails that were looked at and not acknowledged yet: what they say is being stored.
    private(set) var processing: [UInt64: Item] = [:]
    /// Mails of strangers who must wait, in order.
    var deferred: [Item] = []
    /// Mails of people who have not introduced themselves, with the time at which they are given up. Their introduction may come behind them.
    private var early: [(item: Item, until: UInt64)] = []
    /// To be acknowledged at the end of the turn.
    var acknowledgements: [UInt64] = []
    /// A stranger is being made a contact: what follows may be theirs.
    var isHeld = false
    var areCapabilitiesUnderWay = false
    var isPublicationUnderWay = false
    /// When the server is told again what it refused, in nanoseconds.
    private var askAgainAt: UInt64?
    /// What the server has not answered yet.
    private(set) var requests: [UInt32: Request] = [:]
    private var lastRequest: UInt32 = 0

    /// A number for a request that is sent now.
    mutating func number(_ request: Request) -> UInt32 {
        repeat { lastRequest &+= 1 } while requests[lastRequest] != nil
        requests[lastRequest] = request
        return lastRequest
    }

    /// What was answered; `nil` when nothing was asked by this number.
    mutating func answered(_ number: UInt32) -> Request? { requests.removeValue(forKey: number) }

    /// The server keeps mail. Returns false when it has said so before.
    mutating func open(_ info: MailboxInfo) -> Bool {
        guard self.info == nil else { return false }
        self.info = info
        return true
    }

    /// A mail came in. One that is beyond all measure is passed over: it will come again.
    mutating func take(_ item: Item) {
        guard count < Self.limit else { return }
        inbox.append(item)
    }

    /// Mails that came in and were not acknowledged yet.
    var count: Int { inbox.count + processing.count + deferred.count }

    /// A one-time prekey that the server had is used up.
    mutating func oneTimePrekeyWasUsed() {
        guard var info, info.oneTimeKeysLeft > 0 else { return }
        info.oneTimeKeysLeft -= 1
        self.info = info
    }

    /// The server did not hear what it must know. `now` is in nanoseconds.
    mutating func askAgainLater(now: UInt64) { askAgainAt = now &+ Self.pause }

    /// Whether the time for that has come.
    mutating func mayAskAgain(now: UInt64) -> Bool {
        guard let at = askAgainAt, at <= now else { return false }
        askAgainAt = nil
        return true
    }

    /// The next mail to look at.
    mutating func next() -> Item? {
        guard !inbox.isEmpty else { return nil }
        let item = inbox.removeFirst()
        processing[item.mail] = item
        return item
    }

    /// A mail whose sender must wait: those of other strangers wait behind it, so that nobody's change their order.
    mutating func putOff(_ item: Item) {
        processing[item.mail] = nil
        deferred.append(item)
    }

    /// A mail of somebody who has not introduced themself. `now` is in nanoseconds.
    mutating func keepForIntroduction(_ item: Item, now: UInt64) {
        guard processing[item.mail] != nil else { return }
        if early.count == Self.earlyLimit { acknowledge(early.removeFirst().item.mail) }
        early.append((item, now &+ Self.earlyDelay))
    }

    /// Somebody has: what came before it is looked at again.
    mutating func takeUpEarly() {
        for (item, _) in early { processing[item.mail] = nil }
        inbox = early.map(\.item) + inbox
        early = []
    }

    /// Gives up what nobody has introduced themself for. Returns whether there was something.
    mutating func giveUpEarly(now: UInt64) -> Bool {
        let late = early.prefix { $0.until <= now }
        early.removeFirst(late.count)
        for (item, _) in late { acknowledge(item.mail) }
        return !late.isEmpty
    }

    /// Puts up to `count` of those who waited back in front. Returns whether there is something to look at.
    mutating func takeUpDeferred(_ count: Int) -> Bool {
        guard count > 0 else { return false }
        // All of them, so that nobody overtakes: those for whom there is no time are put off again.
        inbox = deferred + inbox
        deferred = []
        return !inbox.isEmpty
    }

    /// Nothing that was being stored is: all of it is looked at again.
    mutating func beginAgain() {
        inbox = processing.values.sorted { $0.mail < $1.mail } + inbox
        processing = [:]
        early = []
        isHeld = false
    }

    /// The server may delete a mail. One of a connection that is gone is passed over: it will come again.
    mutating func acknowledge(_ mail: UInt64) {
        if processing.removeValue(forKey: mail) != nil { acknowledgements.append(mail) }
    }

    /// The connection is gone.
    mutating func close() { self = MailDesk() }
}
