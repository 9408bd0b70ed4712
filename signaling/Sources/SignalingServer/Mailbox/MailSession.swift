import NIOCore
import Wire

/// What a login has to do with the mailbox. Owned by the connection's event loop.
struct MailSession {
    enum Announcement: Hashable {
        /// MAILBOX is to be sent, and the store has not been asked, or has failed.
        case due
        case asked
        case done
    }

    var announcement = Announcement.due
    var window: MailWindow
    /// A new list of capabilities that is not in force yet.
    var staged: Set<CapabilityDigest>?

    private let limits: MailboxLimits
    private var waiting = MailQuota(bytes: 0, items: 0)
    private var mails: TokenBucket
    private var requests: TokenBucket
    private var publications: TokenBucket
    private var fetches: TokenBucket
    private var changes: TokenBucket

    init(_ limits: MailboxLimits, now: NIODeadline) {
        self.limits = limits
        window = MailWindow(limit: limits.window)
        mails = TokenBucket(limits.mails, now: now)
        requests = TokenBucket(limits.requestsByLogin, now: now)
        publications = TokenBucket(limits.publications, now: now)
        fetches = TokenBucket(limits.prekeyFetches, now: now)
        changes = TokenBucket(limits.capabilityChanges, now: now)
    }

    /// A refusal that is to be sent instead.
    struct Refused: Error {
        let retryAfter: TimeAmount
    }

    /// Lets a request in, whose answer calls ``end(cost:)``.
    ///
    /// - Parameter cost: its bytes.
    /// - Throws: ``Refused`` when it comes too fast, or when too many wait.
    mutating func begin(_ frame: MailFrame, cost: Int, now: NIODeadline) throws(Refused) {
        guard waiting.items < limits.outstanding.items, waiting.bytes < limits.outstanding.bytes else {
            throw Refused(retryAfter: .milliseconds(250))
        }
        switch frame {
        case .mail: try Self.take(&mails, now)
        case .requestMail: try Self.take(&requests, now)
        case .publishPrekeys: try Self.take(&publications, now)
        case .fetchPrekeys: try Self.take(&fetches, now)
        case .capabilities: try Self.take(&changes, now)
        default: return
        }
        waiting.items += 1
        waiting.bytes += cost
    }

    /// A request that was let in is answered.
    mutating func end(cost: Int) {
        waiting.items -= 1
        waiting.bytes -= cost
    }

    private static func take(_ bucket: inout TokenBucket, _ now: NIODeadline) throws(Refused) {
        guard !bucket.take(1, now: now) else { return }
        throw Refused(retryAfter: bucket.available(now: now) - now)
    }
}
