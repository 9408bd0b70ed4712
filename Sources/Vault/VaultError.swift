/// What can go wrong with a vault. Every case says what the user can do about it.
package enum VaultError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no vault in this directory.
    case missing(path: String)
    /// There is one already, or another file has its name; nothing was changed.
    case exists(path: String)
    /// The vault was made by another identity, or its header is damaged.
    case wrongIdentity
    /// A later version of the program wrote it; `version` is that of its schema.
    case newerVersion(Int)
    /// Something in it is not what was written. The detail names the place and nothing of its content.
    case damaged(detail: String)
    /// The disk, or the user's quota on it, is full.
    case diskFull
    /// The file or the directory cannot be written.
    case readOnly
    /// Another process has held the vault for longer than ``Vault/busySeconds``.
    case locked
    /// The system failed to read or write: the detail says what it said.
    case system(detail: String)
    /// The vault is closed.
    case closed
    /// So many units wait that no more are accepted until all of them are done. See ``Vault/maximumQueuedUnits``.
    case overloaded
    /// The unit belongs to a chain in which something has failed before it; see ``VaultEpoch``.
    case superseded
    /// The unit's own work threw: nothing of it was stored. What it threw, in words.
    case rejected(String)
    /// A value is longer than its limit, or has the wrong length.
    case outOfRange(String)
    /// There is one like it already; what it is.
    case duplicate(String)
    /// No such row; what was looked for.
    case unknown(String)
    /// The passphrase does not open the exported file.
    case wrongPassphrase
    /// The file is no export of this program.
    case notAnExport
    /// Argon2id could not get the memory that it needs.
    case outOfMemory

    package var description: String {
        switch self {
        case .missing(let path): "there is no vault at \(path)"
        case .exists(let path): "\(path) exists already; nothing was changed"
        case .wrongIdentity: "the vault belongs to another identity, or its header is damaged: restore a backup"
        case .newerVersion(let version):
            "the vault was written by a newer version of sotto (schema \(version)): use that one"
        case .damaged(let detail): "the vault is damaged (\(detail)): restore a backup; nothing was changed"
        case .diskFull: "the disk is full: make room; what was confirmed is safe"
        case .readOnly: "the vault cannot be written: its file, directory or disk is read-only"
        case .locked: "another process keeps the vault busy: wait for it, or stop it"
        case .system(let detail): "the vault cannot be read or written: \(detail)"
        case .closed: "the vault is closed"
        case .overloaded: "too much waits to be stored"
        case .superseded: "something before it could not be stored"
        case .rejected(let reason): "not stored: \(reason)"
        case .outOfRange(let what): "\(what) has a size or a value that is not allowed"
        case .duplicate(let what): "\(what) exists already"
        case .unknown(let what): "there is no such \(what)"
        case .wrongPassphrase: "wrong passphrase, or the beginning of the file is damaged"
        case .notAnExport: "this is no file that 'sotto export' wrote"
        case .outOfMemory: "there is not enough memory to check the passphrase"
        }
    }
}
