import Dispatch
import GRDB
import NIOConcurrencyHelpers

/// The full-text index: an FTS5 table in memory, never on disk. It is built in the background from the end of the history backwards, and follows every commit.
///
/// All work is done in order on a queue of its own. A message that a commit has changed meanwhile is not overwritten by the older text that the building has read.
/// What other processes write is noticed when somebody searches.
final class SearchIndex: Sendable {
    // Safety: touched on `queue` only.
    private nonisolated(unsafe) var table: DatabaseQueue?
    /// Rows that commits have touched while the index is being built.
    private nonisolated(unsafe) var touched: Set<Int64>? = []
    /// The largest row that the index knows of.
    private nonisolated(unsafe) var lastRow: Int64 = 0
    /// The counter of edits that the index has followed; `nil` while it was not read.
    private nonisolated(unsafe) var edits: Int64?
    private nonisolated(unsafe) var failure: VaultError?

    /// Messages read at a time.
    private static let chunk = 512

    private let queue = DispatchQueue(label: "sotto-search", qos: .utility)
    private let connections: VaultConnections
    private let keys: VaultKeys
    private let hasStarted = NIOLockedValueBox(false)
    private let isClosed = NIOLockedValueBox(false)

    init(connections: VaultConnections, keys: VaultKeys) {
        self.connections = connections
        self.keys = keys
    }

    /// Begins to build it, once.
    func build() {
        let isFirst = hasStarted.withLockedValue { started in
            defer { started = true }
            return !started
        }
        guard isFirst else { return }
        queue.async { self.start() }
    }

    /// Follows a commit.
    func apply(_ changes: [SearchChange]) {
        guard !changes.isEmpty, hasStarted.withLockedValue({ $0 }) else { return }
        queue.async { self.follow(changes) }
    }

    /// Ends it. Idempotent.
    func close() {
        isClosed.withLockedValue { $0 = true }
        queue.async { self.table = nil }
    }

    /// Waits until everything is in it.
    func wait() throws(VaultError) { _ = try rows(matching: nil, limit: 0) }

    /// The rows of messages that a query finds, the latest first.
    func search(_ text: String, limit: Int) throws(VaultError) -> [Int64] {
        guard limit > 0, let query = SearchText.query(text) else { return [] }
        return try rows(matching: query, limit: limit)
    }

    private func rows(matching query: String?, limit: Int) throws(VaultError) -> [Int64] {
        build()
        let done = DispatchSemaphore(value: 0)
        let answer = NIOLockedValueBox<Result<[Int64], VaultError>>(.failure(.closed))
        answerWhenBuilt { result in
            answer.withLockedValue { $0 = result }
            done.signal()
        } with: {
            query.map { self.find($0, limit: limit) } ?? .success([])
        }
        done.wait()
        return try answer.withLockedValue { $0 }.get()
    }

    // MARK: On the queue

    private func answerWhenBuilt(
        _ answer: @escaping @Sendable (Result<[Int64], VaultError>) -> Void,
        with find: @escaping @Sendable () -> Result<[Int64], VaultError>
    ) {
        queue.async {
            if let failure = self.failure { return answer(.failure(failure)) }
            guard self.table != nil else { return answer(.failure(.closed)) }
            // Behind the next part of the building.
            if self.touched != nil { return self.answerWhenBuilt(answer, with: find) }
            if self.catchUp() { return self.answerWhenBuilt(answer, with: find) }
            answer(self.failure.map { .failure($0) } ?? find())
        }
    }

    private func start() {
        guard !isClosed.withLockedValue({ $0 }) else { return }
        do {
            var configuration = Configuration()
            configuration.prepareDatabase { database in
                try database.execute(sql: "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON")
            }
            let table = try DatabaseQueue(configuration: configuration)
            try table.writeWithoutTransaction { database in
                try database.execute(
                    sql: "CREATE VIRTUAL TABLE message USING fts5(text, tokenize = '\(SearchText.tokenizer)')")
            }
            self.table = table
            touched = []
            failure = nil
            edits = try connections.read { session in try Self.edits(session) }
            readBackwards(from: .max)
        } catch {
            failure = VaultError(translating: error)
        }
    }

    /// Reads one part, and queues itself for the next.
    private func readBackwards(from row: Int64) {
        guard failure == nil, !isClosed.withLockedValue({ $0 }) else { return }
        do {
            let messages = try connections.read { session in
                try VaultReader(session: session, keys: keys).messages(before: row, last: Self.chunk)
            }
            let skipped = touched ?? []
            try write { session throws(VaultError) in
                for message in messages where message.isSearchable && !skipped.contains(message.row) {
                    try Self.put(message.row, message.text, session)
                }
            }
            if let first = messages.first { lastRow = max(lastRow, first.row) }
            if messages.count < Self.chunk {
                touched = nil
            } else if let last = messages.last {
                queue.async { self.readBackwards(from: last.row) }
            }
        } catch {
            failure = VaultError(translating: error)
        }
    }

    private func follow(_ changes: [SearchChange]) {
        guard table != nil, failure == nil else { return }
        do {
            try write { session throws(VaultError) in
                for change in changes {
                    switch change {
                    case .text(let row, let text):
                        touched?.insert(row)
                        lastRow = max(lastRow, row)
                        try Self.put(row, text, session)
                    case .gone(let row):
                        touched?.insert(row)
                        try session.execute("DELETE FROM message WHERE rowid = ?", [.integer(row)])
                    case .edited(let before):
                        // Another process edited something in between, too: noticed at the next search.
                        if edits == before { edits = before + 1 }
                    }
                }
            }
        } catch {
            failure = VaultError(translating: error)
        }
    }

    /// Takes in what other processes have written. Returns whether everything must be read anew.
    private func catchUp() -> Bool {
        do {
            let (found, newer) = try connections.read { session in
                (
                    try Self.edits(session),
                    try VaultReader(session: session, keys: keys).messages(after: lastRow)
                )
            }
            if found != edits {
                start()
                return failure == nil
            }
            guard let last = newer.last else { return false }
            try write { session throws(VaultError) in
                for message in newer where message.isSearchable { try Self.put(message.row, message.text, session) }
            }
            lastRow = last.row
        } catch {
            failure = VaultError(translating: error)
        }
        return false
    }

    private func find(_ query: String, limit: Int) -> Result<[Int64], VaultError> {
        do {
            guard let table else { return .failure(.closed) }
            return .success(
                try table.writeWithoutTransaction { database in
                    let rows = try SQLSession(database).rows(
                        "SELECT rowid FROM message WHERE message MATCH ? ORDER BY rowid DESC LIMIT ?",
                        [.text(query), .integer(Int64(limit))])
                    return try rows.map { try $0.integer(0) }
                })
        } catch {
            return .failure(VaultError(translating: error))
        }
    }

    private func write(_ body: (SQLSession) throws(VaultError) -> Void) throws {
        try table?.inTransaction { database in
            try body(SQLSession(database))
            return .commit
        }
    }

    private static func put(_ row: Int64, _ text: String, _ session: SQLSession) throws(VaultError) {
        try session.execute(
            "INSERT OR REPLACE INTO message (rowid, text) VALUES (?, ?)",
            [.integer(row), .text(SearchText.indexed(text))])
    }

    private static func edits(_ session: SQLSession) throws(VaultError) -> Int64 {
        try session.row("SELECT value FROM counter WHERE id = \(Counter.edits.rawValue)")?.integer(0) ?? 0
    }
}
