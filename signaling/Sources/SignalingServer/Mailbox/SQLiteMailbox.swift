import Foundation
import GRDB
package import Logging
import NIOConcurrencyHelpers
package import Wire

/// A mailbox in one SQLite file in a folder of the server's own.
///
/// What was confirmed is on the disk (WAL, `synchronous=FULL`), and what was deleted is overwritten. One thread writes and reads, so that everything happens in one order.
package final class SQLiteMailbox: Mailbox {
    private let files: MailboxFiles
    private let generation: [UInt8]
    private let writer: MailboxWriter
    private let count: NIOLockedValueBox<Int>

    /// Opens the store in a folder, and makes both when they are missing. It is this server's alone until it is closed.
    ///
    /// - Throws: ``MailboxError``
    package init(_ configuration: MailboxConfiguration, logger: Logger) throws(MailboxError) {
        let limits = configuration.limits
        let files = try MailboxFiles(configuration.directory)
        let database: DatabaseQueue
        let opened: (generation: [UInt8], waiting: Int)
        do {
            database = try DatabaseQueue(path: files.database, configuration: Self.settings(limits))
            opened = try database.writeWithoutTransaction { database in
                try Self.prepare(MailboxSession(database), files.key)
            }
        } catch {
            throw MailboxError(translating: error)
        }
        self.files = files
        generation = opened.generation
        let count = NIOLockedValueBox(opened.waiting)
        self.count = count
        writer = MailboxWriter(
            database, key: files.key, limits: limits, clock: configuration.clock,
            freeBytes: { MailboxFiles.freeBytes(configuration.directory) },
            report: { trouble in
                if let trouble {
                    logger.error("the mailbox cannot store", metadata: ["reason": "\(trouble)"])
                } else {
                    logger.notice("the mailbox stores again")
                }
            }, committed: { change in count.withLockedValue { $0 += change } })
    }

    private static func settings(_ limits: MailboxLimits) -> Configuration {
        var configuration = Configuration()
        // Who looks at the file, or copies it, while the server runs is waited for.
        configuration.busyMode = .timeout(5)
        // A transaction that even ROLLBACK cannot end is dealt with by the writer, and must not end the process.
        configuration.allowsUnsafeTransactions = true
        configuration.prepareDatabase { database in
            try database.execute(
                sql: """
                    PRAGMA temp_store = MEMORY;
                    PRAGMA trusted_schema = OFF;
                    PRAGMA synchronous = FULL;
                    PRAGMA secure_delete = ON;
                    PRAGMA cache_size = -4096;
                    PRAGMA wal_autocheckpoint = 2000;
                    PRAGMA journal_size_limit = 16777216;
                    """)
            _ = try Int.fetchOne(database, sql: "PRAGMA max_page_count = \(max(64, limits.storeBytes / 4096))")
        }
        return configuration
    }

    private static func prepare(
        _ session: MailboxSession, _ key: MailboxKey
    ) throws(MailboxError) -> (generation: [UInt8], waiting: Int) {
        // Both stay in the file.
        if try session.row("PRAGMA page_count")?.integer(0) == 0 {
            try session.execute("PRAGMA auto_vacuum = INCREMENTAL")
        }
        guard try session.row("PRAGMA journal_mode = WAL")?.text(0) == "wal" else {
            throw .system("the file system has no shared memory, which SQLite's WAL mode needs")
        }
        let generation = try MailboxSchema.prepare(session, key)
        let waiting = try session.row("SELECT coalesce(sum(items), 0) FROM box")?.count(0) ?? 0
        return (generation, waiting)
    }

    // MARK: Mailbox

    package var waiting: Int { count.withLockedValue { $0 } }

    package func greet(_ peer: PeerKey, then: @escaping MailboxAnswer<MailboxSummary>) {
        let answer: MailboxAnswer<(summary: MailboxSummary, isNewToday: Bool)> = { [weak self] result in
            // Apart: where nothing can be written, mail can still be read.
            if case .success((_, isNewToday: true)) = result {
                self?.submit({ (tx) throws(MailboxError) in try tx.see(peer) }, { _ in })
            }
            then(result.map(\.summary))
        }
        submit({ [generation] (tx) throws(MailboxError) in try tx.greet(peer, generation: generation) }, answer)
    }

    package func store(_ mail: NewMail, then: @escaping MailboxAnswer<MailVerdict>) {
        submit(cost: mail.envelope.count, { (tx) throws(MailboxError) in try tx.store(mail) }, then)
    }

    package func fetch(
        for peer: PeerKey, after mail: UInt64, items: Int, bytes: Int, then: @escaping MailboxAnswer<MailSlice>
    ) {
        submit(
            { (tx) throws(MailboxError) in try tx.fetch(for: peer, after: mail, items: items, bytes: bytes) }, then)
    }

    package func delete(_ mails: [UInt64], of peer: PeerKey, then: @escaping MailboxAnswer<Int>) {
        submit(cost: mails.count * 8, { (tx) throws(MailboxError) in try tx.delete(mails, of: peer) }, then)
    }

    package func change(_ change: CapabilityChange, of peer: PeerKey, then: @escaping MailboxAnswer<Bool>) {
        submit(cost: change.byteCount, { (tx) throws(MailboxError) in try tx.change(change, of: peer) }, then)
    }

    package func publish(_ publication: PrekeyPublicationLayout, then: @escaping MailboxAnswer<Void>) {
        let cost = (1 + publication.oneTime.count) * PrekeyPublicationLayout.recordByteCount
        submit(cost: cost, { (tx) throws(MailboxError) in try tx.publish(publication) }, then)
    }

    package func bundle(of peer: PeerKey, capability: CapabilityDigest?, then: @escaping MailboxAnswer<[UInt8]>) {
        submit({ (tx) throws(MailboxError) in try tx.bundle(of: peer, capability: capability) }, then)
    }

    package func tidy(limit: Int, then: @escaping MailboxAnswer<MailboxTidied>) {
        submit({ (tx) throws(MailboxError) in try tx.tidy(limit: limit) }, then)
    }

    package func close() {
        writer.close()
        files.release()
    }

    private func submit<Value: Sendable>(
        cost: Int = 0, _ work: @escaping @Sendable (MailboxTransaction) throws(MailboxError) -> Value,
        _ then: @escaping MailboxAnswer<Value>
    ) {
        // Beside its bytes, so that many small ones do not take much more memory than they count for.
        writer.submit(TypedMailboxJob(cost: cost + 512, work, then: then))
    }
}

extension CapabilityChange {
    fileprivate var byteCount: Int {
        switch self {
        case .replace(let digests), .add(let digests), .remove(let digests):
            digests.count * CapabilityDigest.byteCount
        }
    }
}
