import CSodium
import Foundation
package import Identity
package import Noise
package import Vault
package import Wire

/// A home directory: the identity's key file, the vault, and the lock that keeps two processes from being online with one identity.
///
/// ```
/// identity.key    the secret key, sealed under the passphrase or, with --no-passphrase, readable by its owner only
/// vault.sqlite    settings, contacts, invites, messages, what waits to be sent and the ratchets, sealed cell by cell (docs/vault.md)
/// online.lock     held by the process that is connected to the server
/// ```
package final class Home: Sendable {
    static let keyFileName = "identity.key"
    static let onlineLockName = "online.lock"

    /// The unlocked identity.
    package let identity: Identity
    /// Everything else that this home keeps.
    package let vault: Vault
    /// Opening it has moved an older version's contact book into the vault.
    package let wasUpgraded: Bool
    let files: HomeFiles

    private init(identity: Identity, vault: Vault, files: HomeFiles, wasUpgraded: Bool = false) {
        self.identity = identity
        self.vault = vault
        self.files = files
        self.wasUpgraded = wasUpgraded
    }

    // MARK: Making and opening

    /// Makes a new identity. Refuses to touch a home that has one.
    ///
    /// - Parameter passphrase: asked once it is clear that there is none yet; seals the key file. `nil` leaves it unsealed, with mode 0600.
    package static func create(
        at directory: String, name: String, server: ServerURL, passphrase: (() throws -> SecretBytes)?
    ) throws -> Home {
        let files = HomeFiles(directory: directory)
        try files.createDirectory()
        let lock = try HomeLock(files, name: onlineLockName, wait: false)
        defer { withExtendedLifetime(lock) {} }
        guard !files.exists(keyFileName) else { throw HomeError.alreadyInitialized(directory: directory) }
        guard name.isEmpty || ContactBook.isUsableName(name) else { throw ContactError.badName }
        let identity = try Identity.generate()
        let secret: SecretBytes? = if let passphrase { try passphrase() } else { nil }
        let sealed = try KeyFile.seal(identity, passphrase: secret)
        // Without a key, what an earlier attempt has left can be opened by nobody.
        try Vault.wipe(at: directory)
        let vault = try Vault.create(at: directory, identity: identity)
        let book = ContactBook(ownName: name, server: server.description)
        try vault.writeAndWait { try book.write(to: $0, before: nil, now: wallClock()) }
        // The key comes last: with it the home counts as initialized.
        try files.write(sealed, to: keyFileName)
        return Home(identity: identity, vault: vault, files: files)
    }

    /// Unlocks an existing home.
    ///
    /// - Parameters:
    ///   - searchable: whether messages will be searched: the index for that takes time and memory.
    ///   - passphrase: asked for only when the key file is sealed.
    package static func open(
        at directory: String, searchable: Bool = false, passphrase: () throws -> SecretBytes?
    ) throws -> Home {
        let files = HomeFiles(directory: directory)
        guard let bytes = try files.read(keyFileName) else { throw HomeError.notInitialized(directory: directory) }
        let identity = try unlock(bytes, files, passphrase: passphrase)
        let wasUpgraded = try !Vault.exists(at: directory) && moveLegacyBook(identity, files)
        let vault =
            searchable
            ? try Vault.open(at: directory, identity: identity)
            : try Vault.openWithoutIndex(at: directory, identity: identity)
        return Home(identity: identity, vault: vault, files: files, wasUpgraded: wasUpgraded)
    }

    private static func unlock(
        _ bytes: [UInt8], _ files: HomeFiles, passphrase: () throws -> SecretBytes?
    ) throws -> Identity {
        let file = files.path(keyFileName)
        do {
            var secret: SecretBytes?
            if try KeyFile.summary(bytes).isSealed {
                secret = try passphrase()
                if secret == nil { throw HomeError.passphraseNeeded }
            } else if files.isReadableByOthers(keyFileName) {
                throw HomeError.exposed(file: file)
            }
            return try KeyFile.open(bytes, passphrase: secret)
        } catch let error as KeyFileError {
            throw homeError(error, file: file)
        }
    }

    /// Moves the contact book of a home that has no vault yet into a new one. After a crash it is done again, or was done.
    ///
    /// - Returns: whether there was one to move.
    private static func moveLegacyBook(_ identity: Identity, _ files: HomeFiles) throws -> Bool {
        let lock = try HomeLock(files, name: LegacyBook.lockName, wait: true)
        defer { withExtendedLifetime(lock) {} }
        guard !Vault.exists(at: files.directory), let legacy = try LegacyBook(reading: files, identity: identity)
        else { return false }
        let vault = try Vault.create(at: files.directory, identity: identity)
        defer { vault.close() }
        do {
            try vault.writeAndWait { transaction in
                try legacy.book.write(to: transaction, before: nil, now: wallClock())
                for invite in legacy.invites { try transaction.insertInvite(invite) }
            }
        } catch {
            try vault.wipe()
            throw error
        }
        files.remove(LegacyBook.fileName)
        return true
    }

    private static func homeError(_ error: KeyFileError, file: String) -> HomeError {
        switch error {
        case .wrongPassphrase: .wrongPassphrase
        case .passphraseNeeded: .passphraseNeeded
        case .unsupportedVersion: .newerVersion(file: file)
        default: .damaged(file: file, detail: "\(error)")
        }
    }

    /// The peer id of the home at `directory`; its key stays sealed.
    package static func peerID(at directory: String) throws -> PeerID {
        let files = HomeFiles(directory: directory)
        guard let bytes = try files.read(keyFileName) else { throw HomeError.notInitialized(directory: directory) }
        do {
            return try KeyFile.summary(bytes).peerID
        } catch {
            throw homeError(error, file: files.path(keyFileName))
        }
    }

    /// Seals the key file under another passphrase, or leaves it unsealed. The vault needs no change: its key hangs on the identity.
    package func changePassphrase(_ passphrase: borrowing SecretBytes?) throws {
        try files.write(try KeyFile.seal(identity, passphrase: passphrase), to: Self.keyFileName)
    }

    // MARK: The contact book

    /// The contact book as it is in the vault now.
    package func book() throws -> ContactBook { try vault.read { try ContactBook(reading: $0) } }

    /// Differs from what it was whenever contacts, settings or invites were changed by anybody.
    package func bookGeneration() -> Int64 { (try? vault.bookVersion()) ?? -1 }

    /// Changes the contact book; other processes wait meanwhile. Blocks until it is on the disk.
    @discardableResult
    package func update<Result: Sendable>(
        _ change: @escaping @Sendable (inout ContactBook) throws -> Result
    ) throws -> Result {
        try vault.writeAndWait { transaction in
            let before = try ContactBook(reading: transaction)
            var book = before
            let result = try change(&book)
            try book.write(to: transaction, before: before, now: Self.wallClock())
            return result
        }
    }

    // MARK: Being online

    /// Claims the right to be online with this identity until the returned value is gone.
    ///
    /// - Throws: ``HomeError/inUse(processID:)``
    package func goOnline() throws(HomeError) -> OnlineClaim {
        OnlineClaim(lock: try HomeLock(files, name: Self.onlineLockName, wait: false))
    }

    /// Milliseconds since 1970.
    package static func wallClock() -> UInt64 { UInt64(max(0, Date().timeIntervalSince1970 * 1000)) }
}

/// Held by the one process that is online with an identity.
package final class OnlineClaim: Sendable {
    private let lock: HomeLock

    init(lock: HomeLock) { self.lock = lock }
}
