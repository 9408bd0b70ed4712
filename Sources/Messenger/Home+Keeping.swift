import Foundation
package import Noise
package import Vault

// Keeping a home: copies of it, and its end.

extension Home {
    /// Copies key file and vault into a new directory, while they may be in use. The copy is a home: sealed as this one is, under the same passphrase.
    ///
    /// - Throws: ``HomeError``, ``VaultError``. What was made of the copy by then is removed.
    package func backup(to directory: String) throws {
        let copy = HomeFiles(directory: directory)
        try copy.createDirectory()
        guard !copy.exists(Self.keyFileName), !Vault.exists(at: directory) else {
            throw VaultError.exists(path: directory)
        }
        guard let key = try files.read(Self.keyFileName) else {
            throw HomeError.notInitialized(directory: files.directory)
        }
        try vault.backup(to: Vault.file(in: directory))
        do {
            // The key comes last: with it the copy counts as a home.
            try copy.write(key, to: Self.keyFileName)
        } catch {
            try? Vault.wipe(at: directory)
            throw error
        }
    }

    /// Adds what an exported file holds and is not here yet. New contacts get names that nobody takes for another's.
    ///
    /// - Throws: ``VaultError``.
    package func importArchive(from path: String, passphrase: borrowing SecretBytes) throws -> ArchiveSummary {
        try vault.importArchive(from: path, passphrase: passphrase) { contact, known in
            var book = ContactBook(ownName: "", server: "", contacts: known.map { Contact($0) })
            if (try? book.add(Contact(contact))) != nil { return contact.name }
            return book.admit(contact.peer, called: contact.name, as: contact.state).name
        }
    }

    /// Destroys the home in a directory: the vault first, then the key. No passphrase is needed.
    ///
    /// - Throws: ``HomeError/notInitialized(directory:)``, ``HomeError/inUse(processID:)``, ``HomeError``, ``VaultError``.
    package static func erase(at directory: String) throws {
        let files = HomeFiles(directory: directory)
        guard files.exists(keyFileName) || Vault.exists(at: directory) || files.exists(LegacyBook.fileName) else {
            throw HomeError.notInitialized(directory: directory)
        }
        let lock = try HomeLock(files, name: onlineLockName, wait: false)
        defer { withExtendedLifetime(lock) {} }
        try Vault.wipe(at: directory)
        for name in [keyFileName, LegacyBook.fileName] where files.exists(name) {
            try files.wipe(name)
        }
        for name in [onlineLockName, LegacyBook.lockName] { files.remove(name) }
    }

    /// The process that is online with the home in a directory; `nil` when none is. 0 when it cannot be told which.
    package static func onlineProcess(at directory: String) -> Int32? {
        HomeLock.holder(HomeFiles(directory: directory), name: onlineLockName)
    }
}

extension HomeFiles {
    /// Overwrites a file and removes it. What a disk that moves its blocks keeps of it is out of reach.
    func wipe(_ name: String) throws(HomeError) {
        let file = path(name)
        let descriptor = open(file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor >= 0 {
            var status = stat()
            fstat(descriptor, &status)
            let zeros = [UInt8](repeating: 0, count: min(max(Int(status.st_size), 0), Self.maximumSize))
            pwrite(descriptor, zeros, zeros.count, 0)
            fsync(descriptor)
            _ = Glibc.close(descriptor)
        }
        remove(name)
        guard !exists(name) else {
            throw .system(action: "remove", file: file, detail: String(cString: strerror(errno)))
        }
    }
}
