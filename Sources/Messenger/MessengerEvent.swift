package import Identity

/// A message's name: 16 random bytes of its sender, in hexadecimal for people and scripts.
package struct MessageID: Hashable, Sendable, CustomStringConvertible {
    package static let byteCount = 16
    package let bytes: [UInt8]

    /// `nil` unless there are 16 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    package var description: String {
        bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

/// How far a message has come, in the words that the user sees.
package enum MessageState: String, Sendable {
    /// It waits on this device.
    case queued
    /// It was handed to a session with the peer.
    case sent
    /// The peer has it and said so.
    case delivered
    /// It will not arrive; the reason says why.
    case failed
}

/// A message that came in.
package struct IncomingMessage: Sendable {
    package let id: MessageID
    package let contact: Contact
    /// Exactly what the peer wrote; make it harmless before showing it.
    package let text: String
    /// By the sender's clock, in milliseconds since 1970.
    package let sentAt: UInt64
}

/// What a ``Messenger`` tells the front end.
package enum MessengerEvent: Sendable {
    /// The server knows us: we can be reached.
    case ready(PeerID)
    /// The connection to the server changed.
    case server(ServerState)
    /// Somebody became a contact through an invite of ours.
    case contact(Contact)
    /// A session with the contact is open.
    case online(Contact)
    /// There is no session with the contact; why, in words.
    case offline(Contact, reason: String)
    /// What carries the session with the contact.
    case path(Contact, ConversationPath)
    case message(IncomingMessage)
    case state(MessageID, Contact, MessageState, reason: String?)
    /// The answer to a ping: its round-trip time, and the path in use when it came.
    case pong(Contact, ConversationPath?, roundTripMilliseconds: Double)
}

/// Why a message was not accepted for sending.
package enum SendError: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    case tooLong(limit: Int)
    case queueFull

    package var description: String {
        switch self {
        case .empty: "an empty message is not sent"
        case .tooLong(let limit): "a message has at most \(limit) bytes"
        case .queueFull: "too many messages are waiting for this contact"
        }
    }
}
