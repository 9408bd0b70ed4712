import Foundation
import Identity
import Noise
import Testing

@testable import Vault

/// Where the directories of all tests are, gone when the process ends.
private let parent: String = {
    var template = Array("\(NSTemporaryDirectory())/sotto-vault-XXXXXX".utf8CString)
    let path = mkdtemp(&template).map { String(cString: $0) } ?? "/nowhere"
    atexit { try? FileManager.default.removeItem(atPath: parent) }
    return path
}()

/// A directory of its own, and what tests put into a vault.
final class TestHome: Sendable {
    let directory: String
    let identity: Identity

    init(identity: Identity? = nil) throws {
        directory = "\(parent)/\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        self.identity = try identity ?? Identity.generate()
    }

    var path: String { directory + "/vault.sqlite" }

    func create() throws -> Vault { try Vault.create(at: directory, identity: identity) }
    func open() throws -> Vault { try Vault.open(at: directory, identity: identity) }

    func bytes(_ suffix: String = "") -> [UInt8] {
        FileManager.default.contents(atPath: path + suffix).map { Array($0) } ?? []
    }
}

/// 16 bytes that differ for different numbers.
func id(_ number: Int, _ mark: UInt8 = 0) -> [UInt8] {
    (0..<15).map { UInt8(truncatingIfNeeded: $0 < 8 ? number >> ($0 * 8) : 0x55) } + [mark]
}

func randomPeer() throws -> PeerID { try Identity.generate().peerID }

extension StoredContact {
    static func sample(_ name: String = "bob") throws -> StoredContact {
        StoredContact(peer: try randomPeer(), name: name, createdAt: 1_700_000_000_000)
    }
}

extension StoredMessage {
    static func sample(
        _ contact: ContactRow, _ number: Int, _ text: String = "hello", _ direction: Direction = .outgoing
    ) -> StoredMessage {
        StoredMessage(
            contact: contact, direction: direction, messageID: id(number), text: text,
            sentAt: 1_700_000_000_000 + UInt64(number), storedAt: 1_700_000_000_001 + UInt64(number),
            state: direction == .outgoing ? .queued : .unread)
    }
}

extension OutboxEntry {
    static func sample(_ contact: ContactRow, _ number: Int, size: Int = 300) -> OutboxEntry {
        OutboxEntry(
            contact: contact, envelopeID: id(number, 9), messageID: id(number), kind: 1, createdAt: 1,
            ciphertext: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: size), content: [1, 2, 3])
    }
}
