import Foundation
import GRDB

/// A value that goes into a statement.
enum SQLValue {
    case integer(Int64)
    /// Only for the search index: in the file there is no text.
    case text(String)
    case blob([UInt8])
    case null

    static func optional(_ value: Int64?) -> SQLValue { value.map { .integer($0) } ?? .null }

    fileprivate var databaseValue: DatabaseValue {
        switch self {
        case .integer(let value): value.databaseValue
        case .text(let text): text.databaseValue
        case .blob(let bytes): Data(bytes).databaseValue
        case .null: .null
        }
    }
}

/// A row that was read. What a damaged file puts into a column is an error, never a trap.
struct SQLRow {
    private let values: [DatabaseValue.Storage]

    fileprivate init(_ row: Row) {
        values = (0..<row.count).map { index in
            let value: DatabaseValue = row[index]
            return value.storage
        }
    }

    func integer(_ index: Int) throws(VaultError) -> Int64 {
        guard index < values.count, case .int64(let value) = values[index] else { throw Self.wrongType }
        return value
    }

    /// `nil` for NULL.
    func optionalInteger(_ index: Int) throws(VaultError) -> Int64? {
        guard index < values.count else { throw Self.wrongType }
        switch values[index] {
        case .null: return nil
        case .int64(let value): return value
        default: throw Self.wrongType
        }
    }

    func blob(_ index: Int) throws(VaultError) -> [UInt8] {
        guard index < values.count, case .blob(let data) = values[index] else { throw Self.wrongType }
        return Array(data)
    }

    /// What SQLite itself answers in words, as for `PRAGMA integrity_check`.
    func text(_ index: Int) -> String? {
        guard index < values.count, case .string(let text) = values[index] else { return nil }
        return text
    }

    private static let wrongType = VaultError.damaged(detail: "a column holds another type")
}

/// Runs statements on one connection, prepared once and kept, and translates what goes wrong. Belongs to whoever has
/// the connection at the moment.
final class SQLSession {
    private let database: Database
    /// The first failure of the file or the disk, as opposed to one of a statement: whatever was done since `BEGIN`
    /// cannot be relied on any more, even if somebody swallowed the error.
    private(set) var storageFailure: VaultError?

    init(_ database: Database) { self.database = database }

    /// Runs one statement that returns nothing.
    func execute(_ sql: String, _ arguments: [SQLValue] = []) throws(VaultError) {
        do {
            let statement = try prepared(sql, arguments)
            try statement.execute()
        } catch {
            throw failed(error)
        }
    }

    /// Runs a script of several statements, none of them kept.
    func executeScript(_ sql: String) throws(VaultError) {
        do {
            try database.execute(sql: sql)
        } catch {
            throw failed(error)
        }
    }

    /// All rows. Only for what is bounded.
    func rows(_ sql: String, _ arguments: [SQLValue] = []) throws(VaultError) -> [SQLRow] {
        var rows: [SQLRow] = []
        try forEachRow(sql, arguments) { (row) throws(VaultError) in rows.append(row) }
        return rows
    }

    /// The first row, if there is one.
    func row(_ sql: String, _ arguments: [SQLValue] = []) throws(VaultError) -> SQLRow? {
        do {
            let cursor = try Row.fetchCursor(prepared(sql, arguments))
            return try cursor.next().map { SQLRow($0) }
        } catch {
            throw failed(error)
        }
    }

    /// Calls `body` with each row as it is read; `body` must not run the same statement.
    func forEachRow(
        _ sql: String, _ arguments: [SQLValue] = [], _ body: (SQLRow) throws(VaultError) -> Void
    ) throws(VaultError) {
        do {
            let cursor = try Row.fetchCursor(prepared(sql, arguments))
            while let row = try cursor.next() { try body(SQLRow(row)) }
        } catch {
            throw failed(error)
        }
    }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    var changes: Int { database.changesCount }

    /// Whether a transaction is open.
    var isInsideTransaction: Bool { database.isInsideTransaction }

    private func prepared(_ sql: String, _ arguments: [SQLValue]) throws -> Statement {
        let statement = try database.cachedStatement(sql: sql)
        statement.setUncheckedArguments(StatementArguments(arguments.map(\.databaseValue)))
        return statement
    }

    private func failed(_ error: any Error) -> VaultError {
        if let known = error as? VaultError { return known }
        let translated = VaultError(translating: error)
        if storageFailure == nil, translated.isOfStorage { storageFailure = translated }
        return translated
    }
}

extension VaultError {
    /// What an error of SQLite or the system means to the user.
    init(translating error: any Error) {
        if let known = error as? VaultError {
            self = known
            return
        }
        guard let error = error as? DatabaseError else {
            self = .system(detail: "\(error)")
            return
        }
        if error.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY {
            self = .unknown("contact")
            return
        }
        // The memory that connections share is a file beside the database, which could not grow.
        if error.extendedResultCode == .SQLITE_IOERR_SHMSIZE {
            self = .diskFull
            return
        }
        switch error.resultCode {
        case .SQLITE_FULL: self = .diskFull
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: self = .readOnly
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL: self = .locked
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(detail: "SQLite cannot read the file")
        // A missing table or column: statements are fixed, so the schema in the file is not the one that was made.
        case .SQLITE_ERROR, .SQLITE_SCHEMA, .SQLITE_MISMATCH: self = .damaged(detail: "its tables are not as made")
        case .SQLITE_CONSTRAINT: self = .duplicate("row")
        case .SQLITE_NOMEM: self = .outOfMemory
        case .SQLITE_TOOBIG: self = .outOfRange("a value")
        // Never `error.description`: it may spell out arguments.
        default: self = .system(detail: "SQLite error \(error.extendedResultCode.rawValue)")
        }
    }

    /// Whether it is about the file or the disk, so that the whole batch is lost.
    var isOfStorage: Bool {
        switch self {
        case .diskFull, .readOnly, .locked, .system, .damaged, .outOfMemory, .closed: true
        default: false
        }
    }
}
