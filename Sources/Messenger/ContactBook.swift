package import Identity
import Vault
import Wire

/// The user's own settings and everybody the user knows, as one value. The vault keeps it (ContactBook+Vault.swift).
package struct ContactBook: Equatable, Sendable {
    /// The name that invites and greetings carry.
    package var ownName: String
    /// The signaling server, as `ws[s]://HOST[:PORT]`.
    package var server: String
    /// Whether contacts are told which of their messages the user has seen.
    package var sendsReadReceipts = true
    /// Whether contacts are told that the user is writing.
    package var sendsTyping = true
    /// In the order in which they were added.
    package internal(set) var contacts: [Contact]

    /// Bearers of invites are admitted until there are so many contacts. Each costs memory, and whoever has an invite can come as many.
    package static let maximumAdmitted = 1024
    /// The user may add more, up to so many: the book is read as a whole.
    package static let maximumContacts = 4096
    /// Strangers may ask until so many wait for an answer.
    package static let maximumRequests = 32

    package init(ownName: String, server: String, contacts: [Contact] = []) {
        self.ownName = ownName
        self.server = server
        self.contacts = contacts
    }

    /// The contact called `name`.
    package func contact(named name: String) throws(ContactError) -> Contact {
        guard let found = contacts.first(where: { $0.name == name }) else { throw .unknown(name: name) }
        return found
    }

    /// The contact called `name`, whom one may write to.
    ///
    /// - Throws: ``ContactError/unknown(name:)``, ``ContactError/blocked(name:)``, ``ContactError/notAccepted(name:)``.
    package func recipient(named name: String) throws(ContactError) -> Contact {
        let contact = try contact(named: name)
        switch contact.state {
        case .contact, .requestedByUs: return contact
        case .blocked: throw .blocked(name: name)
        case .requestsUs: throw .notAccepted(name: name)
        }
    }

    /// Whoever the user knows by this identity, whatever they are to each other.
    package func contact(_ peer: PeerID) -> Contact? { contacts.first { $0.peer == peer } }

    /// Whether one more bearer of an invite may come.
    package var hasRoomForAdmission: Bool { contacts.count < Self.maximumAdmitted }

    /// Adds somebody. Who asked to become a contact becomes one, and so does who was asked and sends an invite.
    ///
    /// - Throws: ``ContactError/alreadyKnown(name:)``, ``ContactError/nameTaken(name:)``, ``ContactError/badName``,
    ///   ``ContactError/bookFull``.
    package mutating func add(_ contact: Contact) throws(ContactError) {
        let known = contacts.firstIndex { $0.peer == contact.peer }
        if let known, contacts[known].state == .contact { throw .alreadyKnown(name: contacts[known].name) }
        guard Self.isUsableName(contact.name) else { throw .badName }
        let likeness = NameLikeness.of(contact.name)
        if let other = contacts.first(where: { $0.peer != contact.peer && NameLikeness.of($0.name) == likeness }) {
            throw .nameTaken(name: other.name)
        }
        guard contacts.count < Self.maximumContacts || known != nil else { throw .bookFull }
        guard let known else { return contacts.append(contact) }
        contacts[known].name = contact.name
        contacts[known].state = contact.state
        contacts[known].server = contact.server
        contacts[known].token = contact.token
    }

    /// Adds somebody who came by themselves (with one of our invites, or to ask) under the name they gave or the next free one that nobody takes for another's.
    package mutating func admit(_ peer: PeerID, called wish: String, as state: Contact.State = .contact) -> Contact {
        if let known = contacts.firstIndex(where: { $0.peer == peer }) {
            contacts[known].state = state
            return contacts[known]
        }
        // With a colon it could look like somebody else's message.
        let isUsable = Self.isUsableName(wish) && !wish.contains(":")
        let base = isUsable ? wish : String(peer.description.prefix(14))
        let taken = Set(contacts.map { NameLikeness.of($0.name) }).union(Self.reservedLikenesses)
        var name = base
        var number = 2
        while taken.contains(NameLikeness.of(name)) {
            name = "\(base.prefix(56)) \(number)"
            number += 1
        }
        var contact = Contact(peer: peer, name: name)
        contact.state = state
        contact.ownName = isUsable ? wish : ""
        contacts.append(contact)
        return contact
    }

    /// Changes somebody who is in the book.
    ///
    /// - Throws: ``ContactError/unknown(name:)``, and what `change` throws.
    @discardableResult
    package mutating func change(
        _ name: String, _ change: (inout Contact) throws(ContactError) -> Void
    ) throws(ContactError) -> Contact {
        guard let index = contacts.firstIndex(where: { $0.name == name }) else { throw .unknown(name: name) }
        try change(&contacts[index])
        return contacts[index]
    }

    /// Marks a contact as verified or takes the mark back.
    package mutating func setVerified(_ verified: Bool, name: String) throws(ContactError) {
        try change(name) { contact throws(ContactError) in contact.verified = verified }
    }

    /// Gives a contact another name.
    ///
    /// - Throws: ``ContactError/unknown(name:)``, ``ContactError/badName``, ``ContactError/nameTaken(name:)``.
    package mutating func rename(_ name: String, to newName: String) throws(ContactError) {
        guard Self.isUsableName(newName) else { throw .badName }
        let likeness = NameLikeness.of(newName)
        if let other = contacts.first(where: { $0.name != name && NameLikeness.of($0.name) == likeness }) {
            throw .nameTaken(name: other.name)
        }
        try change(name) { contact throws(ContactError) in contact.name = newName }
    }

    /// Forgets somebody, with everything that was said.
    package mutating func remove(_ name: String) throws(ContactError) {
        _ = try contact(named: name)
        contacts.removeAll { $0.name == name }
    }

    /// What the screen calls the user: no stranger gets that name.
    private static let reservedLikenesses: Set<String> = [NameLikeness.of("you"), NameLikeness.of("me")]

    /// Whether a text can be somebody's name.
    package static func isUsableName(_ name: String) -> Bool {
        (1...64).contains(name.count) && name.utf8.count <= 256 && name == DisplayText.harmless(name)
            && name.first?.isWhitespace == false && name.last?.isWhitespace == false
            && !NameLikeness.of(name).isEmpty
    }
}
