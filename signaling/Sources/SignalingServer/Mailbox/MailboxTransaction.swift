import GRDB
import Wire

/// What is done within one commit. Belongs to the mailbox's thread. A refusal is decided before anything is written; every error means that nothing of the transaction counts.
final class MailboxTransaction {
    /// The digest that stands for a stranger's request.
    static let noDigest = [UInt8](repeating: 0, count: CapabilityDigest.byteCount)
    private static let day: Int64 = 86_400_000

    let session: MailboxSession
    private let key: MailboxKey
    let limits: MailboxLimits
    /// Milliseconds since 1970.
    let now: Int64
    /// Whether the disk has too little room for more mail.
    let isDiskShort: Bool
    /// Whether a mail was refused for that.
    private(set) var hasRefusedForSpace = false
    /// By how many the waiting mails change with the commit.
    private(set) var waitingChange = 0
    private(set) var hasWritten = false

    init(_ session: MailboxSession, key: MailboxKey, limits: MailboxLimits, now: UInt64, isDiskShort: Bool) {
        self.session = session
        self.key = key
        self.limits = limits
        self.isDiskShort = isDiskShort
        self.now = Int64(clamping: min(now, UInt64(Int64.max / 2)))
    }

    /// A statement that changes something. Returns how many rows.
    @discardableResult
    func write(_ sql: String, _ values: [DatabaseValue] = []) throws(MailboxError) -> Int {
        hasWritten = true
        try session.execute(sql, values)
        return session.changes
    }

    // MARK: Boxes

    /// What is known of a peer.
    struct Box {
        let id: Int64
        let seen: Int64
        let items: Int
        let bytes: Int
        let requests: Int
    }

    func box(of peer: PeerKey) throws(MailboxError) -> Box? {
        let row = try session.row(
            "SELECT id, seen, items, bytes, requests FROM box WHERE peer = ?", [.blob(key.name(of: peer))])
        guard let row else { return nil }
        return Box(
            id: try row.integer(0), seen: try row.integer(1), items: try row.count(2), bytes: try row.count(3),
            requests: try row.count(4))
    }

    /// The box of a peer who has logged in; made if there is none.
    func ownBox(of peer: PeerKey) throws(MailboxError) -> Int64 {
        if let box = try box(of: peer) { return box.id }
        try write(
            "INSERT INTO box (peer, seen) VALUES (?, ?)", [.blob(key.name(of: peer)), .integer(now - now % Self.day)])
        return session.lastRow
    }

    /// What a peer is told, and whether it was not seen today yet.
    func greet(
        _ peer: PeerKey, generation: [UInt8]
    ) throws(MailboxError) -> (summary: MailboxSummary, isNewToday: Bool) {
        guard let box = try box(of: peer) else {
            // Another one than that of who has a box, so that who is forgotten publishes everything again.
            let unknown = MailboxSummary(waiting: 0, oneTimeKeysLeft: 0, generation: generation.map { ~$0 })
            return (unknown, false)
        }
        let left = try session.row("SELECT count(*) FROM one_time WHERE box = ?", [.integer(box.id)])
        let summary = MailboxSummary(
            waiting: box.items, oneTimeKeysLeft: try left?.count(0) ?? 0, generation: generation)
        return (summary, box.seen < now - now % Self.day)
    }

    /// A peer was there: the day, not the hour.
    func see(_ peer: PeerKey) throws(MailboxError) {
        try write(
            "UPDATE box SET seen = ? WHERE peer = ?", [.integer(now - now % Self.day), .blob(key.name(of: peer))])
    }

    // MARK: Mail

    func store(_ mail: NewMail) throws(MailboxError) -> MailVerdict {
        guard let box = try box(of: mail.recipient) else { return .refused(.unknownRecipient) }
        let size = mail.envelope.count
        var sender: (items: Int, bytes: Int)?
        if let capability = mail.capability {
            let row = try session.row(
                "SELECT items, bytes FROM capability WHERE box = ? AND digest = ? AND registered = 1",
                [.integer(box.id), .blob(capability.bytes)])
            guard let row else { return .refused(.capabilityRefused) }
            sender = (try row.count(0), try row.count(1))
        }
        guard box.items < limits.recipient.items, box.bytes + size <= limits.recipient.bytes else {
            return .refused(.mailboxFull)
        }
        if let sender {
            guard sender.items < limits.sender.items, sender.bytes + size <= limits.sender.bytes else {
                return .refused(.senderQuota)
            }
        } else if box.requests >= limits.requests {
            return .refused(.mailboxFull)
        }
        guard !isDiskShort else {
            hasRefusedForSpace = true
            return .refused(.storeTrouble)
        }
        try write(
            "INSERT INTO mail (box, digest, stored, expires, envelope) VALUES (?, ?, ?, ?, ?)",
            [
                .integer(box.id), .blob(mail.capability?.bytes ?? Self.noDigest), .integer(now),
                .integer(now + Int64(limits.timeToLive) * 1000), .blob(mail.envelope),
            ])
        waitingChange += 1
        return .stored(id: UInt64(clamping: session.lastRow))
    }

    func fetch(
        for peer: PeerKey, after mail: UInt64, items: Int, bytes: Int
    ) throws(MailboxError) -> MailSlice {
        guard let box = try box(of: peer) else { return MailSlice(mails: [], hasMore: false) }
        var mails: [StoredMail] = []
        var size = 0
        var hasMore = false
        try session.forEachRow(
            "SELECT id, stored, envelope FROM mail WHERE box = ? AND id > ? AND expires > ? ORDER BY id LIMIT ?",
            [
                .integer(box.id), .integer(Int64(clamping: mail)), .integer(now),
                .integer(Int64(clamping: items.addingReportingOverflow(1).partialValue)),
            ]
        ) { (row) throws(MailboxError) in
            guard mails.isEmpty || (mails.count < items && size < bytes) else {
                hasMore = true
                return false
            }
            let envelope = try row.blob(2)
            size += envelope.count
            mails.append(
                StoredMail(
                    id: UInt64(clamping: try row.integer(0)), storedAt: UInt64(clamping: try row.integer(1)),
                    envelope: envelope))
            return true
        }
        return MailSlice(mails: mails, hasMore: hasMore)
    }

    func delete(_ mails: [UInt64], of peer: PeerKey) throws(MailboxError) -> Int {
        guard let box = try box(of: peer) else { return 0 }
        var deleted = 0
        for mail in mails {
            guard let id = Int64(exactly: mail) else { continue }
            deleted += try write("DELETE FROM mail WHERE id = ? AND box = ?", [.integer(id), .integer(box.id)])
        }
        waitingChange -= deleted
        return deleted
    }

    // MARK: Tidying up

    func tidy(limit: Int) throws(MailboxError) -> MailboxTidied {
        let expired = try deleteMails(
            "SELECT id FROM mail WHERE expires <= ? ORDER BY expires LIMIT ?", [.integer(now)], limit: limit)
        guard expired < limit else { return MailboxTidied(deleted: expired, hasMore: true) }
        let rest = try forget(limit: limit - expired)
        let deleted = expired + rest.deleted
        // By itself, so that nothing that was deleted depends on whether there is room for it.
        if deleted == 0, !rest.hasMore, try isLoose() { try write("PRAGMA incremental_vacuum(\(Self.returned))") }
        let hasMore = try rest.hasMore ? true : isLoose()
        return MailboxTidied(deleted: deleted, hasMore: hasMore)
    }

    /// Pages that are given back to the disk at a time, and that may lie there unused in any case.
    private static let (returned, spare): (Int, Int64) = (1_024, 256)

    /// Whether more of the file is unused than what soon will be used again.
    private func isLoose() throws(MailboxError) -> Bool {
        let unused = try session.row("PRAGMA freelist_count")?.integer(0) ?? 0
        guard unused > Self.spare else { return false }
        return try unused > (session.row("PRAGMA page_count")?.integer(0) ?? 0) / 4
    }

    /// Forgets a peer who has not come for a very long time: first whose mail is taken, so that no more comes, last the box.
    private func forget(limit: Int) throws(MailboxError) -> MailboxTidied {
        let oldest = now - Int64(limits.absence) * 1000
        guard let row = try session.row("SELECT id FROM box WHERE seen < ? LIMIT 1", [.integer(oldest)]) else {
            return MailboxTidied(deleted: 0, hasMore: false)
        }
        let box = DatabaseValue.integer(try row.integer(0))
        for table in ["capability", "prekeys", "one_time"] { try write("DELETE FROM \(table) WHERE box = ?", [box]) }
        let deleted = try deleteMails("SELECT id FROM mail WHERE box = ? LIMIT ?", [box], limit: limit)
        // Else the next time goes on with it.
        if deleted < limit { try write("DELETE FROM box WHERE id = ?", [box]) }
        return MailboxTidied(deleted: deleted, hasMore: true)
    }

    private func deleteMails(_ query: String, _ values: [DatabaseValue], limit: Int) throws(MailboxError) -> Int {
        var mails: [Int64] = []
        try session.forEachRow(query, values + [.integer(Int64(limit))]) { (row) throws(MailboxError) in
            mails.append(try row.integer(0))
            return true
        }
        for mail in mails { try write("DELETE FROM mail WHERE id = ?", [.integer(mail)]) }
        waitingChange -= mails.count
        return mails.count
    }
}
