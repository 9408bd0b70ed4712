import Crypto
import Glibc
import Wire

/// Under which names the store keeps peers: whoever reads the file of the store alone, or looks for a peer id in it, finds nobody.
///
/// It lies beside the store and is no secret from who reads the whole folder, who can still look whether a peer id that he knows is there.
struct MailboxKey: Sendable {
    private static let byteCount = 32
    private let key: SymmetricKey

    /// Reads the key of a folder, or makes one where there is no store yet.
    ///
    /// - Parameter mayBeMade: whether nothing was stored yet under another.
    /// - Throws: ``MailboxError/damaged(_:)``, ``MailboxError/readOnly``, ``MailboxError/full``, ``MailboxError/system(_:)``.
    init(in directory: String, mayBeMade: Bool) throws(MailboxError) {
        let path = directory + "/mailbox.key"
        if let bytes = try Self.read(path) {
            key = SymmetricKey(data: bytes)
            return
        }
        guard mayBeMade else { throw .damaged("mailbox.key is missing, without which nobody's mail can be found") }
        let bytes = RandomBytes.make(Self.byteCount)
        try Self.write(bytes, path)
        key = SymmetricKey(data: bytes)
    }

    /// What the store calls a peer, 32 bytes.
    func name(of peer: PeerKey) -> [UInt8] { code("sotto-mailbox/1 peer", peer.bytes) }

    /// How the store knows its key, 32 bytes.
    var check: [UInt8] { code("sotto-mailbox/1 key", []) }

    private func code(_ label: String, _ bytes: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(label.utf8) + bytes, using: key))
    }

    /// Nil when there is none.
    private static func read(_ path: String) throws(MailboxError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw MailboxError(systemCode: errno)
        }
        defer { _ = Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .damaged("mailbox.key is no plain file")
        }
        if status.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
        var bytes = [UInt8](repeating: 0, count: byteCount + 1)
        guard Glibc.read(descriptor, &bytes, bytes.count) == byteCount else {
            throw .damaged("mailbox.key has not its length")
        }
        return Array(bytes.prefix(byteCount))
    }

    /// All of it or nothing, also after a power failure.
    private static func write(_ bytes: [UInt8], _ path: String) throws(MailboxError) {
        let draft = path + ".new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw MailboxError(systemCode: errno) }
        let isWritten = Glibc.write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        let code = errno
        _ = Glibc.close(descriptor)
        guard isWritten else {
            unlink(draft)
            throw MailboxError(systemCode: code)
        }
        guard rename(draft, path) == 0 else { throw MailboxError(systemCode: errno) }
    }
}
