/// An invite that the user handed out. Of its token only a digest is kept.
package struct StoredInvite: Hashable, Sendable {
    /// BLAKE2b-256 of the token.
    package let digest: [UInt8]
    /// Seconds since 1970.
    package var createdAt: Int64
    /// Seconds since 1970; it admits nobody from then on.
    package var expires: Int64
    /// It admits one bearer, and then nobody.
    package var singleUse: Bool
    /// How many it has admitted.
    package internal(set) var uses: UInt32 = 0
    /// The user took it back.
    package internal(set) var revoked = false
    /// What the user noted about it.
    package var label: String
    /// The digest under which the mailbox knows the token, so that its bearer can leave mail; empty when it does not.
    package var capabilityDigest: [UInt8] = []

    package init(digest: [UInt8], createdAt: Int64, expires: Int64, singleUse: Bool, label: String = "") {
        self.digest = digest
        self.createdAt = createdAt
        self.expires = expires
        self.singleUse = singleUse
        self.label = label
    }
}

/// What came of showing an invite.
package enum InviteUse: Hashable, Sendable {
    /// It admits its bearer; when it was consumed, that is counted.
    case admitted
    case unknown
    case expired
    /// It was for one use, and has had it.
    case used
    case revoked
}

extension VaultReader {
    /// All invites that were not forgotten, in the order of issue.
    package func invites() throws(VaultError) -> [StoredInvite] {
        try numberedInvites().map(\.invite)
    }

    /// Whether the token with this digest admits its bearer now. `now` is in seconds since 1970. Changes nothing.
    package func inviteUse(digest: [UInt8], now: Int64) throws(VaultError) -> InviteUse {
        guard let (_, invite) = try invite(digest: digest) else { return .unknown }
        return invite.use(now: now)
    }

    fileprivate func numberedInvites() throws(VaultError) -> [(number: Int64, invite: StoredInvite)] {
        var invites: [(number: Int64, invite: StoredInvite)] = []
        for row in try session.rows("SELECT id, record FROM invite ORDER BY id") {
            let number = try row.integer(0)
            let content = try keys.open(try row.blob(1), .inviteRecord, row: number)
            invites.append((number, try StoredInvite(decoding: content)))
        }
        return invites
    }

    /// Opens the invite in a row, and checks that it is found under its digest.
    func invite(row number: Int64) throws(VaultError) -> StoredInvite? {
        let row = try session.row("SELECT record, lookup FROM invite WHERE id = ?", [.integer(number)])
        guard let row else { return nil }
        let invite = try StoredInvite(decoding: try keys.open(try row.blob(0), .inviteRecord, row: number))
        guard try row.blob(1) == keys.blind(.inviteDigest, invite.digest) else {
            throw .damaged(detail: "invite.lookup, row \(number)")
        }
        return invite
    }

    fileprivate func invite(digest: [UInt8]) throws(VaultError) -> (number: Int64, invite: StoredInvite)? {
        let lookup = keys.blind(.inviteDigest, digest)
        guard let row = try session.row("SELECT id, record FROM invite WHERE lookup = ?", [.blob(lookup)]) else {
            return nil
        }
        let number = try row.integer(0)
        let invite = try StoredInvite(decoding: try keys.open(try row.blob(1), .inviteRecord, row: number))
        guard invite.digest == digest else { throw .damaged(detail: "invite.lookup, row \(number)") }
        return (number, invite)
    }
}

extension VaultTransaction {
    /// Remembers an invite.
    ///
    /// - Throws: ``VaultError/duplicate(_:)``, ``VaultError/outOfRange(_:)`` unless the digest has 32 bytes.
    package func insertInvite(_ invite: StoredInvite) throws(VaultError) {
        guard invite.digest.count == StoredInvite.digestByteCount else { throw .outOfRange("an invite's digest") }
        guard try self.invite(digest: invite.digest) == nil else { throw .duplicate("invite") }
        let number = try nextNumber(.invite)
        try execute(
            "INSERT INTO invite (id, lookup, record) VALUES (?, ?, ?)",
            [
                .integer(number), .blob(keys.blind(.inviteDigest, invite.digest)),
                .blob(keys.seal(invite.encode(), .inviteRecord, row: number)),
            ])
        bookChanged = true
    }

    /// Uses an invite: when it admits its bearer, that is counted in the same unit of work that makes the bearer a contact, so that no
    /// two get in with an invite for one. `now` is in seconds since 1970.
    package func consumeInvite(digest: [UInt8], now: Int64) throws(VaultError) -> InviteUse {
        guard let (number, known) = try invite(digest: digest) else { return .unknown }
        var invite = known
        let use = invite.use(now: now)
        guard use == .admitted else { return use }
        invite.uses = invite.uses == .max ? .max : invite.uses + 1
        try update(invite, number)
        return .admitted
    }

    /// Takes an invite back. Returns whether there is such a one.
    @discardableResult
    package func revokeInvite(digest: [UInt8]) throws(VaultError) -> Bool {
        guard let (number, known) = try invite(digest: digest) else { return false }
        var invite = known
        invite.revoked = true
        try update(invite, number)
        return true
    }

    /// Forgets invites that expired before `now` (seconds since 1970), and the oldest beyond `keeping`.
    package func pruneInvites(now: Int64, keeping: Int = .max) throws(VaultError) {
        let invites = try numberedInvites()
        let live = invites.filter { $0.invite.expires > now }
        let kept = Set(live.suffix(max(0, keeping)).map(\.number))
        for (number, _) in invites where !kept.contains(number) {
            try execute("DELETE FROM invite WHERE id = ?", [.integer(number)])
            bookChanged = true
        }
    }

    private func update(_ invite: StoredInvite, _ number: Int64) throws(VaultError) {
        try execute(
            "UPDATE invite SET record = ? WHERE id = ?",
            [.blob(keys.seal(invite.encode(), .inviteRecord, row: number)), .integer(number)])
        bookChanged = true
    }
}

extension StoredInvite {
    static let digestByteCount = 32

    /// What showing it would come to at `now`, in seconds since 1970.
    package func use(now: Int64) -> InviteUse {
        if revoked { return .revoked }
        if singleUse, uses > 0 { return .used }
        return expires > now ? .admitted : .expired
    }

    fileprivate func encode() -> [UInt8] {
        var record = RecordWriter()
        record.write(1, digest)
        record.write(2, UInt64(bitPattern: createdAt))
        record.write(3, UInt64(bitPattern: expires))
        record.write(4, singleUse)
        record.write(5, UInt64(uses))
        record.write(6, revoked)
        record.write(7, Array(label.utf8))
        if !capabilityDigest.isEmpty { record.write(8, capabilityDigest) }
        return record.finish()
    }

    fileprivate init(decoding bytes: [UInt8]) throws(VaultError) {
        var reader = RecordReader(bytes)
        guard let first = try reader.next(), first.tag == 1 else { throw RecordReader.malformed }
        let digest = try first.value.recordBytes(Self.digestByteCount)
        self.init(digest: digest, createdAt: 0, expires: 0, singleUse: false)
        while let (tag, value) = try reader.next() {
            switch tag {
            case 2: createdAt = Int64(bitPattern: try value.recordInteger())
            case 3: expires = Int64(bitPattern: try value.recordInteger())
            case 4: singleUse = value.recordFlag()
            case 5: uses = UInt32(clamping: try value.recordInteger())
            case 6: revoked = value.recordFlag()
            case 7: label = try value.recordText()
            case 8: capabilityDigest = Array(value)
            default: break
            }
        }
    }
}
