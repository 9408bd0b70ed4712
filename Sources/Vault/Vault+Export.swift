import Foundation
package import Identity
package import Noise
import Wire

/// What an export holds, or an import has brought.
package struct ArchiveSummary: Hashable, Sendable {
    /// Contacts written; or new ones.
    package internal(set) var contacts = 0
    /// Messages written; or new ones.
    package internal(set) var messages = 0
    /// Of an import: contacts and messages that were there already.
    package internal(set) var known = 0
}

extension Vault {
    /// Writes contacts, history and settings into a new file that a passphrase opens, on any device. Ratchet states, the outbox and invites stay: they must exist once only.
    ///
    /// Reads one state of the vault, part by part, while it is in use. `now` is in milliseconds since 1970.
    ///
    /// - Throws: ``VaultError/exists(path:)``, ``VaultError/outOfRange(_:)`` for an empty passphrase, and what reading and writing can fail with.
    package func export(
        to path: String, passphrase: borrowing SecretBytes, now: UInt64, cost: KeyFile.Cost = .moderate
    ) throws -> ArchiveSummary {
        guard access(path, F_OK) != 0 else { throw VaultError.exists(path: path) }
        let unfinished = path + ".new"
        VaultFiles.remove(unfinished)
        var summary = ArchiveSummary()
        do {
            let writer = try ArchiveWriter(path: unfinished, passphrase: passphrase, cost: cost)
            try read { reader in summary = try reader.export(to: writer, from: ownPeer, now: now) }
            try writer.finish()
        } catch {
            VaultFiles.remove(unfinished)
            throw error
        }
        try VaultFiles.publish(unfinished, as: path)
        return summary
    }
}

extension VaultReader {
    fileprivate func export(
        to writer: ArchiveWriter, from peer: PeerID, now: UInt64
    ) throws(VaultError) -> ArchiveSummary {
        var summary = ArchiveSummary()
        var start = ByteWriter()
        start.write(peer.bytes)
        start.write(now)
        try writer.append(.start, start.bytes)
        for contact in try contacts() {
            var body = ByteWriter()
            body.write(UInt64(bitPattern: contact.row.number))
            body.write(contact.encode())
            try writer.append(.contact, body.bytes)
            summary.contacts += 1
        }
        for (name, value) in try settings() where !name.hasPrefix(".") {
            var body = ByteWriter()
            body.write(UInt16(clamping: name.utf8.count))
            body.write(name.utf8)
            body.write(value)
            try writer.append(.setting, body.bytes)
        }
        try forEachMessage { (message) throws(VaultError) in
            var body = ByteWriter(capacity: 512)
            body.write(UInt64(bitPattern: message.contact.number))
            body.write(UInt64(bitPattern: message.state.rawValue))
            body.write(message.expiresAt.map { UInt64(Int64(clamping: $0)) } ?? .max)
            body.write(message.encode())
            try writer.append(.message, body.bytes)
            summary.messages += 1
        }
        var end = ByteWriter()
        end.write(UInt64(summary.contacts))
        end.write(UInt64(summary.messages))
        try writer.append(.end, end.bytes)
        return summary
    }
}
