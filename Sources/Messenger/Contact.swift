package import Identity

/// Somebody the user accepted, under the name the user knows them by.
package struct Contact: Hashable, Sendable {
    /// The identity that is pinned to the name. It never changes silently.
    package let peer: PeerID
    /// The name on this device; unique in the book. One to 64 characters, no control characters.
    package var name: String
    /// The user compared safety numbers with this contact.
    package var verified: Bool
    /// `host[:port]` of the server in the contact's invite, or `nil` when the contact came through ours.
    package var server: String?
    /// The token of the contact's invite, which we show when we dial: the contact may not know us yet.
    package var token: [UInt8]?

    package init(peer: PeerID, name: String, verified: Bool = false, server: String? = nil, token: [UInt8]? = nil) {
        self.peer = peer
        self.name = name
        self.verified = verified
        self.server = server
        self.token = token
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

    package var description: String {
        switch self {
        case .unknown(let name): "no contact is called '\(name)': 'sotto contacts' lists them"
        case .nameTaken(let name):
            "another contact is called '\(name)', and the two must not be mistaken for each other: choose a name with --as"
        case .badName: "a name has 1 to 64 characters, and neither control characters nor spaces at its ends"
        case .nameNeeded: "the invite carries no name: choose one with --as"
        case .alreadyKnown(let name): "this identity is in your contacts as '\(name)'"
        case .yourself: "this is your own invite"
        case .bookFull: "there are too many contacts"
        }
    }
}
