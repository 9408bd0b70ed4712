import Foundation

/// The files of a vault, and what must be true of them before SQLite touches them.
struct VaultFiles: Sendable {
    static let name = "vault.sqlite"

    let directory: String

    var database: String { directory + "/" + Self.name }
    /// While it is being made; then it is renamed.
    var unfinished: String { database + ".new" }
    /// The database and what SQLite keeps beside it.
    var all: [String] { [database, database + "-wal", database + "-shm", database + "-journal"] }

    /// Makes an empty file for the owner alone. SQLite gives the files beside it the same mode.
    static func createEmpty(_ path: String) throws(VaultError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw VaultError(systemCode: errno, path: path) }
        _ = Glibc.close(descriptor)
    }

    /// Checks that the database is there, a plain file, and writable; takes the rights of others away.
    func prepareToOpen() throws(VaultError) {
        var status = stat()
        guard lstat(database, &status) == 0 else {
            throw errno == ENOENT || errno == ENOTDIR
                ? .missing(path: database) : VaultError(systemCode: errno, path: database)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .damaged(detail: "\(database) is no plain file") }
        guard status.st_size > 0 else { throw .damaged(detail: "\(database) is empty") }
        if status.st_mode & 0o077 != 0 { chmod(database, 0o600) }
        guard access(database, R_OK) == 0 else { throw VaultError(systemCode: errno, path: database) }
        // SQLite would open such a file for reading, and fail later in ways that say less.
        guard access(database, W_OK) == 0, access(directory, W_OK | X_OK) == 0 else { throw .readOnly }
    }

    /// Removes a database and what SQLite keeps beside it.
    static func remove(_ path: String) {
        for suffix in ["", "-journal", "-wal", "-shm"] { unlink(path + suffix) }
    }

    /// Gives a finished file its name, on the disk. Never replaces another; on failure the unfinished file is removed.
    static func publish(_ unfinished: String, as path: String) throws(VaultError) {
        do throws(VaultError) {
            try sync(unfinished)
            if link(unfinished, path) != 0 {
                // Some file systems have one name for a file only.
                let failure = errno
                guard [EPERM, ENOTSUP, ENOSYS].contains(failure), access(path, F_OK) != 0,
                    rename(unfinished, path) == 0
                else { throw VaultError(systemCode: failure, path: path) }
            }
        } catch {
            remove(unfinished)
            throw error
        }
        unlink(unfinished)
        syncDirectory(of: path)
    }

    /// Writes the directory itself to disk. A file system that cannot do it is not a reason to fail.
    static func syncDirectory(of path: String) {
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let descriptor = open(directory.isEmpty ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        _ = Glibc.close(descriptor)
    }

    /// Writes what was written to a file to the disk.
    static func sync(_ path: String) throws(VaultError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw VaultError(systemCode: errno, path: path) }
        let result = fsync(descriptor)
        let failure = errno
        _ = Glibc.close(descriptor)
        guard result == 0 else { throw VaultError(systemCode: failure, path: path) }
    }
}

extension VaultError {
    /// What an error of the system means.
    init(systemCode code: Int32, path: String) {
        switch code {
        case ENOSPC, EDQUOT, EFBIG: self = .diskFull
        case EROFS, EACCES, EPERM: self = .readOnly
        case EEXIST: self = .exists(path: path)
        case ENOENT, ENOTDIR: self = .missing(path: path)
        case ENOMEM: self = .outOfMemory
        default: self = .system(detail: "\(path): \(String(cString: strerror(code)))")
        }
    }
}
