package import Identity
import Wire

/// What a home directory remembers beside its key: the user's own settings, contacts and issued invites. A value; ``BookStore`` keeps it.
package struct ContactBook: Equatable, Sendable {
    /// The name that invites and greetings carry.
    package var ownName: String
    /// The signaling server, as `ws[s]://HOST[:PORT]`.
    package var server: String
    /// In the order in which they were added.
    package private(set) var contacts: [Contact]
    /// The invites that still admit somebody.
    package private(set) var invites: [IssuedInvite]

    /// At most so many invites are open; a new one displaces the oldest.
    package static let maximumInvites = 64
    /// Seconds for which an invite admits its bearer.
    package static let inviteLifetime: Int64 = 30 * 24 * 3600

    package init(ownName: String, server: String, contacts: [Contact] = [], invites: [IssuedInvite] = []) {
        self.ownName = ownName
        self.server = server
        self.contacts = contacts
        self.invites = invites
    }

    /// The contact called `name`.
    package func contact(named name: String) throws(ContactError) -> Contact {
        guard let found = contacts.first(where: { $0.name == name }) else { throw .unknown(name: name) }
        return found
    }

    /// The contact with this identity, if the user has one.
    package func contact(_ peer: PeerID) -> Contact? { contacts.first { $0.peer == peer } }

    /// Adds somebody.
    ///
    /// - Throws: ``ContactError/alreadyKnown(name:)``, ``ContactError/nameTaken(name:)``, ``ContactError/badName``.
    package mutating func add(_ contact: Contact) throws(ContactError) {
        if let known = self.contact(contact.peer) { throw .alreadyKnown(name: known.name) }
        guard Self.isUsableName(contact.name) else { throw .badName }
        guard !contacts.contains(where: { $0.name == contact.name }) else { throw .nameTaken(name: contact.name) }
        contacts.append(contact)
    }

    /// Adds somebody who came with one of our invites, under the name they gave or the next free one like it.
    package mutating func admit(_ peer: PeerID, called wish: String) -> Contact {
        if let known = contact(peer) { return known }
        let base = Self.isUsableName(wish) ? wish : String(peer.description.prefix(14))
        var name = base
        var number = 2
        while contacts.contains(where: { $0.name == name }) {
            name = "\(base.prefix(56)) \(number)"
            number += 1
        }
        let contact = Contact(peer: peer, name: name)
        contacts.append(contact)
        return contact
    }

    /// Marks a contact as verified or takes the mark back.
    package mutating func setVerified(_ verified: Bool, name: String) throws(ContactError) {
        guard let index = contacts.firstIndex(where: { $0.name == name }) else { throw .unknown(name: name) }
        contacts[index].verified = verified
    }

    /// Remembers an invite. `now` is in seconds since 1970.
    package mutating func issue(token: [UInt8], now: Int64) {
        invites.removeAll { $0.expires <= now }
        if invites.count >= Self.maximumInvites { invites.removeFirst(invites.count - Self.maximumInvites + 1) }
        invites.append(IssuedInvite(tokenDigest: IssuedInvite.digest(token), expires: now + Self.inviteLifetime))
    }

    /// Whether `token` is one of our open invites.
    package func admits(token: [UInt8], now: Int64) -> Bool {
        guard !token.isEmpty else { return false }
        let digest = IssuedInvite.digest(token)
        return invites.contains { $0.expires > now && $0.matches(digest) }
    }

    /// Whether a text can be somebody's name.
    package static func isUsableName(_ name: String) -> Bool {
        (1...64).contains(name.count) && name.utf8.count <= 256 && name == DisplayText.harmless(name)
            && name.first?.isWhitespace == false && name.last?.isWhitespace == false
    }
}
