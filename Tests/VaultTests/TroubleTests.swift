import Dispatch
import Foundation
import GRDB
import Identity
import NATLab
import Testing

@testable import Vault

/// What a disk or another process can do to a vault, and that it works again afterwards.
@Suite struct TroubleTests {
    private func limitPages(_ vault: Vault, _ count: Int) throws {
        _ = try vault.connections.write { (session) throws(VaultError) in
            try session.row("PRAGMA max_page_count = \(count)")
        }
    }

    @Test func aFullDiskFailsTheBatchAndEverythingBehindItAndThenWorksAgain() throws {
        let home = try TestHome()
        let vault = try home.create()
        let contact = try StoredContact.sample()
        let bob = try vault.writeAndWait { tx in
            let row = try tx.insertContact(contact)
            try tx.appendMessage(.sample(row, 0))
            return row
        }
        try limitPages(vault, 1)
        let (held, answers) = (DispatchSemaphore(value: 0), Answers())
        let epoch = vault.epoch
        vault.submit({ _ in held.wait() }, then: answers.take(0))
        let size = 3_000
        for number in 1...600 {
            var message = StoredMessage.sample(bob, number, String(repeating: "x", count: size))
            message.sequence = UInt64(number)
            let stored = message
            vault.submit(in: epoch, { _ = try $0.appendMessage(stored) }, then: answers.take(number))
        }
        held.signal()
        let got = try answers.wait(601)
        #expect(got.map(\.number) == Array(0...600))
        let firstFailure = try #require(got.firstIndex { $0.error != nil })
        #expect(got[firstFailure...].allSatisfy { $0.error == .diskFull })
        #expect(vault.trouble == .diskFull)
        #expect(throws: VaultError.diskFull) {
            let large = StoredMessage.sample(bob, 999, String(repeating: "x", count: 100_000))
            try vault.writeAndWait { _ = try $0.appendMessage(large) }
        }
        // A late unit of the broken chain must not get in although there is room again.
        try limitPages(vault, 1_000_000)
        #expect(throws: VaultError.superseded) {
            try vault.writeAndWait(in: epoch) { _ = try $0.appendMessage(.sample(bob, 700)) }
        }
        try vault.writeAndWait { _ = try $0.appendMessage(.sample(bob, 1_000)) }
        #expect(vault.trouble == nil)
        let kept = got[..<firstFailure].filter { $0.number > 0 }.count
        #expect(try vault.read { try $0.messageCount(with: bob) } == kept + 2)
        #expect(try vault.check().isEmpty)
    }

    @Test func aFailureThatTheWorkSwallowsFailsItNevertheless() throws {
        let vault = try TestHome().create()
        let contact = try StoredContact.sample()
        let bob = try vault.writeAndWait { try $0.insertContact(contact) }
        try limitPages(vault, 1)
        #expect(throws: VaultError.diskFull) {
            try vault.writeAndWait { tx in
                try tx.setTextSetting("small", "x")
                _ = try? tx.appendMessage(.sample(bob, 1, String(repeating: "x", count: 400_000)))
            }
        }
        try limitPages(vault, 1_000_000)
        #expect(try vault.read { try $0.textSetting("small") } == nil)
    }

    @Test(.enabled("no user namespaces here: a full disk was NOT tried") { await Programs.mayMount() })
    func aRealDiskThatIsFullLosesNothing() async throws {
        let folder = try TestHome().directory
        let script = """
            mount -t tmpfs -o size=4m none '\(folder)' && head -c 1500000 /dev/zero > '\(folder)/ballast' &&
            exec '\(Programs.writer)' fill '\(folder)'
            """
        let output = try await Programs.run("/usr/bin/unshare", ["-Urm", "sh", "-c", script])
        let lines = output.lines
        let failed = try #require(lines.first { $0.hasPrefix("failed ") }).split(separator: " ", maxSplits: 2)
        let number = try #require(Int(failed[1]))
        #expect(failed[2] == VaultError.diskFull.description)
        #expect(lines.contains("kept \(number - 1)"), "\(lines)")
        #expect(lines.contains("then \(number + 19)"), "\(lines)")
        #expect(lines.contains("check 0"), "\(lines)")
        #expect(output.status == .code(0))
    }

    @Test(.enabled("no user namespaces here: a read-only disk was NOT tried") { await Programs.mayMount() })
    func aReadOnlyDiskIsSaidSo() async throws {
        let home = try TestHome(identity: Programs.identity)
        try home.create().close()
        let script = """
            mount --bind '\(home.directory)' '\(home.directory)' && mount -o remount,bind,ro '\(home.directory)' &&
            exec '\(Programs.writer)' contact '\(home.directory)' eve
            """
        let output = try await Programs.run("/usr/bin/unshare", ["-Urm", "sh", "-c", script])
        #expect(output.status == .code(1))
        #expect(output.lines.contains("error: \(VaultError.readOnly)"), "\(output.lines)")
        #expect(try home.open().read { try $0.contacts() }.isEmpty)
    }

    @Test func anotherWriterIsWaitedForAndNamedWhenItTakesTooLong() throws {
        let home = try TestHome()
        try home.create().close()
        let vault = try Vault.open(at: home.directory, identity: home.identity, schema: .current, busySeconds: 0.2)
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: home.path, configuration: configuration)
        try other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
        #expect(throws: VaultError.locked) { try vault.writeAndWait { try $0.setTextSetting("a", "x") } }
        // Readers are not kept waiting.
        #expect(try vault.read { try $0.textSetting("a") } == nil)
        try other.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
        try vault.writeAndWait { try $0.setTextSetting("a", "x") }
        #expect(try vault.read { try $0.textSetting("a") } == "x")
    }

    @Test func twoProcessesTakeTurns() async throws {
        let home = try TestHome(identity: Programs.identity)
        let vault = try home.create()
        let version = try vault.bookVersion()
        let answers = Answers()
        for number in 0..<300 { vault.submit({ try $0.setTextSetting("\(number)", "x") }, then: answers.take(number)) }
        let output = try await Programs.run(Programs.writer, ["contact", home.directory, "eve"])
        #expect(output.status == .code(0), "\(output.lines)")
        #expect(try answers.wait(300).allSatisfy { $0.error == nil })
        #expect(try vault.read { try $0.contacts() }.map(\.name) == ["eve"])
        #expect(try vault.bookVersion() != version)
    }

    @Test func thereMustBeAVaultAndItMustBeOurs() throws {
        let home = try TestHome()
        #expect(throws: VaultError.missing(path: home.path)) { try home.open() }
        try home.create().close()
        #expect(throws: VaultError.exists(path: home.path)) { try home.create() }
        #expect(throws: VaultError.wrongIdentity) {
            try Vault.open(at: home.directory, identity: .generate())
        }
        #expect(Vault.exists(at: home.directory))
        #expect(!Vault.exists(at: home.directory + "/x"))
    }

    @Test func whatACrashLeftOfMakingAVaultIsNoObstacle() throws {
        let home = try TestHome()
        for name in ["vault.sqlite.new", "vault.sqlite.new-journal"] {
            try Data([1, 2, 3]).write(to: URL(filePath: "\(home.directory)/\(name)"))
        }
        try home.create().close()
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.directory) == ["vault.sqlite"])
    }

    @Test func filesAreTheOwnersAlone() throws {
        let old = umask(0)
        defer { umask(old) }
        let home = try TestHome()
        let vault = try home.create()
        try vault.writeAndWait { try $0.setTextSetting("a", "b") }
        try vault.backup(to: home.directory + "/copy")
        for name in try FileManager.default.contentsOfDirectory(atPath: home.directory) {
            var status = stat()
            #expect(stat("\(home.directory)/\(name)", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600, "\(name)")
        }
        vault.close()
        chmod(home.path, 0o644)
        let again = try home.open()
        var status = stat()
        #expect(stat(home.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        again.close()
    }
}
