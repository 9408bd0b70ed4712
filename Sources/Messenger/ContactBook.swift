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

    /// Bearers of invites are admitted until there are so many contacts. Each costs memory, and whoever has an invite can come as many.
    package static let maximumAdmitted = 1024
    /// The user may add more, up to so many: the book is read and written as a whole.
    package static let maximumContacts = 4096
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
    /// - Throws: ``ContactError/alreadyKnown(name:)``, ``ContactError/nameTaken(name:)``, ``ContactError/badName``,
    ///   ``ContactError/bookFull``.
    package mutating func add(_ contact: Contact) throws(ContactError) {
        if let known = self.contact(contact.peer) { throw .alreadyKnown(name: known.name) }
        guard Self.isUsableName(contact.name) else { throw .badName }
        let likeness = NameLikeness.of(contact.name)
        if let other = contacts.first(where: { NameLikeness.of($0.name) == likeness }) {
            throw .nameTaken(name: other.name)
        }
        guard contacts.count < Self.maximumContacts else { throw .bookFull }
        contacts.append(contact)
    }

    /// Adds somebody who came with one of our invites, under the name they gave or the next free one that nobody takes for another's.
    package mutating func admit(_ peer: PeerID, called wish: String) -> Contact {
        if let known = contact(peer) { return known }
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

    /// Whether `token` is one of our open invites, and there is room for its bearer.
    package func admits(token: [UInt8], now: Int64) -> Bool {
        guard !token.isEmpty, contacts.count < Self.maximumAdmitted else { return false }
        let digest = IssuedInvite.digest(token)
        return invites.contains { $0.expires > now && $0.matches(digest) }
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
