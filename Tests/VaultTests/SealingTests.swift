import CSodium
import Foundation
import GRDB
import Identity
import Noise
import Testing

@testable import Vault

/// What somebody who has the files, and may change them, can and cannot do.
@Suite struct SealingTests {
    /// Every table filled, with texts that occur nowhere else.
    private struct Filled {
        let home: TestHome
        let vault: Vault
        let secrets: [[UInt8]]
        let rows: [ContactRow]
    }

    private func filled() throws -> Filled {
        let home = try TestHome()
        let vault = try home.create()
        var secrets: [[UInt8]] = []
        func secret(_ text: String) -> String {
            secrets.append(Array(text.utf8))
            return text
        }
        func secretBytes(_ count: Int) -> [UInt8] {
            let bytes = Sodium.randomBytes(count: count)
            secrets.append(bytes)
            return bytes
        }
        var contacts: [StoredContact] = []
        for name in ["Wilhelmina", "Balthasar"] {
            var contact = try StoredContact.sample(secret("name \(name)"))
            secrets.append(contact.peer.bytes)
            secrets.append(contact.peer.noisePublicKey.bytes)
            secrets.append(Array(contact.peer.description.utf8))
            contact.ownName = secret("own \(name)")
            contact.server = secret("\(name).example.org")
            contact.token = secretBytes(16)
            contact.theirCapability = secretBytes(16)
            contact.ourCapability = secretBytes(16)
            contact.notes = secret("notes on \(name)")
            contact.greeting = secret("greetings from \(name)")
            contacts.append(contact)
        }
        let stored = contacts
        let texts = (0..<40).map { secret("confidential text number \($0) of many") }
        let (messageIDs, envelopes) = ((0..<40).map { _ in secretBytes(16) }, (0..<40).map { _ in secretBytes(16) })
        let (ciphertext, ratchet, prekeys, digest) = (
            secretBytes(600), secretBytes(300), secretBytes(300), secretBytes(32)
        )
        let (setting, value, received) = (secret("setting-name"), secret("setting-value"), secretBytes(16))
        let (vanishedID, vanishedText) = (secretBytes(16), secret("vanished text"))
        let (reaction, label, reason) = (secret("reaction-text"), secret("invite-label"), secret("reason-of-failure"))
        let rows = try vault.writeAndWait { tx in
            let rows = try stored.map { try tx.insertContact($0) }
            for number in 0..<40 {
                let row = rows[number % 2]
                var message = StoredMessage.sample(row, number, texts[number])
                message.messageID = messageIDs[number]
                message.reactions = [.init(isOwn: true, text: reaction)]
                message.state = .failed
                message.reason = reason
                try tx.appendMessage(message)
                var entry = OutboxEntry.sample(row, number)
                entry.envelopeID = envelopes[number]
                entry.messageID = messageIDs[number]
                entry.ciphertext = ciphertext
                entry.content = Array(texts[number].utf8)
                try tx.appendOutbox(entry)
                try tx.setRatchet(SecretBytes(copying: ratchet), for: row)
            }
            try tx.setPrekeys(SecretBytes(copying: prekeys))
            try tx.setTextSetting(setting, value)
            _ = try tx.receive(envelope: received, now: 1)
            var vanished = StoredMessage.sample(rows[0], 40, vanishedText)
            vanished.messageID = vanishedID
            if let row = try tx.appendMessage(vanished).newRow { try tx.removeMessage(row: row, now: 1) }
            try tx.insertInvite(StoredInvite(digest: digest, createdAt: 1, expires: 2, singleUse: true, label: label))
            return rows
        }
        return Filled(home: home, vault: vault, secrets: secrets, rows: rows)
    }

    /// Fails when a secret occurs in a file of the directory.
    private func scan(_ filled: Filled, _ when: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: filled.home.directory) {
            let data = try Data(contentsOf: URL(filePath: "\(filled.home.directory)/\(name)"))
            for secret in filled.secrets {
                #expect(
                    data.range(of: Data(secret)) == nil,
                    "\(when): \(name) holds \(String(decoding: secret, as: UTF8.self))")
            }
        }
    }

    @Test func noFileHoldsAnyOfWhatWasPutIn() throws {
        let filled = try filled()
        try scan(filled, "in use")
        _ = try filled.vault.search("confidential", limit: 5)
        try filled.vault.backup(to: filled.home.directory + "/backup")
        _ = try filled.vault.export(
            to: filled.home.directory + "/export", passphrase: SecretBytes(copying: Array("open sesame".utf8)), now: 1,
            cost: .least)
        try scan(filled, "with copies")
        try filled.vault.writeAndWait { tx in for row in 1...40 { try tx.removeMessage(row: Int64(row), now: 1) } }
        try scan(filled, "after deleting")
        filled.vault.close()
        try scan(filled, "closed")
        #expect(try FileManager.default.contentsOfDirectory(atPath: filled.home.directory).count == 3)
    }

    @Test func deletedCellsAreOverwritten() throws {
        let home = try TestHome()
        let vault = try home.create()
        let contact = try StoredContact.sample()
        let row = try vault.writeAndWait { tx in
            let bob = try tx.insertContact(contact)
            return try tx.appendMessage(.sample(bob, 1, String(repeating: "long ", count: 100))).newRow
        }
        let number = try #require(row)
        let cell = try vault.connections.read { session in
            try session.row("SELECT body FROM history WHERE id = ?", [.integer(number)])?.blob(0)
        }
        let sealed = Data(try #require(cell).dropFirst(100).prefix(64))
        vault.close()
        #expect(Data(home.bytes()).range(of: sealed) != nil)
        let again = try home.open()
        try again.writeAndWait { _ = try $0.removeMessage(row: number, now: 1) }
        again.close()
        #expect(Data(home.bytes()).range(of: sealed) == nil)
    }

    /// SQL that somebody with the file runs on it.
    private func tamper(_ home: TestHome, _ sql: String) throws {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let database = try DatabaseQueue(path: home.path, configuration: configuration)
        try database.write { try $0.execute(sql: sql) }
        try database.close()
    }

    @Test(arguments: [
        // Another row, another column, another table, another contact.
        "UPDATE history SET body = (SELECT body FROM history WHERE id = 1) WHERE id = 3",
        "UPDATE history SET contact = 3 - contact WHERE id = 1",
        "UPDATE history SET lookup = (SELECT zeroblob(16)) WHERE id = 1",
        "UPDATE history SET body = (SELECT record FROM outbox WHERE id = 1) WHERE id = 1",
        "UPDATE history SET id = 1000 WHERE id = 1",
        "UPDATE outbox SET payload = record WHERE id = 1",
        "UPDATE outbox SET contact = 3 - contact WHERE id = 2",
        "UPDATE outbox SET payload = (SELECT payload FROM outbox WHERE id = 1) WHERE id = 3",
        "UPDATE contact SET record = (SELECT record FROM contact WHERE id = 1) WHERE id = 2",
        "UPDATE contact SET lookup = zeroblob(16) WHERE id = 1",
        "UPDATE ratchet SET state = (SELECT state FROM ratchet WHERE contact = 2) WHERE contact = 1",
        "UPDATE ratchet SET state = (SELECT state FROM prekeys) WHERE contact = 1",
        "UPDATE prekeys SET state = (SELECT state FROM ratchet WHERE contact = 1)",
        "UPDATE setting SET record = (SELECT record FROM contact WHERE id = 1)",
        "UPDATE setting SET lookup = zeroblob(16)",
        "UPDATE invite SET record = (SELECT record FROM setting WHERE id = 1)",
        "UPDATE invite SET lookup = zeroblob(16)",
        // Content.
        "UPDATE history SET body = zeroblob(100) WHERE id = 1",
        "UPDATE history SET body = x'' WHERE id = 1",
        "UPDATE history SET state = 99 WHERE id = 1",
        "UPDATE history SET position = 9223372036854775807 WHERE id = 1",
        "UPDATE history SET position = -9223372036854775807 - 1 WHERE id = 2",
        "UPDATE prekeys SET state = substr(state, 1, length(state) - 1)",
        "UPDATE header SET key = zeroblob(72)",
        "UPDATE header SET vault = zeroblob(16)",
        "DELETE FROM contact WHERE id = 1",
        "DELETE FROM header",
        "DROP TABLE history",
        "ALTER TABLE contact RENAME COLUMN record TO other",
        "UPDATE header SET key = 'text' || key WHERE 0; DROP INDEX history_contact; DROP TABLE envelope",
    ])
    func whatWasMovedOrChangedIsRefusedAndNamed(sql: String) throws {
        let filled = try filled()
        filled.vault.close()
        try tamper(filled.home, sql)
        let vault: Vault
        do {
            vault = try filled.home.open()
        } catch {
            #expect(error as? VaultError == .wrongIdentity || (error as? VaultError)?.isDamage == true)
            return
        }
        if !sql.contains("envelope") { #expect(try !vault.check().isEmpty) }
        // Whatever is read is what was written, or refused.
        for row in filled.rows {
            if let messages = try? vault.read({ try $0.messages(with: row, last: 100) }) {
                #expect(messages.allSatisfy { filled.secrets.contains(Array($0.text.utf8)) && $0.contact == row })
            }
        }
        vault.close()
    }

    @Test func anUnharmedVaultHasNoProblems() throws {
        let filled = try filled()
        #expect(try filled.vault.check() == [])
        filled.vault.close()
        #expect(try filled.home.open().check() == [])
    }

    @Test func flippedBytesAnywhereAreErrorsAndNeverTraps() throws {
        let filled = try filled()
        filled.vault.close()
        let whole = filled.home.bytes()
        var random = SystemRandomNumberGenerator()
        // All of the first page's header, then places all over the file.
        var places = Array(0..<100) + (0..<100).map { _ in Int.random(in: 0..<whole.count, using: &random) }
        places.append(whole.count - 1)
        var reported = 0
        for place in places {
            let home = try TestHome(identity: filled.home.identity)
            var bytes = whole
            bytes[place] ^= UInt8.random(in: 1...255, using: &random)
            try Data(bytes).write(to: URL(filePath: home.path))
            if exercise(home, filled) { reported += 1 }
        }
        // Most of a file is content; the rest is free space and what SQLite does not use.
        #expect(reported > places.count / 3, "\(reported) of \(places.count)")
    }

    @Test func cutAndForeignFilesAreErrorsAndNeverTraps() throws {
        let filled = try filled()
        filled.vault.close()
        let whole = filled.home.bytes()
        var random = SystemRandomNumberGenerator()
        for cut in [
            0, 1, 15, 16, 99, 100, 101, 1_000, 4_095, 4_096, 4_097, 8_192, 20_000, whole.count - 4_096, whole.count - 1,
        ] {
            let home = try TestHome(identity: filled.home.identity)
            try Data(whole[..<cut]).write(to: URL(filePath: home.path))
            #expect(exercise(home, filled), "cut to \(cut)")
        }
        for noise in 0..<4 {
            let home = try TestHome(identity: filled.home.identity)
            var bytes = (0..<20_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            if noise > 1 { bytes.replaceSubrange(0..<100, with: whole[0..<100]) }
            try Data(bytes).write(to: URL(filePath: home.path))
            #expect(exercise(home, filled))
        }
    }

    /// Uses everything of a vault that may be damaged. Whether something was reported.
    private func exercise(_ home: TestHome, _ filled: Filled) -> Bool {
        guard let vault = try? home.open() else { return true }
        defer { vault.close() }
        var hasFailed = false
        func attempt(_ body: () throws -> Void) {
            do { try body() } catch {
                hasFailed = true
                #expect(error is VaultError, "\(error)")
            }
        }
        attempt { _ = try vault.read { try $0.contacts() } }
        attempt { _ = try vault.search("confidential", limit: 10) }
        for row in filled.rows {
            attempt {
                let messages = try vault.read { try $0.messages(with: row, last: 100) }
                #expect(messages.allSatisfy { filled.secrets.contains(Array($0.text.utf8)) })
            }
            attempt { _ = try vault.read { try $0.outbox(for: row, first: 100) } }
            attempt { _ = try vault.read { try $0.ratchet(of: row)?.count } }
            attempt { try vault.writeAndWait { _ = try $0.appendMessage(.sample(row, 5_000, "one more")) } }
            attempt { try vault.writeAndWait { _ = try $0.markSeen(from: row, now: 1) } }
        }
        attempt { _ = try vault.read { (try $0.prekeys()?.count, try $0.invites(), try $0.mailBookkeeping()) } }
        attempt { try vault.writeAndWait { _ = try $0.expireMessages(now: 1) } }
        attempt { _ = try vault.bookVersion() }
        attempt { if try !vault.check().isEmpty { hasFailed = true } }
        return hasFailed
    }
}

extension VaultError {
    fileprivate var isDamage: Bool {
        if case .damaged = self { true } else { false }
    }
}
