import Foundation
import GRDB
import NIOConcurrencyHelpers

/// What is carried out on the mailbox's thread.
///
/// Safety: called by that thread alone, but for `cost`, which never changes.
protocol MailboxJob: AnyObject, Sendable {
    /// What it counts for while it waits, in bytes.
    var cost: Int { get }
    /// Does it. May be called again when what it did was rolled back. Every error means that the file cannot be relied on.
    func perform(_ transaction: MailboxTransaction) throws(MailboxError)
    /// It is on the disk; or it is not.
    func finish(_ failure: MailboxError?)
}

/// A job with a result.
///
/// Safety: `result` belongs to the mailbox's thread.
final class TypedMailboxJob<Value: Sendable>: MailboxJob, @unchecked Sendable {
    let cost: Int
    private let work: @Sendable (MailboxTransaction) throws(MailboxError) -> Value
    private let then: MailboxAnswer<Value>
    private var result: Value?

    init(
        cost: Int, _ work: @escaping @Sendable (MailboxTransaction) throws(MailboxError) -> Value,
        then: @escaping MailboxAnswer<Value>
    ) {
        self.cost = cost
        self.work = work
        self.then = then
    }

    func perform(_ transaction: MailboxTransaction) throws(MailboxError) { result = try work(transaction) }

    func finish(_ failure: MailboxError?) {
        if let failure { return then(.failure(failure)) }
        then(result.map { .success($0) } ?? .failure(.closed))
    }
}

/// The mailbox's own thread, and the bounded queue in front of it.
///
/// The thread takes all jobs that wait, up to a limit, carries them out in one transaction, commits once with one fsync, and only then calls back. While it waits for the disk, the
/// next jobs gather: the more there is to do, the more share a commit.
///
/// Safety: `state` is only touched with `condition` locked; everything else is immutable, or the thread's own and marked so.
final class MailboxWriter: @unchecked Sendable {
    private struct State {
        var queue: [any MailboxJob] = []
        var bytes = 0
        var isClosing = false
        var hasEnded = false
    }

    /// Jobs, and their bytes, that share one commit at most: bounds how long the first of them waits, and how long the log becomes.
    private static let maximumBatch = MailQuota(bytes: 4 * 1024 * 1024, items: 512)
    /// How long nothing must have happened for deleted content to be taken out of the log as well.
    private static let idleSeconds = 2.0

    private let condition = NSCondition()
    private var state = State()
    private let database: DatabaseQueue
    private let key: MailboxKey
    private let limits: MailboxLimits
    private let clock: @Sendable () -> UInt64
    private let freeBytes: @Sendable () -> Int?
    private let report: @Sendable (MailboxError?) -> Void
    private let committed: @Sendable (Int) -> Void
    /// The thread's own: whether the log holds anything.
    private var isLogInUse = false
    /// The thread's own: what the last commit failed with.
    private var trouble: MailboxError?

    /// - Parameters:
    ///   - freeBytes: what the disk still has.
    ///   - report: told what a commit fails with, when that is news, and nil when one has succeeded again.
    ///   - committed: told after each commit by how many the waiting mails have changed.
    init(
        _ database: DatabaseQueue, key: MailboxKey, limits: MailboxLimits, clock: @escaping @Sendable () -> UInt64,
        freeBytes: @escaping @Sendable () -> Int?,
        report: @escaping @Sendable (MailboxError?) -> Void, committed: @escaping @Sendable (Int) -> Void
    ) {
        self.database = database
        self.key = key
        self.limits = limits
        self.clock = clock
        self.freeBytes = freeBytes
        self.report = report
        self.committed = committed
        let thread = Thread { [self] in run() }
        thread.name = "mailbox"
        thread.stackSize = 1 << 20
        thread.start()
    }

    // MARK: From outside

    func submit(_ job: any MailboxJob) {
        let failure = locked { state -> MailboxError? in
            guard !state.isClosing else { return .closed }
            guard state.queue.count < limits.queue.items, state.bytes < limits.queue.bytes else { return .overloaded }
            state.queue.append(job)
            state.bytes += job.cost
            condition.signal()
            return nil
        }
        if let failure { job.finish(failure) }
    }

    /// Carries out what is queued and ends the thread; returns when it has ended. Idempotent; not to be called by an answer.
    func close() {
        condition.lock()
        state.isClosing = true
        condition.signal()
        while !state.hasEnded { condition.wait() }
        condition.unlock()
    }

    private func locked<R>(_ body: (inout State) -> R) -> R {
        condition.lock()
        defer { condition.unlock() }
        return body(&state)
    }

    // MARK: The thread

    private func run() {
        while let batch = nextBatch() {
            if batch.isEmpty { emptyLog() } else { carryOut(batch) }
        }
        emptyLog()
        try? database.close()
        condition.lock()
        state.hasEnded = true
        condition.broadcast()
        condition.unlock()
    }

    /// Waits for jobs. Empty when there was time to tidy up, nil at the end.
    private func nextBatch() -> [any MailboxJob]? {
        condition.lock()
        defer { condition.unlock() }
        while state.queue.isEmpty {
            if state.isClosing { return nil }
            if !isLogInUse {
                condition.wait()
            } else if !condition.wait(until: Date(timeIntervalSinceNow: Self.idleSeconds)), state.queue.isEmpty {
                return []
            }
        }
        var (items, bytes) = (0, 0)
        for job in state.queue.prefix(Self.maximumBatch.items) where bytes < Self.maximumBatch.bytes {
            items += 1
            bytes += job.cost
        }
        let batch = Array(state.queue.prefix(items))
        state.queue.removeFirst(items)
        state.bytes -= bytes
        return batch
    }

    private func carryOut(_ batch: [any MailboxJob]) {
        guard let failure = commit(batch) else { return }
        if case .damaged = failure, batch.count > 1 {
            // One broken page need not be everybody's.
            for job in batch {
                if let failure = commit([job]) { job.finish(failure) }
            }
            return
        }
        // What is queued behind may be a later mail of the same sender, and must not overtake.
        let behind = locked { state in
            state.bytes = 0
            defer { state.queue = [] }
            return state.queue
        }
        for job in batch + behind { job.finish(failure) }
        // On a full disk the space of a log that was carried over can be used again.
        emptyLog()
    }

    /// Everything in one transaction, and the answers. What nothing of it was stored for; nil when all was.
    private func commit(_ batch: [any MailboxJob]) -> MailboxError? {
        do {
            let transaction = try transact { (session) throws(MailboxError) in
                let isShort = freeBytes().map { $0 < limits.reserveBytes } ?? false
                let transaction = MailboxTransaction(
                    session, key: key, limits: limits, now: clock(), isDiskShort: isShort)
                for job in batch { try job.perform(transaction) }
                return transaction
            }
            tell(transaction.hasRefusedForSpace ? .full : transaction.hasWritten ? nil : trouble)
            if transaction.hasWritten { isLogInUse = true }
            if transaction.waitingChange != 0 { committed(transaction.waitingChange) }
        } catch {
            tell(error)
            return error
        }
        for job in batch { job.finish(nil) }
        return nil
    }

    private func transact<R>(_ body: (MailboxSession) throws(MailboxError) -> R) throws(MailboxError) -> R {
        do {
            return try database.writeWithoutTransaction { database in
                let session = MailboxSession(database)
                // Left over where even a rollback failed.
                if session.isInsideTransaction { try session.execute("ROLLBACK") }
                try session.execute("BEGIN IMMEDIATE")
                do {
                    let result = try body(session)
                    try session.execute("COMMIT")
                    return result
                } catch {
                    if session.isInsideTransaction { try? session.execute("ROLLBACK") }
                    throw error
                }
            }
        } catch {
            throw MailboxError(translating: error)
        }
    }

    private func tell(_ failure: MailboxError?) {
        guard failure != trouble else { return }
        trouble = failure
        report(failure)
    }

    /// Carries the log over into the database and empties it, with whatever was deleted. What fails here is in the log still.
    private func emptyLog() {
        guard isLogInUse else { return }
        isLogInUse = false
        try? database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
        }
    }
}
