import Ratchet
import Wire

/// What is in memory of the exchange with the server's mailbox. Everything here dies with the connection: the server sends again what was not acknowledged.
struct MailDesk {
    struct Item {
        let mail: UInt64
        let envelope: [UInt8]
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
    var info: MailboxInfo?
    /// Came in and was not looked at yet.
    var inbox: [Item] = []
    /// Mails that were looked at and not acknowledged yet: what they say is being stored.
    private(set) var processing: [UInt64: Item] = [:]
    /// Mails of strangers who must wait, in order.
    var deferred: [Item] = []
    /// To be acknowledged at the end of the turn.
    var acknowledgements: [UInt64] = []
    /// A stranger is being made a contact: what follows may be theirs.
    var isHeld = false
    var areCapabilitiesUnderWay = false
    var isPublicationUnderWay = false
    private var requests: [UInt32: Request] = [:]
    private var lastRequest: UInt32 = 0

    /// A number for a request that is sent now.
    mutating func number(_ request: Request) -> UInt32 {
        repeat { lastRequest &+= 1 } while requests[lastRequest] != nil
        requests[lastRequest] = request
        return lastRequest
    }

    /// What was answered; `nil` when nothing was asked by this number.
    mutating func answered(_ number: UInt32) -> Request? { requests.removeValue(forKey: number) }

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

    /// Puts what waited back in front. Returns whether there is something.
    mutating func takeUpDeferred() -> Bool {
        inbox = deferred + inbox
        deferred = []
        return !inbox.isEmpty
    }

    /// Nothing that was being stored is: all of it is looked at again.
    mutating func beginAgain() {
        inbox = processing.values.sorted { $0.mail < $1.mail } + inbox
        processing = [:]
        isHeld = false
    }

    /// The server may delete a mail. One of a connection that is gone is passed over: it will come again.
    mutating func acknowledge(_ mail: UInt64) {
        if processing.removeValue(forKey: mail) != nil { acknowledgements.append(mail) }
    }

    /// The connection is gone.
    mutating func close() { self = MailDesk() }
}
