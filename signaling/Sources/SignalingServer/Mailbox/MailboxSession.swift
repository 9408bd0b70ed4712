import Foundation
import GRDB

/// Runs statements on the mailbox's connection, prepared once and kept. Belongs to the mailbox's thread.
struct MailboxSession {
    private let database: Database

    init(_ database: Database) { self.database = database }

    /// Rows that the last INSERT, UPDATE or DELETE changed, those changed by triggers not counted.
    var changes: Int { database.changesCount }

    var lastRow: Int64 { database.lastInsertedRowID }

    var isInsideTransaction: Bool { database.isInsideTransaction }

    /// Runs one statement that returns nothing.
    func execute(_ sql: String, _ values: [DatabaseValue] = []) throws(MailboxError) {
        do {
            try prepared(sql, values).execute()
        } catch {
            throw MailboxError(translating: error)
        }
    }

    /// Runs several statements, none of them kept.
    func executeScript(_ sql: String) throws(MailboxError) {
        do {
            try database.execute(sql: sql)
        } catch {
            throw MailboxError(translating: error)
        }
    }

    /// The first row, if there is one.
    func row(_ sql: String, _ values: [DatabaseValue] = []) throws(MailboxError) -> MailboxRow? {
        var first: MailboxRow?
        try forEachRow(sql, values) { (row) throws(MailboxError) in
            first = row
            return false
        }
        return first
    }

    /// Calls `body` with each row until it says false. `body` must not run the same statement.
    func forEachRow(
        _ sql: String, _ values: [DatabaseValue] = [], _ body: (MailboxRow) throws(MailboxError) -> Bool
    ) throws(MailboxError) {
        do {
            let cursor = try Row.fetchCursor(prepared(sql, values))
            while let row = try cursor.next() {
                guard try body(MailboxRow(row)) else { return }
            }
        } catch {
            throw MailboxError(translating: error)
        }
    }

    private func prepared(_ sql: String, _ values: [DatabaseValue]) throws -> Statement {
        let statement = try database.cachedStatement(sql: sql)
        statement.setUncheckedArguments(StatementArguments(values))
        return statement
    }
}

/// A row that was read. What a broken file puts into a column is an error, never a trap.
struct MailboxRow {
    private let values: [DatabaseValue.Storage]

    fileprivate init(_ row: Row) {
        values = (0..<row.count).map { index in
            let value: DatabaseValue = row[index]
            return value.storage
        }
    }

    func integer(_ index: Int) throws(MailboxError) -> Int64 {
        guard index < values.count, case .int64(let value) = values[index] else { throw Self.wrongType }
        return value
    }

    func count(_ index: Int) throws(MailboxError) -> Int {
        guard let count = Int(exactly: try integer(index)), count >= 0 else { throw Self.wrongType }
        return count
    }

    func blob(_ index: Int) throws(MailboxError) -> [UInt8] {
        guard index < values.count, case .blob(let data) = values[index] else { throw Self.wrongType }
        return Array(data)
    }

    /// What SQLite itself answers in words.
    func text(_ index: Int) -> String? {
        guard index < values.count, case .string(let text) = values[index] else { return nil }
        return text
    }

    private static let wrongType = MailboxError.damaged("a column holds something else")
}

extension DatabaseValue {
    static func integer(_ value: Int64) -> DatabaseValue { value.databaseValue }
    static func blob(_ bytes: [UInt8]) -> DatabaseValue { Data(bytes).databaseValue }
}
