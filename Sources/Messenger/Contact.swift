package import Identity
package import Vault

/// Somebody in the contact book, under the name the user knows them by.
package struct Contact: Hashable, Sendable {
    /// What a contact and the user are to each other.
    package typealias State = StoredContact.State

    /// The identity that is pinned to the name. It never changes silently.
    package let peer: PeerID
    /// The name on this device; unique in the book. One to 64 characters, no control characters.
    package var name: String
    /// Only a ``StoredContact/State/contact`` is talked with; the others are waited for, or shut out.
    package var state = State.contact
    /// The user compared safety numbers with this contact.
    package var verified: Bool
    /// `host[:port]` of the server in the contact's invite, or `nil` when the contact came through ours.
    package var server: String?
    /// The token of the contact's invite, which we show when we dial: the contact may not know us yet.
    package var token: [UInt8]?
    /// What the contact calls itself; not to be believed, only shown.
    package var ownName = ""
    /// What somebody wrote who asks to become a contact.
    package var greeting = ""
    /// The capability (16 bytes) with which our mail reaches the contact.
    package var theirCapability: [UInt8]?
    /// The capability (16 bytes) that we gave the contact.
    package var ourCapability: [UInt8]?
    /// Disappearing messages: seconds after reading; `nil` when they stay.
    package var expiresAfter: UInt32?
    /// Its row in the vault; `nil` until it was stored.
    package internal(set) var row: ContactRow?

    package init(peer: PeerID, name: String, verified: Bool = false, server: String? = nil, token: [UInt8]? = nil) {
        self.peer = peer
        self.name = name
        self.verified = verified
        self.server = server
        self.token = token
    }

    /// Whether sessions with this contact are wanted: they are one, or we asked them to become one.
    package var isWelcome: Bool { state == .contact || state == .requestedByUs }

    /// With what our mail gets into the contact's mailbox: their capability, or until we know it the token of their invite.
    var postage: [UInt8]? { theirCapability ?? (token?.isEmpty == false ? token : nil) }
}

extension Contact {
    init(_ stored: StoredContact) {
        self.init(
            peer: stored.peer, name: stored.name, verified: stored.verified, server: stored.server, token: stored.token)
        state = stored.state
        ownName = stored.ownName
        greeting = stored.greeting
        theirCapability = stored.theirCapability
        ourCapability = stored.ourCapability
        expiresAfter = stored.expiresAfter
        row = stored.row
    }

    /// Puts everything that the book knows into what is stored.
    func write(to stored: inout StoredContact) {
        stored.name = name
        stored.verified = verified
        stored.server = server
        stored.token = token
        stored.state = state
        stored.ownName = ownName
        stored.greeting = greeting
        stored.theirCapability = theirCapability
        stored.ourCapability = ourCapability
        stored.expiresAfter = expiresAfter
    }
}

/// Why a contact cannot be added or found.
package enum ContactError: Error, Equatable, Sendable, CustomStringConvertible {
    case unknown(name: String)
    case nameTaken(name: String)
    case badName
    case nameNeeded
    case alreadyKnown(name: String)
    case yourself
    case bookFull
    /// Nobody asked under this name.
    case noRequest(name: String)
    /// The user shut them out.
    case blocked(name: String)
    /// They have not answered, or not been answered, yet.
    case notAccepted(name: String)

    package var description: String {
        switch self {
        case .unknown(let name): "no contact is called '\(name)': 'sotto contacts' lists them"
        case .nameTaken(let name):
            "another contact is called '\(name)', and the two must not be mistaken for each other: choose a name with --as"
        case .badName: "a name has 1 to 64 characters, and neither control characters nor spaces at its ends"
        case .nameNeeded: "the invite carries no name: choose one with --as"
        case .alreadyKnown(let name): "this identity is in your contacts as '\(name)'"
        case .yourself: "this is you yourself"
        case .bookFull: "there are too many contacts"
        case .noRequest(let name): "'\(name)' has not asked to become a contact"
        case .blocked(let name): "you have blocked '\(name)': 'sotto accept' lets them in again"
        case .notAccepted(let name): "'\(name)' asks to become a contact: 'sotto accept' answers"
        }
    }
}
