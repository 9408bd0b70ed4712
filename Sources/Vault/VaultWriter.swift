import Foundation

/// The vault's own thread, and the queue of units of work in front of it.
///
/// The thread takes all units that wait, up to a limit, carries them out in one transaction (each in a savepoint of its own), commits once with one fsync, and
/// only then calls back. While it waits for the disk, the next units gather: the more there is to do, the more share a commit.
final class VaultWriter: @unchecked Sendable {
    // Safety: `state` is only touched with `condition` locked; everything else is immutable, or touched by the thread alone and marked so.

    typealias Completion = @Sendable (Result<Void, VaultError>) -> Void

    struct Unit {
        let epoch: VaultEpoch?
        /// `nil` when it was refused because too many waited; it keeps its place so that answers come in order.
        let work: (@Sendable (VaultTransaction) throws -> Void)?
        let then: Completion
        /// The chain that breaks in the place of a refused unit.
        var breaks: VaultEpoch?
    }

    private struct State {
        var queue: [Unit] = []
        var epoch = VaultEpoch(number: 0)
        var isRefusing = false
        var isClosing = false
        var hasEnded = false
        /// What the last failing commit said; `nil` once one has succeeded again.
        var trouble: VaultError?
    }

    /// Units that share one commit at most: bounds how long the first of them waits.
    static let maximumBatch = 256
    /// Pages in the log from which on it is carried over into the database when nothing else is to do, and in any case.
    private static let checkpointPages = (idle: 1_000, always: 8_000)
    private static let idleSeconds = 0.5

    private let condition = NSCondition()
    private var state = State()
    private let connections: VaultConnections
    private let keys: VaultKeys
    private let committed: @Sendable ([SearchChange]) -> Void
    /// Of the thread alone.
    private var logPages = 0
    /// Of the thread alone: deleted content is still in the log.
    private var shouldTruncate = false
    private let thread = ThreadBox()

    /// - Parameter committed: called on the thread after each commit, before the units' own completions.
    init(
        connections: VaultConnections, keys: VaultKeys, committed: @escaping @Sendable ([SearchChange]) -> Void
    ) {
        self.connections = connections
        self.keys = keys
        self.committed = committed
        let thread = Thread { [self] in run() }
        thread.name = "sotto-vault"
        thread.stackSize = 2 << 20
        self.thread.thread = thread
        thread.start()
    }

    // MARK: From outside

    var epoch: VaultEpoch { locked { $0.epoch } }

    var queuedUnits: Int { locked { $0.queue.count } }

    var trouble: VaultError? { locked { $0.trouble } }

    func submit(_ unit: Unit) {
        let failure: VaultError? = locked { state in
            guard !state.isClosing else { return .closed }
            if state.queue.count >= Vault.maximumQueuedUnits { state.isRefusing = true }
            guard state.isRefusing else {
                state.queue.append(unit)
                condition.signal()
                return nil
            }
            return refuse(unit, &state)
        }
        if let failure { unit.then(.failure(failure)) }
    }

    /// Queues the answer to a unit that is refused, without its work. Beyond a number the answer is at once, and the last that waits breaks the chain in its
    /// place: whoever hears of it and goes on before that is superseded, and hears of it again.
    private func refuse(_ unit: Unit, _ state: inout State) -> VaultError? {
        guard let last = state.queue.indices.last,
            state.queue.count >= Vault.maximumQueuedUnits + Vault.maximumRefusedUnits
        else {
            state.queue.append(Unit(epoch: unit.epoch, work: nil, then: unit.then, breaks: unit.epoch))
            condition.signal()
            return nil
        }
        // Only the present chain can still break.
        if unit.epoch == state.epoch { state.queue[last].breaks = unit.epoch }
        return .overloaded
    }

    /// Carries out what is queued and ends the thread; returns when it has ended, unless called on it. Idempotent.
    func close() {
        condition.lock()
        state.isClosing = true
        condition.signal()
        if Thread.current !== thread.thread {
            while !state.hasEnded { condition.wait() }
        }
        condition.unlock()
    }

    private func locked<R>(_ body: (inout State) -> R) -> R {
        condition.lock()
        defer { condition.unlock() }
        return body(&state)
    }

    // MARK: The thread

    private func run() {
        while let batch = nextBatch() { carryOut(batch) }
        checkpointIfUseful(isIdle: true)
        connections.close()
        condition.lock()
        state.hasEnded = true
        condition.broadcast()
        condition.unlock()
    }

    /// Waits for units. Empty when there was time to tidy up, `nil` at the end.
    private func nextBatch() -> [Unit]? {
        condition.lock()
        defer { condition.unlock() }
        while state.queue.isEmpty {
            // Only now everything that waited is done and answered.
            state.isRefusing = false
            if state.isClosing { return nil }
            if logPages == 0 && !shouldTruncate {
                condition.wait()
            } else if !condition.wait(until: Date(timeIntervalSinceNow: Self.idleSeconds)), state.queue.isEmpty {
                return []
            }
        }
        let batch = Array(state.queue.prefix(Self.maximumBatch))
        state.queue.removeFirst(batch.count)
        return batch
    }

    private func carryOut(_ batch: [Unit]) {
        guard !batch.isEmpty else { return checkpointIfUseful(isIdle: true) }
        var results: [Result<Void, VaultError>] = []
        do {
            let changes = try connections.write { (session) throws(VaultError) in
                try transact(batch, session, &results)
            }
            locked { $0.trouble = nil }
            committed(changes)
            for (unit, result) in zip(batch, results) { unit.then(result) }
        } catch {
            failAll(batch, error)
            // On a full disk the space of a log that was carried over can be used again.
            if error == .diskFull { return checkpointIfUseful(isIdle: true) }
        }
        checkpointIfUseful(isIdle: false)
    }

    /// Everything in one transaction. Throws when nothing of it was stored.
    private func transact(
        _ batch: [Unit], _ session: SQLSession, _ results: inout [Result<Void, VaultError>]
    ) throws(VaultError) -> [SearchChange] {
        // Left over where even a rollback failed.
        if session.isInsideTransaction { try session.execute("ROLLBACK") }
        try session.execute("BEGIN IMMEDIATE")
        do throws(VaultError) {
            let transaction = VaultTransaction(session: session, keys: keys)
            for unit in batch { results.append(try perform(unit, transaction)) }
            try session.execute("COMMIT")
            logPages += 2 + batch.count * 4 + transaction.written / 4096
            if transaction.hasDeleted { shouldTruncate = true }
            return transaction.searchChanges
        } catch {
            if session.isInsideTransaction { try? session.execute("ROLLBACK") }
            throw error
        }
    }

    /// One unit in its savepoint. Throws when the file or the disk failed, which is everybody's failure.
    private func perform(
        _ unit: Unit, _ transaction: VaultTransaction
    ) throws(VaultError) -> Result<Void, VaultError> {
        let present = epoch
        if let broken = unit.breaks, broken == present { breakChain() }
        guard unit.epoch == nil || unit.epoch == present else { return .failure(.superseded) }
        guard let work = unit.work else { return .failure(.overloaded) }
        let session = transaction.session
        let changesBefore = transaction.searchChanges.count
        try session.execute("SAVEPOINT unit")
        do {
            try work(transaction)
            try transaction.finishUnit()
        } catch {
            // Whatever the work made of it: a failing disk fails the batch.
            if let failure = session.storageFailure { throw failure }
            try session.execute("ROLLBACK TO unit")
            try session.execute("RELEASE unit")
            transaction.searchChanges.removeSubrange(changesBefore...)
            transaction.bookChanged = false
            if unit.epoch != nil { breakChain() }
            return .failure((error as? VaultError) ?? .rejected("\(error)"))
        }
        if let failure = session.storageFailure { throw failure }
        try session.execute("RELEASE unit")
        return .success(())
    }

    /// A unit has failed: what follows in its chain must not be stored.
    private func breakChain() {
        locked { $0.epoch = VaultEpoch(number: $0.epoch.number + 1) }
    }

    /// Fails the batch and everything queued behind it, which may rely on it.
    private func failAll(_ batch: [Unit], _ error: VaultError) {
        let behind = locked { state in
            state.epoch = VaultEpoch(number: state.epoch.number + 1)
            state.trouble = error
            state.isRefusing = false
            defer { state.queue = [] }
            return state.queue
        }
        for unit in batch + behind { unit.then(.failure(error)) }
    }

    // MARK: The log

    /// Carries the log over into the database, so that it stays short. What fails here is in the log still: the next commit will say what is wrong.
    private func checkpointIfUseful(isIdle: Bool) {
        let isWaiting = queuedUnits > 0
        guard isIdle || logPages >= (isWaiting ? Self.checkpointPages.always : Self.checkpointPages.idle) else {
            return
        }
        guard logPages > 0 || shouldTruncate else { return }
        logPages = 0
        let mode = shouldTruncate ? "TRUNCATE" : "PASSIVE"
        let patience = Int(connections.busySeconds * 1000)
        let row = try? connections.write { (session) throws(VaultError) in
            // A reader that still needs the log keeps it from being emptied, and must not keep units waiting.
            _ = try session.row("PRAGMA busy_timeout = 20")
            let row = try session.row("PRAGMA wal_checkpoint(\(mode))")
            _ = try session.row("PRAGMA busy_timeout = \(patience)")
            return row
        }
        // Kept away by a reader: tried again when there is nothing to do. Failed: with the next deletion.
        let isBusy = (try? row?.integer(0)) == 1
        if !isBusy { shouldTruncate = false }
    }
}

/// Holds the thread that is made after the object it runs for.
private final class ThreadBox: @unchecked Sendable {
    // Safety: written once before the thread starts and before anybody else can have the object.
    var thread: Thread?
}
