import Foundation
import Identity
import Noise
import Testing

@testable import Vault

/// Backups, exports, imports and wiping.
@Suite struct CopyTests {
    private func secret(_ text: String) -> SecretBytes { SecretBytes(copying: Array(text.utf8)) }

    private func filled(_ home: TestHome, messages: Int = 50) throws -> (Vault, ContactRow) {
        let vault = try home.create()
        var contact = try StoredContact.sample("bob")
        contact.verified = true
        contact.theirCapability = [UInt8](repeating: 4, count: 16)
        let stored = contact
        let row = try vault.writeAndWait { tx in
            let row = try tx.insertContact(stored)
            for number in 0..<messages {
                try tx.appendMessage(.sample(row, number, "text \(number)", number % 3 == 0 ? .incoming : .outgoing))
            }
            try tx.setTextSetting("name", "alice")
            try tx.setMailBookkeeping(MailBookkeeping())
            try tx.setRatchet(SecretBytes(copying: [1]), for: row)
            return row
        }
        return (vault, row)
    }

    @Test func aBackupIsOneStateOfTheVaultAndSaysWhatItIs() throws {
        let home = try TestHome()
        let (vault, row) = try filled(home)
        let answers = Answers()
        for number in 100..<400 {
            vault.submit({ _ = try $0.appendMessage(.sample(row, number)) }, then: answers.take(number))
        }
        let restored = try TestHome(identity: home.identity)
        try vault.backup(to: restored.path)
        #expect(try answers.wait(300).allSatisfy { $0.error == nil })
        #expect(throws: VaultError.exists(path: restored.path)) { try vault.backup(to: restored.path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: restored.directory) == ["vault.sqlite"])
        #expect(try vault.read { try !$0.wasRestored() })
        let copy = try restored.open()
        #expect(try copy.check().isEmpty)
        #expect(try copy.read { try $0.messageCount(with: row) } >= 50)
        #expect(try copy.read { try $0.wasRestored() })
        try copy.writeAndWait { try $0.acknowledgeRestoration() }
        #expect(try copy.read { try !$0.wasRestored() })
    }

    @Test(arguments: [0, 1, 2_000])
    func anExportBringsContactsMessagesAndSettingsToAnotherVault(count: Int) throws {
        let home = try TestHome()
        let (vault, row) = try filled(home, messages: count)
        let file = home.directory + "/export"
        let written = try vault.export(to: file, passphrase: secret("open"), now: 5, cost: .least)
        #expect(written.contacts == 1 && written.messages == count)
        #expect(throws: VaultError.exists(path: file)) {
            try vault.export(to: file, passphrase: secret("open"), now: 5, cost: .least)
        }
        let other = try TestHome(identity: home.identity)
        let target = try other.create()
        let read = try target.importArchive(from: file, passphrase: secret("open"))
        #expect(read.contacts == 1 && read.messages == count && read.known == 0)
        let contact = try #require(try target.read { try $0.contacts().first })
        #expect(contact.verified && contact.theirCapability != nil)
        let before = try vault.read { try $0.messages(with: row, last: 10_000) }
        let after = try target.read { try $0.messages(with: contact.row, last: 10_000) }
        #expect(after.map(\.text) == before.map(\.text))
        #expect(after.map(\.messageID) == before.map(\.messageID))
        // What never left does not look as if it might still.
        #expect(!after.contains { $0.state == .queued })
        #expect(after.map { $0.state == .unread } == before.map { $0.state == .unread })
        #expect(try target.read { try $0.textSetting("name") } == "alice")
        #expect(try target.read { try $0.setting(".mail") } == nil)
        let hasRatchet =
            switch try target.read({ try $0.ratchet(of: contact.row) }) {
            case .some: true
            case .none: false
            }
        #expect(!hasRatchet)
        if count > 0 { #expect(try target.search("text", limit: 9_999).count == count) }
        // A second time brings nothing.
        let again = try target.importArchive(from: file, passphrase: secret("open"))
        #expect(again.contacts == 0 && again.messages == 0 && again.known == count + 1)
        #expect(try target.check().isEmpty)
    }

    @Test func anotherIdentitysExportBringsNoTrust() throws {
        let home = try TestHome()
        let (vault, _) = try filled(home)
        let file = home.directory + "/export"
        _ = try vault.export(to: file, passphrase: secret("open"), now: 5, cost: .least)
        let target = try TestHome().create()
        let there = try StoredContact.sample("bob")
        try target.writeAndWait { tx in
            _ = try tx.insertContact(there)
            try tx.setTextSetting("name", "mine")
        }
        _ = try target.importArchive(from: file, passphrase: secret("open")) { contact, all in
            all.contains { $0.name == contact.name } ? contact.name + " 2" : contact.name
        }
        let contacts = try target.read { try $0.contacts() }
        #expect(contacts.map(\.name) == ["bob", "bob 2"])
        #expect(contacts.allSatisfy { !$0.verified && $0.theirCapability == nil })
        #expect(try target.read { try $0.textSetting("name") } == "mine")
    }

    @Test func wrongPassphrasesAndOtherFilesAreRefused() throws {
        let home = try TestHome()
        let (vault, _) = try filled(home)
        let file = home.directory + "/export"
        _ = try vault.export(to: file, passphrase: secret("open"), now: 5, cost: .least)
        #expect(throws: VaultError.wrongPassphrase) { try vault.importArchive(from: file, passphrase: secret("opem")) }
        #expect(throws: VaultError.wrongPassphrase) { try vault.importArchive(from: file, passphrase: secret("")) }
        #expect(throws: VaultError.notAnExport) { try vault.importArchive(from: home.path, passphrase: secret("open")) }
        #expect(throws: VaultError.missing(path: "/nowhere")) {
            try vault.importArchive(from: "/nowhere", passphrase: secret("open"))
        }
        #expect(throws: VaultError.outOfRange("an empty passphrase")) {
            try vault.export(to: home.directory + "/other", passphrase: secret(""), now: 5, cost: .least)
        }
        #expect(throws: VaultError.missing(path: "/nowhere/x.new")) {
            try vault.export(to: "/nowhere/x", passphrase: secret("open"), now: 5, cost: .least)
        }
    }

    @Test func aCutOrChangedExportChangesNothing() throws {
        let home = try TestHome()
        let (vault, _) = try filled(home, messages: 1_400)
        let file = home.directory + "/export"
        _ = try vault.export(to: file, passphrase: secret("open"), now: 5, cost: .least)
        let whole = try Data(contentsOf: URL(filePath: file))
        #expect(whole.count > 3 * Archive.chunkSize)
        let target = try TestHome(identity: home.identity).create()
        let bad = home.directory + "/bad"
        var random = SystemRandomNumberGenerator()
        func refuses(_ data: Data, _ what: String) throws {
            try data.write(to: URL(filePath: bad))
            #expect(throws: VaultError.self, "\(what)") {
                try target.importArchive(from: bad, passphrase: secret("open"))
            }
        }
        for cut in Array(0..<70) + [whole.count / 2, whole.count - 1] {
            try refuses(whole.prefix(cut), "cut to \(cut)")
        }
        // Not the Argon2id cost, which a test must not raise.
        for place in Array(0..<9) + (17..<70) + (0..<30).map({ _ in Int.random(in: 70..<whole.count, using: &random) })
        {
            var changed = whole
            changed[place] ^= UInt8.random(in: 1...255, using: &random)
            try refuses(changed, "byte \(place)")
        }
        try refuses(whole + Data([0]), "one byte more")
        try refuses(whole + whole, "twice")
        #expect(try target.read { try $0.contacts() }.isEmpty)
        #expect(try target.check().isEmpty)
    }

    @Test func wipingDestroysTheKeyAndTheFiles() throws {
        let home = try TestHome()
        let (vault, _) = try filled(home)
        // A second name keeps the content in view.
        for suffix in ["", "-wal"] {
            #expect(link(home.path + suffix, home.directory + "/seen" + suffix) == 0)
        }
        try vault.wipe()
        for suffix in ["", "-wal"] {
            let left = try Data(contentsOf: URL(filePath: home.directory + "/seen" + suffix))
            #expect(left.allSatisfy { $0 == 0 })
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.directory).allSatisfy { $0.hasPrefix("seen") })
        #expect(throws: VaultError.closed) { _ = try vault.read { try $0.contacts() } }
        #expect(throws: VaultError.missing(path: home.path)) { try home.open() }
        try home.create().close()
    }

    @Test func aVaultThatCannotBeOpenedCanBeWiped() throws {
        let home = try TestHome()
        try Data(repeating: 7, count: 10_000).write(to: URL(filePath: home.path))
        try Vault.wipe(at: home.directory)
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.directory).isEmpty)
        try Vault.wipe(at: home.directory)
    }
}
