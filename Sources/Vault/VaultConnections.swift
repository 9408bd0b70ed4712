import Foundation
import GRDB
import NIOConcurrencyHelpers

/// The connections to one file: one that writes, used by the vault's thread alone, and as many readers as there are readers at a time.
final class VaultConnections: Sendable {
    private struct State {
        var idleReaders: [DatabaseQueue] = []
        var isClosed = false
    }

    /// Readers beyond these are closed after use.
    private static let keptReaders = 4

    let path: String
    let busySeconds: Double
    let writer: DatabaseQueue
    private let state = NIOLockedValueBox(State())

    /// Opens the writing connection.
    init(path: String, busySeconds: Double) throws(VaultError) {
        self.path = path
        self.busySeconds = busySeconds
        do {
            writer = try DatabaseQueue(
                path: path, configuration: Self.configuration(readOnly: false, busySeconds: busySeconds))
        } catch {
            throw VaultError(opening: path, error)
        }
    }

    /// How every connection is set up.
    static func configuration(readOnly: Bool, busySeconds: Double) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.busyMode = .timeout(busySeconds)
        configuration.foreignKeysEnabled = true
        // A transaction that even ROLLBACK cannot end is dealt with by the writer, and must not end the process.
        configuration.allowsUnsafeTransactions = true
        configuration.prepareDatabase { database in
            // Nothing is ever written to temporary files. A damaged schema must not run functions.
            try database.execute(sql: "PRAGMA temp_store = MEMORY")
            try database.execute(sql: "PRAGMA trusted_schema = OFF")
            guard !readOnly else { return }
            // What was confirmed is on the disk; what was deleted is overwritten. Checkpoints are the writer's own decision.
            try database.execute(sql: "PRAGMA synchronous = FULL")
            try database.execute(sql: "PRAGMA secure_delete = ON")
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            try database.execute(sql: "PRAGMA journal_size_limit = 4194304")
        }
        return configuration
    }

    /// Lends the writing connection; for the vault's thread, and for opening.
    func write<R>(_ body: (SQLSession) throws(VaultError) -> R) throws(VaultError) -> R {
        do {
            return try writer.writeWithoutTransaction { database in try body(SQLSession(database)) }
        } catch {
            throw VaultError(translating: error)
        }
    }

    /// Lends a reader within a transaction: `body` sees one state of the file, whatever others write meanwhile.
    func read<R>(_ body: (SQLSession) throws -> R) throws -> R {
        let reader = try takeReader()
        defer { giveBack(reader) }
        do {
            return try reader.read { database in try body(SQLSession(database)) }
        } catch let error as DatabaseError {
            throw VaultError(translating: error)
        }
    }

    /// A reader of one's own, for what takes long or needs GRDB itself.
    func makeReader() throws(VaultError) -> DatabaseQueue {
        do {
            return try DatabaseQueue(
                path: path, configuration: Self.configuration(readOnly: true, busySeconds: busySeconds))
        } catch {
            throw VaultError(opening: path, error)
        }
    }

    private func takeReader() throws(VaultError) -> DatabaseQueue {
        let (idle, isClosed) = state.withLockedValue { ($0.idleReaders.popLast(), $0.isClosed) }
        guard !isClosed else { throw .closed }
        if let idle { return idle }
        return try makeReader()
    }

    private func giveBack(_ reader: DatabaseQueue) {
        let isKept = state.withLockedValue { state in
            guard !state.isClosed, state.idleReaders.count < Self.keptReaders else { return false }
            state.idleReaders.append(reader)
            return true
        }
        if !isKept { try? reader.close() }
    }

    /// Closes everything; readers that are lent close when they are given back. Idempotent.
    func close() {
        let idle = state.withLockedValue { state in
            state.isClosed = true
            defer { state.idleReaders = [] }
            return state.idleReaders
        }
        for reader in idle { try? reader.close() }
        try? writer.close()
    }
}

extension VaultError {
    /// Why a connection could not be opened.
    init(opening path: String, _ error: any Error) {
        let translated = VaultError(translating: error)
        if case .system = translated, access(path, R_OK) != 0 {
            self = VaultError(systemCode: errno, path: path)
        } else {
            self = translated
        }
    }
}
