import Testing

@testable import Vault

@Suite struct InviteTests {
    private func digest(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 32) }

    private func invite(_ byte: UInt8, expires: Int64 = 1_000, singleUse: Bool = false) -> StoredInvite {
        StoredInvite(digest: digest(byte), createdAt: 10, expires: expires, singleUse: singleUse, label: "for \(byte)")
    }

    @Test func anInviteAdmitsUntilItExpires() throws {
        let vault = try TestHome().create()
        let (one, digest) = (invite(1), digest(1))
        try vault.writeAndWait { try $0.insertInvite(one) }
        #expect(try vault.read { try $0.inviteUse(digest: digest, now: 999) } == .admitted)
        #expect(try vault.read { try $0.inviteUse(digest: digest, now: 1_000) } == .expired)
        #expect(try vault.writeAndWait { try $0.consumeInvite(digest: digest, now: 1_000) } == .expired)
        for _ in 0..<3 {
            #expect(try vault.writeAndWait { try $0.consumeInvite(digest: digest, now: 5) } == .admitted)
        }
        #expect(try vault.read { try $0.invites() }.map(\.uses) == [3])
        #expect(try vault.read { try $0.inviteUse(digest: self.digest(2), now: 5) } == .unknown)
    }

    @Test func anInviteForOneAdmitsOneOfManyAtOnce() async throws {
        let home = try TestHome()
        let vault = try home.create()
        let second = try home.open()
        let (one, digest) = (invite(1, singleUse: true), digest(1))
        try vault.writeAndWait { try $0.insertInvite(one) }
        let uses = try await withThrowingTaskGroup(of: InviteUse.self) { group in
            for number in 0..<40 {
                let from = number % 2 == 0 ? vault : second
                group.addTask { try await from.write { try $0.consumeInvite(digest: digest, now: 5) } }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(uses.filter { $0 == .admitted }.count == 1)
        #expect(uses.filter { $0 == .used }.count == 39)
    }

    @Test func aUseThatWasNotStoredDoesNotCount() throws {
        let vault = try TestHome().create()
        let (one, digest) = (invite(1, singleUse: true), digest(1))
        try vault.writeAndWait { try $0.insertInvite(one) }
        #expect(throws: VaultError.unknown("anything")) {
            try vault.writeAndWait { tx in
                #expect(try tx.consumeInvite(digest: digest, now: 5) == .admitted)
                throw VaultError.unknown("anything")
            }
        }
        #expect(try vault.writeAndWait { try $0.consumeInvite(digest: digest, now: 5) } == .admitted)
    }

    @Test func whatWasTakenBackAdmitsNobody() throws {
        let vault = try TestHome().create()
        let (one, digest) = (invite(1), digest(1))
        try vault.writeAndWait { try $0.insertInvite(one) }
        #expect(try vault.writeAndWait { try $0.revokeInvite(digest: digest) })
        #expect(try vault.writeAndWait { try $0.consumeInvite(digest: digest, now: 5) } == .revoked)
        #expect(try vault.writeAndWait { try $0.revokeInvite(digest: self.digest(9)) } == false)
    }

    @Test func pruningForgetsTheExpiredAndTheOldest() throws {
        let vault = try TestHome().create()
        let invites = (1...6).map { invite($0, expires: $0 == 3 ? 4 : 1_000) }
        try vault.writeAndWait { tx in for invite in invites { try tx.insertInvite(invite) } }
        try vault.writeAndWait { try $0.pruneInvites(now: 5, keeping: 3) }
        #expect(try vault.read { try $0.invites() }.map { $0.digest[0] } == [4, 5, 6])
    }

    @Test func digestsHave32BytesAndAreThereOnce() throws {
        let vault = try TestHome().create()
        let one = invite(1)
        try vault.writeAndWait { try $0.insertInvite(one) }
        #expect(throws: VaultError.duplicate("invite")) { try vault.writeAndWait { try $0.insertInvite(one) } }
        let short = StoredInvite(digest: [1, 2], createdAt: 0, expires: 1, singleUse: false)
        #expect(throws: VaultError.outOfRange("an invite's digest")) {
            try vault.writeAndWait { try $0.insertInvite(short) }
        }
    }
}
