package import Identity
package import Noise
package import Wire

/// A home directory: the identity's key file, the sealed contact book, and the lock that keeps two processes from being online with one identity.
///
/// ```
/// identity.key    the secret key, sealed under the passphrase or, with --no-passphrase, readable by its owner only
/// book.sealed     name, server, contacts and issued invites, sealed under a key derived from the identity
/// book.lock       held for the moment of a change
/// online.lock     held by the process that is connected to the server
/// ```
package final class Home: Sendable {
    private static let keyFileName = "identity.key"
    private static let onlineLockName = "online.lock"

    /// The unlocked identity.
    package let identity: Identity
    private let files: HomeFiles
    private let books: BookStore

    private init(identity: Identity, files: HomeFiles) {
        self.identity = identity
        self.files = files
        self.books = BookStore(files: files, identity: identity)
    }

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
        let home = Home(identity: identity, files: files)
        let secret: SecretBytes? = if let passphrase { try passphrase() } else { nil }
        let sealed = try KeyFile.seal(identity, passphrase: secret)
        try home.books.write(ContactBook(ownName: name, server: server.description))
        // The key comes last: with it the home counts as initialized.
        try files.write(sealed, to: keyFileName)
        return home
    }

    /// Unlocks an existing home.
    ///
    /// - Parameter passphrase: asked for only when the key file is sealed.
    package static func open(at directory: String, passphrase: () throws -> SecretBytes?) throws -> Home {
        let files = HomeFiles(directory: directory)
        guard let bytes = try files.read(keyFileName) else { throw HomeError.notInitialized(directory: directory) }
        let file = files.path(keyFileName)
        do {
            var secret: SecretBytes?
            if try KeyFile.summary(bytes).isSealed {
                secret = try passphrase()
                if secret == nil { throw HomeError.passphraseNeeded }
            } else if files.isReadableByOthers(keyFileName) {
                throw HomeError.exposed(file: file)
            }
            return Home(identity: try KeyFile.open(bytes, passphrase: secret), files: files)
        } catch let error as KeyFileError {
            throw homeError(error, file: file)
        }
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

    /// Makes an invite that admits its bearer for ``ContactBook/inviteLifetime``. `now` is in seconds since 1970.
    package func makeInvite(now: Int64) throws -> Invite {
        let token = Invite.makeToken()
        let book = try update { book -> ContactBook in
            book.issue(token: token, now: now)
            return book
        }
        return try Invite(
            peerID: identity.peerID, server: try ServerURL(book.server), token: token,
            name: book.ownName.isEmpty ? nil : book.ownName)
    }

    /// The contact book as it is on disk now.
    package func book() throws(HomeError) -> ContactBook { try books.read() }

    /// Differs from what it was whenever the contact book was written by anybody.
    package func bookGeneration() -> UInt64 { books.generation() }

    /// Changes the contact book; other processes wait meanwhile.
    @discardableResult
    package func update<Result>(_ change: (inout ContactBook) throws -> Result) throws -> Result {
        try books.update(change)
    }

    /// Claims the right to be online with this identity until the returned value is gone.
    ///
    /// - Throws: ``HomeError/inUse(processID:)``
    package func goOnline() throws(HomeError) -> OnlineClaim {
        OnlineClaim(lock: try HomeLock(files, name: Self.onlineLockName, wait: false))
    }
}

/// Held by the one process that is online with an identity.
package final class OnlineClaim: Sendable {
    private let lock: HomeLock

    init(lock: HomeLock) { self.lock = lock }
}
