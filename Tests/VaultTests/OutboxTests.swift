import Noise
import Testing

@testable import Vault

@Suite struct OutboxTests {
    private let vault: Vault
    private let bob: ContactRow
    private let eve: ContactRow
    private let home: TestHome

    init() throws {
        home = try TestHome()
        vault = try home.create()
        let (one, two) = (try StoredContact.sample("bob"), try StoredContact.sample("eve"))
        (bob, eve) = try vault.writeAndWait { (try $0.insertContact(one), try $0.insertContact(two)) }
    }

    private func envelopes(_ contact: ContactRow, unmailedOnly: Bool = false) throws -> [[UInt8]] {
        try vault.read { try $0.outbox(for: contact, first: 100, unmailedOnly: unmailedOnly).map(\.envelopeID) }
    }

    @Test func entriesKeepTheirOrderAndTheirBytes() throws {
        try vault.writeAndWait { tx in
            for number in 1...5 { try tx.appendOutbox(.sample(number % 2 == 0 ? eve : bob, number, size: number)) }
        }
        #expect(try envelopes(bob) == [id(1, 9), id(3, 9), id(5, 9)])
        #expect(try vault.read { try $0.outboxCounts() } == [bob: 3, eve: 2])
        #expect(try vault.read { try $0.outboxCount(for: eve) } == 2)
        var expected = OutboxEntry.sample(bob, 3, size: 3)
        let entry = try #require(try vault.read { try $0.outboxEntry(envelope: id(3, 9)) })
        expected.row = entry.row
        #expect(entry == expected)
        #expect(try vault.read { try $0.outbox(for: bob, after: entry.row, first: 1) }.map(\.envelopeID) == [id(5, 9)])
    }

    @Test func whatWasConfirmedLeaves() throws {
        try vault.writeAndWait { tx in for number in 1...3 { try tx.appendOutbox(.sample(bob, number)) } }
        let removed = try vault.writeAndWait { try $0.removeOutbox(envelope: id(2, 9)) }
        #expect(removed?.messageID == id(2) && removed?.contact == bob)
        #expect(try vault.writeAndWait { try $0.removeOutbox(envelope: id(2, 9)) } == nil)
        #expect(try envelopes(bob) == [id(1, 9), id(3, 9)])
    }

    @Test func theMailboxIsRememberedAndForgotten() throws {
        try vault.writeAndWait { tx in for number in 1...3 { try tx.appendOutbox(.sample(bob, number)) } }
        #expect(try vault.writeAndWait { try $0.setMailed(envelope: id(1, 9)) }?.messageID == id(1))
        #expect(try vault.writeAndWait { try $0.setMailed(envelope: id(7, 9)) } == nil)
        #expect(try envelopes(bob, unmailedOnly: true) == [id(2, 9), id(3, 9)])
        #expect(try envelopes(bob).count == 3)
        try vault.writeAndWait { try $0.setNothingMailed() }
        #expect(try envelopes(bob, unmailedOnly: true).count == 3)
    }

    @Test func aNewCiphertextKeepsThePlaceOfTheOld() throws {
        let row = try vault.writeAndWait { tx in
            let row = try tx.appendOutbox(.sample(bob, 1))
            try tx.appendOutbox(.sample(bob, 2))
            _ = try tx.setMailed(envelope: id(1, 9))
            return row
        }
        #expect(
            try vault.writeAndWait { try $0.replaceOutbox(row: row, envelopeID: id(8, 9), ciphertext: [7, 7]) })
        #expect(try envelopes(bob, unmailedOnly: true) == [id(8, 9), id(2, 9)])
        let entry = try #require(try vault.read { try $0.outboxEntry(row: row) })
        #expect(entry.ciphertext == [7, 7] && entry.content == [1, 2, 3] && entry.messageID == id(1))
        #expect(try vault.read { try $0.outboxEntry(envelope: id(1, 9)) } == nil)
        #expect(try vault.writeAndWait { try $0.replaceOutbox(row: 99, envelopeID: id(8, 9), ciphertext: []) } == false)
    }

    @Test func limitsAndRepetitionsAreRefused() throws {
        try vault.writeAndWait { _ = try $0.appendOutbox(.sample(bob, 1)) }
        #expect(throws: VaultError.duplicate("row")) {
            try vault.writeAndWait { _ = try $0.appendOutbox(.sample(bob, 1)) }
        }
        #expect(throws: VaultError.outOfRange("an envelope")) {
            try vault.writeAndWait { _ = try $0.appendOutbox(.sample(bob, 2, size: OutboxEntry.maximumSize + 1)) }
        }
        #expect(throws: VaultError.unknown("contact")) {
            try vault.writeAndWait { _ = try $0.appendOutbox(.sample(ContactRow(99), 3)) }
        }
    }

    @Test func envelopesAreNewOnceAndForgottenAfterTheirDays() throws {
        let day: UInt64 = 86_400_000
        #expect(try vault.writeAndWait { try $0.receive(envelope: id(1), now: 100 * day) })
        #expect(try vault.writeAndWait { try $0.receive(envelope: id(1), now: 101 * day) } == false)
        #expect(try vault.read { try $0.hasReceived(envelope: id(1)) })
        #expect(try vault.read { try !$0.hasReceived(envelope: id(2)) })
        #expect(try vault.writeAndWait { try $0.prune(now: 160 * day) } == 0)
        #expect(try vault.writeAndWait { try $0.prune(now: 161 * day) } == 1)
        #expect(try vault.writeAndWait { try $0.receive(envelope: id(1), now: 161 * day) })
    }

    @Test func forgettingNothingWritesNothing() throws {
        try vault.writeAndWait { _ = try $0.receive(envelope: id(1), now: 1) }
        let before = home.bytes("-wal")
        #expect(try vault.writeAndWait { try $0.prune(now: 2) } == 0)
        #expect(home.bytes("-wal") == before)
        let plans = try vault.connections.read { session in
            try ["envelope", "gone"].map {
                try session.row("EXPLAIN QUERY PLAN SELECT lookup FROM \($0) WHERE day < 1 LIMIT 1")?.text(3)
            }
        }
        #expect(plans.allSatisfy { $0?.contains("_day") == true })
    }

    @Test func ratchetsAndPrekeysAreReplacedAsAWhole() throws {
        func bytes(_ secret: consuming SecretBytes?) -> [UInt8]? {
            switch consume secret {
            case .some(let secret): secret.withUnsafeBytes { Array($0) }
            case .none: nil
            }
        }
        #expect(try vault.read { bytes(try $0.ratchet(of: bob)) } == nil)
        for state: [UInt8] in [[1, 2, 3], [], [UInt8](repeating: 7, count: 50_000)] {
            try vault.writeAndWait { tx in
                try tx.setRatchet(SecretBytes(copying: state), for: bob)
                try tx.setPrekeys(SecretBytes(copying: state))
            }
            #expect(try vault.read { bytes(try $0.ratchet(of: bob)) } == state)
            #expect(try vault.read { bytes(try $0.prekeys()) } == state)
        }
        #expect(try vault.read { bytes(try $0.ratchet(of: eve)) } == nil)
        #expect(throws: VaultError.unknown("contact")) {
            try vault.writeAndWait { try $0.setRatchet(SecretBytes(copying: [1]), for: ContactRow(99)) }
        }
    }

    @Test func settingsAndMailBookkeepingComeBack() throws {
        #expect(try vault.read { try $0.textSetting("name") } == nil)
        try vault.writeAndWait { tx in
            try tx.setTextSetting("name", "alice")
            try tx.setSetting("flags", [1, 2])
            try tx.setTextSetting("name", "alicia")
        }
        #expect(try vault.read { try $0.textSetting("name") } == "alicia")
        #expect(try vault.read { try $0.setting("flags") } == [1, 2])
        try vault.writeAndWait { try $0.setSetting("flags", nil) }
        #expect(try vault.read { try $0.setting("flags") } == nil)
        #expect(try vault.read { try $0.mailBookkeeping() } == MailBookkeeping())
        var mail = MailBookkeeping()
        mail.generation = id(1)
        mail.prekeysPublishedAt = 5
        mail.capabilitiesDigest = [1]
        mail.renewedAt = 77
        let stored = mail
        try vault.writeAndWait { try $0.setMailBookkeeping(stored) }
        #expect(try vault.read { try $0.mailBookkeeping() } == mail)
    }
}
