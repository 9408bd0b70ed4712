import CSodium
import Foundation
import GRDB
package import Identity
import NIOConcurrencyHelpers
import Noise

/// Where contacts, messages, the outbox, ratchet states and settings are kept: an SQLite database whose content is sealed cell by cell.
///
/// Writing is done by a thread of the vault's own, in the order of submission, and many units of work share one commit. A unit is confirmed only once it is on the disk
/// (WAL, `synchronous=FULL`). Reading is done on the caller's thread, from one state of the file. Several processes may have the same vault open: each reads what all have
/// written, and they take turns in writing. The format and what it protects: docs/vault.md.
package final class Vault: Sendable {
    /// More units than these do not wait: further ones fail with ``VaultError/overloaded`` until all that wait are done, so that none is
    /// carried out whose predecessor was not.
    package static let maximumQueuedUnits = 65_536
    /// Answers to refused units that wait for their turn, beyond ``maximumQueuedUnits``. What is submitted beyond these is refused at once.
    package static let maximumRefusedUnits = 16_384
    /// How long another process may keep the vault busy before a unit fails with ``VaultError/locked``.
    package static let busySeconds = 5.0

    let keys: VaultKeys
    let connections: VaultConnections
    let files: VaultFiles
    let ownPeer: PeerID
    private let writer: VaultWriter
    private let index: SearchIndex
    private let book = NIOLockedValueBox<BookWatch>(BookWatch())

    private init(
        connections: VaultConnections, files: VaultFiles, keys: VaultKeys, ownPeer: PeerID, buildsIndex: Bool
    ) {
        self.connections = connections
        self.files = files
        self.keys = keys
        self.ownPeer = ownPeer
        let index = SearchIndex(connections: connections, keys: keys)
        self.index = index
        writer = VaultWriter(connections: connections, keys: keys) { index.apply($0) }
        if buildsIndex { index.build() }
    }

    deinit { close() }

    // MARK: Opening and closing

    /// Makes an empty vault in an existing directory, complete or not at all. The data key is random.
    ///
    /// - Throws: ``VaultError/exists(path:)``, ``VaultError/diskFull``, ``VaultError/readOnly``, ``VaultError/system(detail:)``.
    package static func create(at directory: String, identity: Identity) throws(VaultError) -> Vault {
        try create(at: directory, identity: identity, schema: .current)
        return try open(at: directory, identity: identity)
    }

    /// Whether there is a vault in the directory.
    package static func exists(at directory: String) -> Bool {
        access(VaultFiles(directory: directory).database, F_OK) == 0
    }

    /// The database's path in a directory.
    package static func file(in directory: String) -> String { VaultFiles(directory: directory).database }

    /// Opens the vault in a directory, and brings it to the present version first. The search index is built in the background.
    ///
    /// - Throws: ``VaultError/missing(path:)``, ``VaultError/wrongIdentity``, ``VaultError/newerVersion(_:)``,
    ///   ``VaultError/damaged(detail:)``, ``VaultError/diskFull``, ``VaultError/readOnly``, ``VaultError/locked``, ``VaultError/system(detail:)``.
    package static func open(at directory: String, identity: Identity) throws(VaultError) -> Vault {
        try open(at: directory, identity: identity, schema: .current)
    }

    /// As ``open(at:identity:)``, without searching: for a command that does one short thing.
    package static func openWithoutIndex(at directory: String, identity: Identity) throws(VaultError) -> Vault {
        try open(at: directory, identity: identity, schema: .current, buildsIndex: false)
    }

    static func create(at directory: String, identity: Identity, schema: VaultSchema) throws(VaultError) {
        let files = VaultFiles(directory: directory)
        guard !exists(at: directory) else { throw .exists(path: files.database) }
        // What a crash has left of an earlier attempt was never a vault.
        VaultFiles.remove(files.unfinished)
        try VaultFiles.createEmpty(files.unfinished)
        do throws(VaultError) {
            let connections = try VaultConnections(path: files.unfinished, busySeconds: busySeconds)
            defer { connections.close() }
            try connections.write { (session) throws(VaultError) in
                let dataKey = SecretBytes.random(count: VaultKeys.keyByteCount)
                try session.executeScript("PRAGMA application_id = \(VaultSchema.applicationID)")
                try VaultHeader(wrapping: dataKey, identity: identity).write(to: session)
                try schema.migrate(session, keys: VaultKeys(dataKey: dataKey))
                // Stays in the file.
                guard try session.row("PRAGMA journal_mode = WAL")?.text(0) == "wal" else {
                    throw .system(detail: "the file system has no shared memory, which SQLite's WAL mode needs")
                }
            }
        } catch {
            VaultFiles.remove(files.unfinished)
            throw error
        }
        try VaultFiles.publish(files.unfinished, as: files.database)
    }

    static func open(
        at directory: String, identity: Identity, schema: VaultSchema, buildsIndex: Bool = true,
        busySeconds: Double = Vault.busySeconds
    ) throws(VaultError) -> Vault {
        let files = VaultFiles(directory: directory)
        try files.prepareToOpen()
        let connections = try VaultConnections(path: files.database, busySeconds: busySeconds)
        do throws(VaultError) {
            let keys = try connections.write { (session) throws(VaultError) in
                try unlock(session, identity: identity, schema: schema)
            }
            return Vault(
                connections: connections, files: files, keys: keys, ownPeer: identity.peerID, buildsIndex: buildsIndex)
        } catch {
            connections.close()
            throw error
        }
    }

    /// Checks whose vault it is and of which version, and migrates it.
    private static func unlock(
        _ session: SQLSession, identity: Identity, schema: VaultSchema
    ) throws(VaultError) -> VaultKeys {
        guard try session.row("PRAGMA application_id")?.integer(0) == VaultSchema.applicationID else {
            throw .damaged(detail: "it is no vault")
        }
        let version = try VaultSchema.version(of: session)
        guard version <= schema.version else { throw .newerVersion(version) }
        let keys = VaultKeys(dataKey: try VaultHeader(reading: session).unwrap(identity))
        guard try session.row("PRAGMA journal_mode")?.text(0) == "wal" else {
            throw .damaged(detail: "its journal mode was changed")
        }
        try schema.migrate(session, keys: keys)
        return keys
    }

    /// Carries out what is queued, and closes the file. Everything after that fails with ``VaultError/closed``. Idempotent; may be called
    /// from anywhere, except from inside a unit of work.
    package func close() {
        index.close()
        book.withLockedValue { $0.close() }
        writer.close()
    }

    // MARK: Writing

    /// The present chain of units; see ``VaultEpoch``.
    package var epoch: VaultEpoch { writer.epoch }

    /// Units that wait for their commit.
    package var queuedUnits: Int { writer.queuedUnits }

    /// What the last commit failed with, until one has succeeded again.
    package var trouble: VaultError? { writer.trouble }

    /// Queues a unit of work: it is stored as a whole, or nothing of it.
    ///
    /// Units are carried out in the order of submission, on the vault's thread. When the file or the disk fails, everything that shares the commit and everything queued
    /// behind it fails with the same error, and the vault then accepts units again. A unit whose own work throws fails alone, and with an
    /// epoch so do those behind it in the same epoch.
    ///
    /// - Parameters:
    ///   - epoch: the chain that this unit belongs to; `nil` when it relies on no other.
    ///   - work: called once, on the vault's thread. It must neither wait nor call the vault.
    ///   - then: called once, after the commit is on the disk, or with what failed: on the vault's thread and in the order of submission
    ///     (``VaultError/closed``, and ``VaultError/overloaded`` when even ``maximumRefusedUnits`` wait: at once, on the caller's).
    package func submit(
        in epoch: VaultEpoch? = nil, _ work: @escaping @Sendable (VaultTransaction) throws -> Void,
        then: @escaping @Sendable (Result<Void, VaultError>) -> Void
    ) {
        writer.submit(VaultWriter.Unit(epoch: epoch, work: work, then: then))
    }

    /// Carries out a unit of work and returns what it returns, once that is on the disk.
    ///
    /// - Throws: what `work` throws, or a ``VaultError``.
    package func write<R: Sendable>(
        in epoch: VaultEpoch? = nil, _ work: @escaping @Sendable (VaultTransaction) throws -> R
    ) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            submitReturning(in: epoch, work) { continuation.resume(with: $0) }
        }
    }

    /// As ``write(in:_:)``, for callers that may block. Not on the vault's thread.
    ///
    /// - Throws: what `work` throws, or a ``VaultError``.
    package func writeAndWait<R: Sendable>(
        in epoch: VaultEpoch? = nil, _ work: @escaping @Sendable (VaultTransaction) throws -> R
    ) throws -> R {
        let done = DispatchSemaphore(value: 0)
        let outcome = NIOLockedValueBox<Result<R, any Error>?>(nil)
        submitReturning(in: epoch, work) { result in
            outcome.withLockedValue { $0 = result }
            done.signal()
        }
        done.wait()
        guard let result = outcome.withLockedValue({ $0 }) else { throw VaultError.closed }
        return try result.get()
    }

    /// As ``submit(in:_:then:)``, for work that returns something: `then` gets it after the commit, or what the work threw, or a ``VaultError``.
    package func submitReturning<R: Sendable>(
        in epoch: VaultEpoch? = nil, _ work: @escaping @Sendable (VaultTransaction) throws -> R,
        then: @escaping @Sendable (Result<R, any Error>) -> Void
    ) {
        let kept = KeptResult<R>()
        submit(in: epoch) { transaction in
            do {
                kept.set(.success(try work(transaction)))
            } catch {
                kept.set(.failure(error))
                throw error
            }
        } then: { result in
            switch result {
            case .success: then(kept.get() ?? .failure(VaultError.closed))
            case .failure(let failure):
                // What the work itself threw, unless the disk failed after it.
                if !failure.isOfStorage, case .failure(let own)? = kept.get() { return then(.failure(own)) }
                then(.failure(failure))
            }
        }
    }

    // MARK: Reading

    /// Reads from one state of the vault, on the caller's thread. Sees everything that was confirmed before.
    ///
    /// - Throws: what `work` throws, or a ``VaultError``.
    package func read<R: ~Copyable>(_ work: (VaultReader) throws -> R) throws -> R {
        var result: R?
        try connections.read { session in result = try work(VaultReader(session: session, keys: keys)) }
        guard let result = result.take() else { throw VaultError.closed }
        return result
    }

    /// The messages whose text holds every word of `text`, the latest first.
    ///
    /// Words are compared without case and diacritics, and the beginning of a word is enough. Any text is allowed; without a letter, digit or symbol it finds nothing. The
    /// first search waits for the index.
    ///
    /// - Throws: ``VaultError``
    package func search(_ text: String, limit: Int) throws -> [StoredMessage] {
        let rows = try index.search(text, limit: limit)
        return try read { reader in
            try rows.compactMap { row in
                guard let message = try reader.message(row: row), message.isSearchable else { return nil }
                return message
            }
        }
    }

    /// Waits until the search index is complete, without searching.
    package func waitForIndex() throws { try index.wait() }

    /// A number that changes whenever contacts, settings or invites were changed by this or another process. Cheap while nothing was written.
    ///
    /// - Throws: ``VaultError``
    package func bookVersion() throws -> Int64 {
        try book.withLockedValue { try $0.version(connections) }
    }
}

/// What the work of a unit has returned, until its commit is done.
private final class KeptResult<R: Sendable>: Sendable {
    private let result = NIOLockedValueBox<Result<R, any Error>?>(nil)

    func set(_ value: Result<R, any Error>) { result.withLockedValue { $0 = value } }
    func get() -> Result<R, any Error>? { result.withLockedValue { $0 } }
}

/// Looks at the counter only when SQLite says that somebody has written: `PRAGMA data_version` needs no input or output.
private struct BookWatch {
    private var reader: DatabaseQueue?
    private var dataVersion: Int64?
    private var version: Int64 = 0
    private var isClosed = false

    /// As long as any connection is open, SQLite keeps the log.
    mutating func close() {
        isClosed = true
        try? reader?.close()
        reader = nil
    }

    mutating func version(_ connections: VaultConnections) throws -> Int64 {
        guard !isClosed else { throw VaultError.closed }
        let reader = try self.reader ?? connections.makeReader()
        self.reader = reader
        do {
            return try reader.inDatabase { database in
                let session = SQLSession(database)
                let seen = try session.row("PRAGMA data_version")?.integer(0)
                if let seen, seen == dataVersion { return version }
                let row = try session.row("SELECT value FROM counter WHERE id = \(Counter.book.rawValue)")
                version = try row?.integer(0) ?? 0
                dataVersion = seen
                return version
            }
        } catch {
            throw VaultError(translating: error)
        }
    }
}
