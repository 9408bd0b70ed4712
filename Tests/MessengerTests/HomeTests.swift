import Foundation
import Identity
import Noise
import TestTools
import Testing
import Wire

@testable import Messenger

@Suite struct HomeTests {
    /// A fresh directory that is gone after the test.
    private final class Scratch {
        private let folder: TemporaryFolder
        /// Not there yet.
        let path: String

        init() throws {
            folder = try TemporaryFolder("home")
            path = folder.file("home")
        }

        func file(_ name: String) -> String { path + "/" + name }
        func mode(_ name: String) throws -> Int {
            let attributes = try FileManager.default.attributesOfItem(atPath: name.isEmpty ? path : file(name))
            return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
        }
        func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }
        func write(_ bytes: [UInt8], _ name: String) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        }
    }

    private func create(_ scratch: Scratch, passphrase: String? = nil) throws -> Home {
        try Home.create(
            at: scratch.path, name: "me", server: try ServerURL("ws://127.0.0.1:8080"),
            passphrase: passphrase.map { text in { SecretBytes(copying: Array(text.utf8)) } })
    }

    private func open(_ scratch: Scratch, passphrase: String? = nil) throws -> Home {
        try Home.open(at: scratch.path) {
            guard let passphrase else { return nil }
            return SecretBytes(copying: Array(passphrase.utf8))
        }
    }

    @Test func keepsIdentityAndBook() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        try home.update { try $0.add(Contact(peer: try Identity.generate().peerID, name: "bob", token: [1, 2])) }
        let again = try open(scratch)
        #expect(again.identity.peerID == home.identity.peerID)
        #expect(try again.book() == home.book())
        #expect(try again.book().contacts.first?.token == [1, 2])
    }

    @Test func isReadableByItsOwnerOnly() throws {
        let scratch = try Scratch()
        _ = try create(scratch)
        #expect(try scratch.mode("") == 0o700)
        #expect(try scratch.mode("identity.key") == 0o600)
        #expect(try scratch.mode("book.sealed") == 0o600)
    }

    /// Somebody else's file, or what a crash has left, where the new content is written first.
    @Test func neverWritesASecretIntoAFileThatWasThere() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(
            atPath: scratch.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try scratch.write([1, 2, 3], "identity.key.new")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o666], ofItemAtPath: scratch.file("identity.key.new"))
        let planted = try #require(FileHandle(forReadingAtPath: scratch.file("identity.key.new")))
        _ = try create(scratch)
        #expect(try scratch.mode("identity.key") == 0o600)
        #expect(try planted.readToEnd() == Data([1, 2, 3]))
    }

    @Test func refusesADirectoryInWhichOthersCanWrite() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: scratch.path)
        #expect(throws: HomeError.self) { try create(scratch) }
        #expect(!FileManager.default.fileExists(atPath: scratch.file("identity.key")))
    }

    @Test func writesNothingThatCouldNotBeReadAgain() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        #expect(throws: HomeError.self) {
            try home.update { $0.ownName = String(repeating: "x", count: HomeFiles.maximumSize) }
        }
        #expect(try open(scratch).book().ownName == "me")
    }

    @Test func doesNotUseAnUnsealedKeyThatOthersMayRead() throws {
        let scratch = try Scratch()
        _ = try create(scratch)
        #expect(chmod(scratch.file("identity.key"), 0o640) == 0)
        #expect(throws: HomeError.exposed(file: scratch.file("identity.key"))) { try open(scratch) }
        #expect(chmod(scratch.file("identity.key"), 0o600) == 0)
        _ = try open(scratch)
    }

    @Test func neverOverwritesAnIdentity() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        #expect(throws: HomeError.alreadyInitialized(directory: scratch.path)) { try create(scratch) }
        #expect(try open(scratch).identity.peerID == home.identity.peerID)
    }

    @Test func saysWhenThereIsNoIdentity() throws {
        let scratch = try Scratch()
        #expect(throws: HomeError.notInitialized(directory: scratch.path)) { try open(scratch) }
    }

    @Test func sealsTheKeyUnderAPassphrase() throws {
        let scratch = try Scratch()
        let home = try create(scratch, passphrase: "correct horse")
        #expect(try open(scratch, passphrase: "correct horse").identity.peerID == home.identity.peerID)
        #expect(throws: HomeError.wrongPassphrase) { try open(scratch, passphrase: "wrong") }
        #expect(throws: HomeError.passphraseNeeded) { try open(scratch) }
    }

    @Test func writesNothingReadableIntoTheBook() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        try home.update { try $0.add(Contact(peer: try Identity.generate().peerID, name: "Barbara Example")) }
        let text = String(decoding: try scratch.bytes("book.sealed"), as: UTF8.self)
        #expect(!text.contains("Barbara"))
        #expect(!text.contains("127.0.0.1"))
    }

    @Test func tellsADamagedBookAndLeavesItAlone() throws {
        let scratch = try Scratch()
        _ = try create(scratch)
        let good = try scratch.bytes("book.sealed")
        for index in stride(from: 0, to: good.count, by: 7) {
            var bad = good
            bad[index] ^= 1
            try scratch.write(bad, "book.sealed")
            #expect(throws: HomeError.self) { try open(scratch).update { $0.ownName = "x" } }
            #expect(try scratch.bytes("book.sealed") == bad)
        }
        try scratch.write(good, "book.sealed")
        #expect(try open(scratch).book().ownName == "me")
    }

    @Test func tellsADamagedKeyAtEveryByte() throws {
        let scratch = try Scratch()
        _ = try create(scratch)
        let good = try scratch.bytes("identity.key")
        for index in good.indices {
            var bad = good
            bad[index] ^= 0x20
            try scratch.write(bad, "identity.key")
            #expect(throws: HomeError.self) { try open(scratch) }
        }
        for length in 0..<good.count {
            try scratch.write(Array(good.prefix(length)), "identity.key")
            #expect(throws: HomeError.self) { try open(scratch) }
        }
    }

    @Test func isOnlineOnlyOnce() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        var claim: OnlineClaim? = try home.goOnline()
        #expect(throws: HomeError.inUse(processID: getpid())) { try home.goOnline() }
        withExtendedLifetime(claim) {}
        claim = nil
        _ = try home.goOnline()
    }

    @Test func losesNoChangeOfTwoWritersAtOnce() async throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try home.update {
                        try $0.add(Contact(peer: try Identity.generate().peerID, name: "contact \(number)"))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try home.book().contacts.count == 20)
    }

    @Test func saysWhyItCannotWrite() throws {
        let error = #expect(throws: HomeError.self) {
            try Home.create(
                at: "/proc/sotto-cannot-be-here", name: "", server: try ServerURL("ws://127.0.0.1"), passphrase: nil)
        }
        #expect(error?.description.contains("/proc/sotto-cannot-be-here") == true)
    }
}
