import CSodium
import Foundation
import Identity
import Noise
import Vault

/// The contact book of homes that were made before there was a vault: a file, sealed under a key that only the unlocked identity has. Read once, to move it into the vault.
///
/// Layout: `"SOTTOBK"` ‖ version 1 ‖ nonce (24) ‖ XChaCha20-Poly1305 of the book as JSON, with the first eight bytes as associated data.
struct LegacyBook {
    static let fileName = "book.sealed"
    static let lockName = "book.lock"
    private static let header: [UInt8] = Array("SOTTOBK".utf8) + [1]
    private static let nonceSize = 24
    private static let tagSize = 16

    let book: ContactBook
    let invites: [StoredInvite]

    /// The book in the home, or `nil` when there is none.
    init?(reading files: HomeFiles, identity: Identity) throws(HomeError) {
        guard let bytes = try files.read(Self.fileName) else { return nil }
        let file = files.path(Self.fileName)
        let plaintext = try Self.open(bytes, identity.deriveKey(label: "sotto contact book"), file: file)
        guard let stored = try? JSONDecoder().decode(Content.self, from: Data(plaintext)), let book = stored.book
        else {
            throw .damaged(file: file, detail: "its content makes no sense")
        }
        self.book = book
        invites = stored.invites.map {
            StoredInvite(digest: $0.digest, createdAt: 0, expires: $0.expires, singleUse: false)
        }
    }

    private static func open(
        _ bytes: [UInt8], _ key: borrowing SecretBytes, file: String
    ) throws(HomeError) -> [UInt8] {
        let fixed = header.count + nonceSize
        guard bytes.starts(with: header.dropLast()) else { throw .damaged(file: file, detail: "not a contact book") }
        guard bytes.starts(with: header) else { throw .newerVersion(file: file) }
        guard bytes.count >= fixed + tagSize else { throw .damaged(file: file, detail: "truncated") }
        let nonce = Array(bytes[header.count..<fixed])
        let sealed = Array(bytes[fixed...])
        var plaintext = [UInt8](repeating: 0, count: sealed.count - tagSize)
        let result = key.withUnsafeBytes { bytes -> Int32 in
            // Safety: the key is never empty; the pointer is used during the call only.
            guard let key = bytes.bindMemory(to: UInt8.self).baseAddress else { return -1 }
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                &plaintext, nil, nil, sealed, UInt64(sealed.count), header, UInt64(header.count), nonce, key)
        }
        guard result == 0 else { throw .damaged(file: file, detail: "it is not authentic") }
        return plaintext
    }

    /// The book as its file spells it.
    private struct Content: Decodable {
        struct Person: Decodable {
            var peer: String
            var name: String
            var verified: Bool
            var server: String?
            var token: [UInt8]?
        }

        struct Invite: Decodable {
            var digest: [UInt8]
            var expires: Int64
        }

        var name: String
        var server: String
        var contacts: [Person]
        var invites: [Invite]

        var book: ContactBook? {
            var people: [Contact] = []
            for person in contacts {
                guard let peer = try? PeerID(text: person.peer) else { return nil }
                people.append(
                    Contact(
                        peer: peer, name: person.name, verified: person.verified, server: person.server,
                        token: person.token))
            }
            return ContactBook(ownName: name, server: server, contacts: people)
        }
    }
}
