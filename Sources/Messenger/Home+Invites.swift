import CSodium
package import Identity
package import Vault
import Wire

// Invites: what they admit, and for how long. Of a token only digests are kept: who reads the vault cannot use the invite.

extension Home {
    /// At most so many invites are open; a new one displaces the oldest.
    package static let maximumInvites = 64
    /// Seconds for which an invite admits its bearer, unless said otherwise.
    package static let inviteLifetime: Int64 = 30 * 24 * 3600

    /// Makes an invite. `now` is in seconds since 1970, `lifetime` in seconds.
    ///
    /// - Parameters:
    ///   - singleUse: it admits one bearer, and then nobody.
    ///   - label: the user's note, by which ``revokeInvite(_:)`` finds it.
    package func makeInvite(
        now: Int64, lifetime: Int64 = inviteLifetime, singleUse: Bool = false, label: String = ""
    ) throws -> Invite {
        let token = Invite.makeToken()
        var stored = StoredInvite(
            digest: Self.inviteDigest(token), createdAt: now,
            expires: now.addingReportingOverflow(lifetime).partialValue,
            singleUse: singleUse, label: label)
        stored.capabilityDigest = try Capability.digest(of: token).bytes
        let (ownName, server) = try vault.writeAndWait { [stored] transaction in
            try transaction.pruneInvites(now: now, keeping: Self.maximumInvites - 1)
            try transaction.insertInvite(stored)
            let book = try ContactBook(reading: transaction)
            return (book.ownName, book.server)
        }
        return try Invite(
            peerID: identity.peerID, server: try ServerURL(server), token: token, name: ownName.isEmpty ? nil : ownName)
    }

    /// The invites that were not forgotten yet, oldest first.
    package func invites() throws -> [StoredInvite] { try vault.read { try $0.invites() } }

    /// Takes an invite back: it admits nobody any more. Who came with it stays.
    ///
    /// - Returns: whether there is such an invite.
    package func revokeInvite(digest: [UInt8]) throws -> Bool {
        try vault.writeAndWait { try $0.revokeInvite(digest: digest) }
    }

    /// Whether a token admits its bearer. `now` is in seconds since 1970. Changes nothing.
    func admits(token: [UInt8], now: Int64) throws -> Bool {
        guard !token.isEmpty else { return false }
        let digest = Self.inviteDigest(token)
        return try vault.read { try $0.inviteUse(digest: digest, now: now) == .admitted }
    }

    /// BLAKE2b-256 of a token.
    static func inviteDigest(_ token: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&digest, digest.count, token, UInt64(token.count), nil, 0)
        return digest
    }
}

extension VaultTransaction {
    /// Makes somebody a contact who shows a token of ours: the use is counted in the same unit of work. `now` is in milliseconds since 1970.
    ///
    /// - Returns: the contact; who is one already, stays as they are and uses nothing. `nil` when the token admits nobody, or nobody more has room.
    func admit(_ peer: PeerID, called name: String, token: [UInt8], now: UInt64) throws(VaultError) -> Contact? {
        let before = try ContactBook(reading: self)
        if let known = before.contact(peer), known.isWelcome || known.state == .blocked {
            return known.isWelcome ? known : nil
        }
        guard before.hasRoomForAdmission, !token.isEmpty,
            try consumeInvite(digest: Home.inviteDigest(token), now: Int64(clamping: now / 1000)) == .admitted
        else { return nil }
        var book = before
        _ = book.admit(peer, called: name)
        try book.write(to: self, before: before, now: now)
        return try contact(peer).map { Contact($0) }
    }
}
