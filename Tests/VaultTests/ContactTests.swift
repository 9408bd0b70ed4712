import Foundation
import Identity
import Noise
import Testing

@testable import Vault

@Suite struct ContactTests {
    @Test func aContactComesBackAsItWasStored() throws {
        let home = try TestHome()
        let vault = try home.create()
        var contact = try StoredContact.sample("bob")
        contact.ownName = "Robert"
        contact.state = .requestsUs
        contact.verified = true
        contact.server = "example.org:8443"
        contact.token = [UInt8](repeating: 1, count: 16)
        contact.theirCapability = [UInt8](repeating: 2, count: 16)
        contact.ourCapability = [UInt8](repeating: 3, count: 16)
        contact.greeting = "it is me"
        contact.notes = "from the choir"
        contact.expiresAfter = 3600
        contact.extra = [9, 8, 7]
        let stored = contact
        contact.row = try vault.writeAndWait { try $0.insertContact(stored) }
        vault.close()
        let again = try home.open()
        #expect(try again.read { try $0.contacts() } == [contact])
        #expect(try again.read { try $0.contact(contact.peer) } == contact)
        #expect(try again.read { try $0.contact(contact.row) } == contact)
        #expect(try again.read { try $0.contactCount() } == 1)
    }

    @Test func anIdentityIsThereOnce() throws {
        let vault = try TestHome().create()
        let contact = try StoredContact.sample()
        try vault.writeAndWait { _ = try $0.insertContact(contact) }
        #expect(throws: VaultError.duplicate("contact")) {
            try vault.writeAndWait { _ = try $0.insertContact(contact) }
        }
    }

    @Test func anUpdateKeepsRowAndIdentity() throws {
        let vault = try TestHome().create()
        var contact = try StoredContact.sample()
        let stored = contact
        contact.row = try vault.writeAndWait { try $0.insertContact(stored) }
        contact.name = "robert"
        contact.state = .blocked
        let renamed = contact
        try vault.writeAndWait { try $0.updateContact(renamed) }
        #expect(try vault.read { try $0.contacts() } == [contact])
        var other = try StoredContact.sample()
        other.row = contact.row
        let wrong = other
        #expect(throws: VaultError.unknown("contact")) { try vault.writeAndWait { try $0.updateContact(wrong) } }
    }

    @Test func removingAContactTakesEverythingOfItAlong() throws {
        let home = try TestHome()
        let vault = try home.create()
        let (bob, eve) = (try StoredContact.sample("bob"), try StoredContact.sample("eve"))
        let (bobRow, eveRow) = try vault.writeAndWait { tx in
            let rows = (try tx.insertContact(bob), try tx.insertContact(eve))
            for row in [rows.0, rows.1] {
                try tx.appendMessage(.sample(row, Int(row.number), "shared secret"))
                try tx.appendOutbox(.sample(row, Int(row.number)))
                try tx.setRatchet(.init(copying: [1]), for: row)
            }
            return rows
        }
        #expect(try vault.search("secret", limit: 9).count == 2)
        #expect(try vault.writeAndWait { try $0.removeContact(bobRow) })
        #expect(try vault.search("secret", limit: 9).map(\.contact) == [eveRow])
        try vault.read { reader in
            #expect(try reader.messageCount(with: bobRow) == 0)
            #expect(try reader.outboxCounts() == [eveRow: 1])
            let hasRatchet =
                switch try reader.ratchet(of: bobRow) {
                case .some: true
                case .none: false
                }
            #expect(!hasRatchet)
        }
        // The number is never used again.
        let back = try vault.writeAndWait { try $0.insertContact(bob) }
        #expect(back.number > eveRow.number)
        #expect(try vault.writeAndWait { try $0.removeContact(bobRow) } == false)
        #expect(try vault.check().isEmpty)
    }

    @Test func theBookVersionChangesWithContactsSettingsAndInvitesOnly() throws {
        let home = try TestHome()
        let vault = try home.create()
        var version = try vault.bookVersion()
        func hasChanged(_ seen: Vault) throws -> Bool {
            let now = try seen.bookVersion()
            defer { version = now }
            return now != version
        }
        let contact = try StoredContact.sample()
        let row = try vault.writeAndWait { try $0.insertContact(contact) }
        #expect(try hasChanged(vault))
        #expect(try !hasChanged(vault))
        try vault.writeAndWait { _ = try $0.appendMessage(.sample(row, 1)) }
        #expect(try !hasChanged(vault))
        try vault.writeAndWait { try $0.setMailBookkeeping(MailBookkeeping()) }
        #expect(try !hasChanged(vault))
        // Another connection to the same file stands for another process.
        let second = try home.open()
        try second.writeAndWait { try $0.setTextSetting("name", "alice") }
        #expect(try hasChanged(vault))
        try second.writeAndWait {
            try $0.insertInvite(
                StoredInvite(digest: .init(repeating: 1, count: 32), createdAt: 0, expires: 9, singleUse: true))
        }
        #expect(try hasChanged(vault))
        // What was rolled back was never there.
        _ = try? vault.writeAndWait { tx in
            try tx.setTextSetting("name", "mallory")
            throw VaultError.unknown("reason")
        }
        #expect(try !hasChanged(vault))
        second.close()
        vault.close()
        #expect(throws: VaultError.closed) { try vault.bookVersion() }
        // The last one to leave empties the log.
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.directory) == ["vault.sqlite"])
    }
}
