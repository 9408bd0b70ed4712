import CSodium
package import Identity
package import Vault
import Wire

/// A message's name: 16 random bytes of its sender, in hexadecimal for people and scripts.
package struct MessageID: Hashable, Sendable, CustomStringConvertible {
    package static let byteCount = 16
    package let bytes: [UInt8]

    /// `nil` unless there are 16 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// A new one.
    package static func random() -> MessageID {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        randombytes_buf(&bytes, byteCount)
        return MessageID(unchecked: bytes)
    }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// Reads what ``description`` wrote, or `nil`.
    package init?(_ text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 2 * Self.byteCount, text.allSatisfy(\.isHexDigit) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index..<(index + 2)], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        self.bytes = bytes
    }

    package var description: String {
        bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

/// How far a message has come, in the words that the user sees.
package enum MessageState: String, Sendable {
    /// It is stored on this device.
    case queued
    /// The contact's mailbox has it, on the server's disk.
    case sent
    /// The contact's program has stored it and said so.
    case delivered
    /// The contact has seen it.
    case read
    /// It will not arrive; the reason says why.
    case failed
}

/// A message that came in, or was changed by who wrote it.
package struct IncomingMessage: Sendable {
    package let id: MessageID
    package let contact: Contact
    /// Exactly what the peer wrote; make it harmless before showing it.
    package let text: String
    /// By the sender's clock, in milliseconds since 1970.
    package let sentAt: UInt64
    /// The whole of what was stored.
    package let stored: StoredMessage

    init?(_ stored: StoredMessage, _ contact: Contact) {
        guard let id = MessageID(stored.messageID) else { return nil }
        self.id = id
        self.contact = contact
        text = stored.text
        sentAt = stored.sentAt
        self.stored = stored
    }
}

/// Something that the user should know and can do little about.
package enum MessengerNotice: Sendable, Equatable {
    /// What came could not be decrypted; it was asked for again, by a new ratchet session.
    case repairing
    /// The contact could not decrypt what we wrote; it was encrypted again.
    case repaired
    /// Something could not be stored.
    case storage(VaultError)
    /// The contact's mailbox does not take mail now; why, in words.
    case mailRefused(String)
    /// This home was restored from a backup: whatever its contacts still have for it comes again.
    case restored
}

/// What a ``Messenger`` tells the front end.
package enum MessengerEvent: Sendable {
    /// The server knows us: we can be reached.
    case ready(PeerID)
    /// The connection to the server changed.
    case server(ServerState)
    /// The server keeps mail for us: so many wait. `nil`: it keeps none for anybody.
    case mailbox(waiting: Int?)
    /// Somebody became a contact: through an invite of ours, or by accepting our request.
    case contact(Contact)
    /// A stranger asks to become a contact.
    case request(Contact)
    /// A session with the contact is open.
    case online(Contact)
    /// There is no session with the contact; why, in words.
    case offline(Contact, reason: String)
    /// What carries the session with the contact.
    case path(Contact, ConversationPath)
    case message(IncomingMessage)
    /// A message of either was edited, deleted or reacted to, as it is now.
    case changed(StoredMessage, Contact)
    /// A message disappeared because its time was over.
    case expired(MessageID, Contact)
    case state(MessageID, Contact, MessageState, reason: String?)
    /// The contact begins to write, or stops.
    case typing(Contact, Bool)
    /// The answer to a ping: its round-trip time, and the path in use when it came.
    case pong(Contact, ConversationPath?, roundTripMilliseconds: Double)
    /// News of a benchmark, ours or the contact's.
    case benchmark(Contact, BenchmarkNews)
    case notice(Contact?, MessengerNotice)
}

/// Why a message was not accepted for sending.
package enum SendError: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    case tooLong(limit: Int)
    case queueFull
    /// There is no such message, or it is not the user's to change.
    case unknownMessage
    /// A contact that one may write to is needed.
    case contact(ContactError)

    package var description: String {
        switch self {
        case .empty: "an empty message is not sent"
        case .tooLong(let limit): "a message has at most \(limit) bytes"
        case .queueFull: "too many messages are waiting for this contact"
        case .unknownMessage: "there is no such message, or it is not yours to change"
        case .contact(let error): error.description
        }
    }
}
