import Foundation
import Glibc
import NIOConcurrencyHelpers

/// The folder of the mailbox, held against other servers until it is released.
final class MailboxFiles: Sendable {
    let database: String
    let key: MailboxKey
    private let lock: NIOLockedValueBox<Int32?>

    /// Makes the folder, an empty file and a key if there are none.
    ///
    /// - Throws: ``MailboxError/inUse``, ``MailboxError/readOnly``, ``MailboxError/full``, ``MailboxError/damaged(_:)``, ``MailboxError/system(_:)``.
    init(_ directory: String) throws(MailboxError) {
        database = directory + "/mailbox.sqlite"
        try Self.makeFolder(directory)
        let lock = open(directory + "/mailbox.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw MailboxError(systemCode: errno) }
        do throws(MailboxError) {
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
                throw errno == EWOULDBLOCK ? .inUse : MailboxError(systemCode: errno)
            }
            try Self.prepare(database)
            key = try MailboxKey(in: directory, mayBeMade: Self.isEmpty(database) && Self.isEmpty(database + "-wal"))
        } catch {
            _ = Glibc.close(lock)
            throw error
        }
        self.lock = NIOLockedValueBox(lock)
        Self.sync(directory)
    }

    deinit { release() }

    /// Lets other servers have the folder. Idempotent.
    func release() {
        lock.withLockedValue { descriptor in
            guard let lock = descriptor.take() else { return }
            // Closing is not enough: a child that this process is just starting may have inherited the descriptor.
            flock(lock, LOCK_UN)
            _ = Glibc.close(lock)
        }
    }

    private static func makeFolder(_ path: String) throws(MailboxError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            var status = stat()
            guard stat(path, &status) == 0 else { throw MailboxError(systemCode: errno) }
            throw .system("it is no folder")
        }
    }

    /// A plain file of ours. SQLite gives the files beside it the same mode.
    private static func prepare(_ path: String) throws(MailboxError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw MailboxError(systemCode: errno) }
        defer { _ = Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .damaged("mailbox.sqlite is no plain file")
        }
        if status.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
    }

    private static func isEmpty(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) != 0 || status.st_size == 0
    }

    /// What the disk still has for this process; nil when it does not say.
    static func freeBytes(_ directory: String) -> Int? {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return nil }
        let (bytes, isTooMany) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooMany ? nil : Int(clamping: bytes)
    }

    /// Writes the folder itself to the disk. A file system that cannot do it is no reason to fail.
    private static func sync(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        _ = Glibc.close(descriptor)
    }
}
