/// Why a server could not start. The description is one line for the person who started it.
package enum ServerError: Error, Hashable, CustomStringConvertible {
    /// `address` cannot be listened on.
    case listen(address: String, reason: String)
    /// A file cannot be used.
    case file(path: String, reason: String)
    /// The mailbox in the folder cannot be used.
    case mailbox(directory: String, reason: MailboxError)
    /// The certificate or key cannot be used.
    case certificate(reason: String)

    package var description: String {
        switch self {
        case .listen(let address, let reason): "cannot listen on \(address): \(reason)"
        case .file(let path, let reason): "cannot use \(path): \(reason)"
        case .mailbox(let directory, let reason): "cannot use the mailbox in \(directory): \(reason)"
        case .certificate(let reason): "cannot use the certificate: \(reason)"
        }
    }
}
