import Foundation
import Noise

extension Vault {
    /// Destroys the vault: first the wrapped data key, with which everything else is unreadable, then the files, which are overwritten and removed.
    ///
    /// The vault is closed then. What a disk that moves its blocks (flash) keeps of overwritten ones, and backups, are out of reach.
    ///
    /// - Throws: ``VaultError`` when a file cannot be overwritten or removed; the others are nevertheless.
    package func wipe() throws(VaultError) {
        let done = DispatchSemaphore(value: 0)
        submit { transaction in
            try transaction.execute(
                "UPDATE header SET key = ?, owner = ?",
                [.blob(Sodium.randomBytes(count: 72)), .blob(Sodium.randomBytes(count: 16))])
            // Out of the log at once; closing waits for that.
            transaction.hasDeleted = true
        } then: { _ in
            // Overwriting the files does it as well.
            done.signal()
        }
        done.wait()
        close()
        try Self.wipe(at: files.directory)
    }

    /// Destroys a vault that cannot be opened, or that nobody has open. Does nothing when there is none.
    package static func wipe(at directory: String) throws(VaultError) {
        let files = VaultFiles(directory: directory)
        var failure: VaultError?
        // The header, and with it the wrapped key, stands at the beginning of the database.
        for path in files.all + [files.unfinished] {
            do throws(VaultError) { try overwrite(path) } catch { failure = failure ?? error }
        }
        VaultFiles.syncDirectory(of: files.database)
        if let failure { throw failure }
    }

    private static func overwrite(_ path: String) throws(VaultError) {
        let descriptor = Glibc.open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            let failure = VaultError(systemCode: errno, path: path)
            // Not ours to overwrite, but perhaps to remove.
            guard unlink(path) == 0 else { throw failure }
            return
        }
        defer { _ = Glibc.close(descriptor) }
        var status = stat()
        fstat(descriptor, &status)
        let zeros = [UInt8](repeating: 0, count: 64 << 10)
        var offset = 0
        while offset < Int(status.st_size) {
            let count = pwrite(descriptor, zeros, min(zeros.count, Int(status.st_size) - offset), offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            offset += count
        }
        fsync(descriptor)
        guard unlink(path) == 0 else { throw VaultError(systemCode: errno, path: path) }
    }
}
