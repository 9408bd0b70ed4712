import NIOCore
import Wire

/// What was pushed to one client and not yet acknowledged, and what is to be pushed next. A mail stays in here until it is deleted, so that whoever acknowledges nothing, or cannot be
/// deleted for, gets no more than the window allows.
struct MailWindow {
    /// What to ask the store for.
    struct Request: Hashable {
        let after: UInt64
        let items: Int
        let bytes: Int
    }

    private struct Entry {
        let bytes: Int
        var isAcknowledged = false
    }

    /// Most that lies here between the store and the socket.
    private static let slice = MailQuota(bytes: 256 * 1024, items: 64)

    private let limit: MailQuota
    private var cursor: UInt64 = 0
    private var entries: [UInt64: Entry] = [:]
    private var bytes = 0
    private var ready = CircularBuffer<StoredMail>(initialCapacity: 1)
    private var isFetching = false
    private var hasMore = false
    /// Acknowledged, and not deleted because the store could not.
    private var undeleted: [UInt64] = []

    init(limit: MailQuota) {
        self.limit = limit
    }

    /// Mails that are not deleted yet, and their bytes.
    var outstanding: MailQuota { MailQuota(bytes: bytes, items: entries.count) }

    /// Whether there is something to write.
    var isReady: Bool { !ready.isEmpty }

    /// There is something in the store, or may be.
    mutating func wake() { hasMore = true }

    /// What to fetch now; to be followed by ``fetched(_:)``.
    mutating func nextRequest() -> Request? {
        let (items, bytes) = (limit.items - entries.count, limit.bytes - bytes)
        guard hasMore, !isFetching, ready.isEmpty, items > 0, bytes > 0 else { return nil }
        isFetching = true
        hasMore = false
        return Request(after: cursor, items: min(items, Self.slice.items), bytes: min(bytes, Self.slice.bytes))
    }

    /// What came of it; nil when the store failed.
    mutating func fetched(_ slice: MailSlice?) {
        isFetching = false
        guard let slice else {
            hasMore = true
            return
        }
        if slice.hasMore { hasMore = true }
        for mail in slice.mails where mail.id > cursor {
            cursor = mail.id
            entries[mail.id] = Entry(bytes: mail.envelope.count)
            bytes += mail.envelope.count
            ready.append(mail)
        }
    }

    /// The next mails to write: no more once they have `maximumBytes`.
    mutating func take(maximumBytes: Int) -> [StoredMail] {
        guard !ready.isEmpty else { return [] }
        var mails: [StoredMail] = []
        var size = 0
        while size < maximumBytes, let mail = ready.popFirst() {
            size += mail.envelope.count
            mails.append(mail)
        }
        return mails
    }

    /// The client has acknowledged. Returns what to delete; to be followed by ``deleted(_:)`` or ``notDeleted(_:)``. What was not pushed to it is left out, and what it
    /// has acknowledged before.
    mutating func acknowledge(_ mails: [UInt64]) -> [UInt64] {
        mails.filter { mail in
            guard entries[mail]?.isAcknowledged == false else { return false }
            entries[mail]?.isAcknowledged = true
            return true
        }
    }

    mutating func deleted(_ mails: [UInt64]) {
        for mail in mails {
            guard let entry = entries.removeValue(forKey: mail) else { continue }
            bytes -= entry.bytes
        }
    }

    mutating func notDeleted(_ mails: [UInt64]) { undeleted += mails }

    /// What to try to delete again.
    mutating func takeUndeleted() -> [UInt64] {
        defer { undeleted = [] }
        return undeleted
    }
}
