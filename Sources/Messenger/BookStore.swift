import CSodium
import Foundation
import Identity
import Noise

/// Keeps the ``ContactBook`` in a file, sealed under a key that only the unlocked identity has.
///
/// Layout: `"SOTTOBK"` ‖ version 1 ‖ nonce (24) ‖ XChaCha20-Poly1305 of the book as JSON, with the first eight bytes as associated data.
final class BookStore: Sendable {
    static let fileName = "book.sealed"
    private static let lockName = "book.lock"
    private static let header: [UInt8] = Array("SOTTOBK".utf8) + [1]
    private static let nonceSize = 24
    private static let tagSize = 16

    private let files: HomeFiles
    private let key: SecretBytes

    init(files: HomeFiles, identity: Identity) {
        self.files = files
        self.key = identity.deriveKey(label: "sotto contact book")
    }

    /// The book as it is on disk now.
    func read() throws(HomeError) -> ContactBook {
        guard let bytes = try files.read(Self.fileName) else {
            throw .damaged(file: files.path(Self.fileName), detail: "it is missing")
        }
        return try decode(try open(bytes))
    }

    /// Tells whether the file is another one than it was: its inode, since every write makes a new one.
    func generation() -> UInt64 {
        var status = stat()
        guard stat(files.path(Self.fileName), &status) == 0 else { return 0 }
        return UInt64(status.st_ino) ^ UInt64(bitPattern: Int64(status.st_mtim.tv_nsec)) << 20
    }

    /// Reads the book, lets `change` alter it, and writes it back; other processes wait meanwhile.
    @discardableResult
    func update<Result>(_ change: (inout ContactBook) throws -> Result) throws -> Result {
        let lock = try HomeLock(files, name: Self.lockName, wait: true)
        defer { withExtendedLifetime(lock) {} }
        var book = try read()
        let before = book
        let result = try change(&book)
        if book != before { try write(book) }
        return result
    }

    func write(_ book: ContactBook) throws(HomeError) {
        try files.write(seal(try encode(book)), to: Self.fileName)
    }

    private func seal(_ plaintext: [UInt8]) -> [UInt8] {
        var nonce = [UInt8](repeating: 0, count: Self.nonceSize)
        randombytes_buf(&nonce, nonce.count)
        var sealed = [UInt8](repeating: 0, count: plaintext.count + Self.tagSize)
        _ = withKey { key in
            crypto_aead_xchacha20poly1305_ietf_encrypt(
                &sealed, nil, plaintext, UInt64(plaintext.count), Self.header, UInt64(Self.header.count), nil, nonce,
                key)
        }
        return Self.header + nonce + sealed
    }

    private func open(_ bytes: [UInt8]) throws(HomeError) -> [UInt8] {
        let file = files.path(Self.fileName)
        let fixed = Self.header.count + Self.nonceSize
        guard bytes.starts(with: Self.header.dropLast()) else {
            throw .damaged(file: file, detail: "not a contact book")
        }
        guard bytes.starts(with: Self.header) else { throw .newerVersion(file: file) }
        guard bytes.count >= fixed + Self.tagSize else { throw .damaged(file: file, detail: "truncated") }
        let nonce = Array(bytes[Self.header.count..<fixed])
        let sealed = Array(bytes[fixed...])
        var plaintext = [UInt8](repeating: 0, count: sealed.count - Self.tagSize)
        let result = withKey { key in
            crypto_aead_xchacha20poly1305_ietf_decrypt(
                &plaintext, nil, nil, sealed, UInt64(sealed.count), Self.header, UInt64(Self.header.count), nonce,
                key)
        }
        guard result == 0 else { throw .damaged(file: file, detail: "it is not authentic") }
        return plaintext
    }

    private func withKey(_ body: (UnsafePointer<UInt8>) -> Int32) -> Int32 {
        key.withUnsafeBytes { bytes in
            // Safety: the key is never empty; the pointer is used during the call only.
            guard let pointer = bytes.bindMemory(to: UInt8.self).baseAddress else { return -1 }
            return body(pointer)
        }
    }

    private func encode(_ book: ContactBook) throws(HomeError) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(StoredBook(book)))
        } catch {
            throw .system(action: "encode", file: files.path(Self.fileName), detail: "\(error)")
        }
    }

    private func decode(_ plaintext: [UInt8]) throws(HomeError) -> ContactBook {
        guard let stored = try? JSONDecoder().decode(StoredBook.self, from: Data(plaintext)), let book = stored.book
        else {
            throw .damaged(file: files.path(Self.fileName), detail: "its content makes no sense")
        }
        return book
    }
}

/// The book as its file spells it. Fields are only ever added, and those unknown are ignored.
private struct StoredBook: Codable {
    struct Person: Codable {
        var peer: String
        var name: String
        var verified: Bool
        var server: String?
        var token: [UInt8]?
    }

    struct Invite: Codable {
        var digest: [UInt8]
        var expires: Int64
    }

    var name: String
    var server: String
    var contacts: [Person]
    var invites: [Invite]

    init(_ book: ContactBook) {
        name = book.ownName
        server = book.server
        contacts = book.contacts.map {
            Person(peer: $0.peer.description, name: $0.name, verified: $0.verified, server: $0.server, token: $0.token)
        }
        invites = book.invites.map { Invite(digest: $0.tokenDigest, expires: $0.expires) }
    }

    var book: ContactBook? {
        var people: [Contact] = []
        for person in contacts {
            guard let peer = try? PeerID(text: person.peer) else { return nil }
            people.append(
                Contact(
                    peer: peer, name: person.name, verified: person.verified, server: person.server, token: person.token
                ))
        }
        return ContactBook(
            ownName: name, server: server, contacts: people,
            invites: invites.map { IssuedInvite(tokenDigest: $0.digest, expires: $0.expires) })
    }
}
