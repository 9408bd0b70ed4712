import Identity
package import Noise
import Wire

extension Vault {
    /// Adds what an exported file holds and is not there yet, all of it or nothing.
    ///
    /// Contacts are known by their identity, messages by contact, direction and id, settings by name; what is there stays as it is. From another identity's export come
    /// neither verifications nor capabilities. What was never sent arrives as failed. Blocks until done; other units wait meanwhile.
    ///
    /// - Parameter name: the name for a new contact, given everybody who is there: so that no two are mistaken for each other.
    /// - Throws: ``VaultError/wrongPassphrase``, ``VaultError/notAnExport``, ``VaultError/newerVersion(_:)``,
    ///   ``VaultError/damaged(detail:)``, and what reading and writing can fail with.
    package func importArchive(
        from path: String, passphrase: borrowing SecretBytes,
        name: @escaping @Sendable (StoredContact, [StoredContact]) -> String = { contact, _ in contact.name }
    ) throws -> ArchiveSummary {
        let reader = try ArchiveReader(path: path)
        try reader.unlock(passphrase)
        let ownPeer = ownPeer
        return try writeAndWait { transaction in
            var archive = ArchiveImport(
                transaction: transaction, ownPeer: ownPeer, name: name, known: try transaction.contacts())
            return try archive.run(reader)
        }
    }
}

/// Takes the records of a file in.
private struct ArchiveImport {
    let transaction: VaultTransaction
    let ownPeer: PeerID
    let name: @Sendable (StoredContact, [StoredContact]) -> String
    /// Everybody who is there.
    var known: [StoredContact]
    private var summary = ArchiveSummary()
    /// The export was made by this identity.
    private var isOwn = false
    /// The file's row numbers of contacts, and ours.
    private var rows: [Int64: ContactRow] = [:]

    init(
        transaction: VaultTransaction, ownPeer: PeerID,
        name: @escaping @Sendable (StoredContact, [StoredContact]) -> String, known: [StoredContact]
    ) {
        self.transaction = transaction
        self.ownPeer = ownPeer
        self.name = name
        self.known = known
    }

    mutating func run(_ reader: ArchiveReader) throws(VaultError) -> ArchiveSummary {
        guard let first = try reader.next(), first.type == Archive.Record.start.rawValue else {
            throw ArchiveReader.damaged
        }
        var start = ByteReader(first.body)
        isOwn = try start.field { (reader) throws(WireError) in try reader.readPeerKey() } == ownPeer.key
        while let (type, body) = try reader.next() {
            var fields = ByteReader(body)
            switch Archive.Record(rawValue: type) {
            case .contact: try takeContact(&fields)
            case .setting: try takeSetting(&fields)
            case .message: try takeMessage(&fields)
            case .start: throw ArchiveReader.damaged
            case .end:
                guard try reader.next() == nil else { throw ArchiveReader.damaged }
                return summary
            case nil: break
            }
        }
        throw ArchiveReader.damaged
    }

    private mutating func takeContact(_ fields: inout ByteReader) throws(VaultError) {
        let row = try fields.integer()
        var contact = try StoredContact(decoding: Array(fields.rest))
        if let there = known.first(where: { $0.peer == contact.peer }) {
            rows[row] = there.row
            summary.known += 1
            return
        }
        guard contact.peer != ownPeer else { return }
        if !isOwn {
            contact.verified = false
            contact.token = nil
            contact.theirCapability = nil
            contact.ourCapability = nil
        }
        contact.name = name(contact, known)
        contact.row = try transaction.insertContact(contact)
        known.append(contact)
        rows[row] = contact.row
        summary.contacts += 1
    }

    /// What is set here stays; what belongs to a device does not travel.
    private func takeSetting(_ fields: inout ByteReader) throws(VaultError) {
        let name = try fields.field { (reader) throws(WireError) in
            try reader.readText(Int(try reader.readUInt16()))
        }
        guard !name.hasPrefix("."), try transaction.setting(name) == nil else { return }
        try transaction.setSetting(name, Array(fields.rest))
    }

    private mutating func takeMessage(_ fields: inout ByteReader) throws(VaultError) {
        let contact = try fields.integer()
        let state = try fields.integer()
        let expires = try fields.integer()
        // Of a contact that is left out: ourselves.
        guard let row = rows[contact] else { return }
        var message = try StoredMessage(
            decoding: Array(fields.rest), row: 0, contact: row, state: state, expires: expires < 0 ? nil : expires)
        if message.state == .queued {
            message.state = .failed
            message.reason = "exported before it was sent"
        }
        switch try transaction.appendMessage(message) {
        case .added: summary.messages += 1
        case .completed, .known: summary.known += 1
        }
    }
}

extension ByteReader {
    fileprivate mutating func field<R>(
        _ read: (inout ByteReader) throws(WireError) -> R
    ) throws(VaultError) -> R {
        do throws(WireError) {
            return try read(&self)
        } catch {
            throw ArchiveReader.damaged
        }
    }

    fileprivate mutating func integer() throws(VaultError) -> Int64 {
        try field { (reader) throws(WireError) in Int64(bitPattern: try reader.readUInt64()) }
    }
}
