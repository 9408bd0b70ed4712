import GRDB
import Glibc

/// Why the mailbox did not do something. The description is for the operator.
package enum MailboxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another server uses the same folder.
    case inUse
    /// The file was written by a newer version of the server.
    case newerVersion(Int)
    /// The file is something else, or broken.
    case damaged(String)
    /// The disk is full, or the size is reached that the store may have.
    case full
    /// The file or its folder cannot be written.
    case readOnly
    /// Another process holds the file.
    case locked
    /// Too much waits to be stored.
    case overloaded
    /// The mailbox was closed.
    case closed
    /// Whatever else the system says.
    case system(String)

    package var description: String {
        switch self {
        case .inUse: "another server uses it"
        case .newerVersion(let version): "it was written by a newer sotto-signal (its version is \(version))"
        case .damaged(let detail): "it is damaged: \(detail)"
        case .full: "the disk is full, or the store has the largest size allowed"
        case .readOnly: "it cannot be written"
        case .locked: "another process keeps it locked"
        case .overloaded: "too much waits to be stored"
        case .closed: "it is closed"
        case .system(let detail): detail
        }
    }

    /// What an error of SQLite means. Never its own description, which may spell out arguments.
    init(translating error: any Error) {
        switch error {
        case let known as MailboxError:
            self = known
        case let error as DatabaseError:
            switch error.resultCode {
            case .SQLITE_FULL: self = .full
            case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: self = .readOnly
            case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL: self = .locked
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged("SQLite cannot read the file")
            case .SQLITE_ERROR, .SQLITE_SCHEMA, .SQLITE_MISMATCH, .SQLITE_CONSTRAINT:
                self = .damaged("its tables are not as made")
            default: self = .system("SQLite error \(error.extendedResultCode.rawValue)")
            }
        default:
            self = .system("\(type(of: error))")
        }
    }

    /// What an error of the system means.
    init(systemCode code: Int32) {
        switch code {
        case ENOSPC, EDQUOT: self = .full
        case EACCES, EPERM, EROFS: self = .readOnly
        default: self = .system(String(cString: strerror(code)))
        }
    }
}
