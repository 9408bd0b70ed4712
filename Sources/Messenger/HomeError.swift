/// What can go wrong with the files of a home directory. Every case says what the user can do about it.
package enum HomeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no identity here yet.
    case notInitialized(directory: String)
    /// `init` found an identity and will not overwrite it.
    case alreadyInitialized(directory: String)
    /// The key file is sealed and no passphrase was given.
    case passphraseNeeded
    /// The passphrase does not open the key file.
    case wrongPassphrase
    /// A file does not hold what Sotto wrote into it.
    case damaged(file: String, detail: String)
    /// The unsealed secret key can be read by other users of this machine.
    case exposed(file: String)
    /// A file was written by a newer version.
    case newerVersion(file: String)
    /// The system refused to read, write or lock a file.
    case system(action: String, file: String, detail: String)
    /// Another process is online with this identity.
    case inUse(processID: Int32?)

    package var description: String {
        switch self {
        case .notInitialized(let directory):
            "no identity in \(directory): run 'sotto init --server URL' first"
        case .alreadyInitialized(let directory):
            "\(directory) already holds an identity; nothing was changed"
        case .passphraseNeeded:
            "the key file is sealed: give its passphrase at the prompt or with --passphrase-file"
        case .wrongPassphrase:
            "wrong passphrase"
        case .damaged(let file, let detail):
            "\(file) is damaged (\(detail)); restore it from a backup, nothing was changed"
        case .exposed(let file):
            "\(file) holds your secret key unsealed and other users may read it: 'chmod 600 \(file)', and if somebody may have, make a new identity"
        case .newerVersion(let file):
            "\(file) was written by a newer version of sotto"
        case .system(let action, let file, let detail):
            "cannot \(action) \(file): \(detail)"
        case .inUse(let processID):
            "another sotto is online with this identity"
                + (processID.map { " (process \($0))" } ?? "") + ": use that one, or stop it first"
        }
    }
}
