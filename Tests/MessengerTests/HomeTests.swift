import Foundation
import Identity
import Noise
import TestTools
import Testing
import Vault
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
        #expect(try scratch.mode("vault.sqlite") == 0o600)
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

    /// Names, servers, tokens and who is known.
    @Test func writesNothingReadable() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        let peer = try Identity.generate().peerID
        try home.update { try $0.add(Contact(peer: peer, name: "Barbara Example")) }
        let invite = try home.makeInvite(now: 1_000_000, label: "for the baker")
        home.vault.close()
        for name in try FileManager.default.contentsOfDirectory(atPath: scratch.path) where name != "identity.key" {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: scratch.file(name)))
            for secret in [
                Data("Barbara".utf8), Data("127.0.0.1".utf8), Data("baker".utf8), Data(peer.bytes), Data(invite.token),
            ] {
                #expect(bytes.range(of: secret) == nil, "\(name)")
            }
        }
    }

    /// A home that was made before there was a vault.
    @Test func movesTheBookOfAnEarlierVersionIntoTheVault() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        home.vault.close()
        for name in ["vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: scratch.file(name))
        }
        let bob = try Identity.generate().peerID
        let token = [UInt8](repeating: 7, count: 16)
        let digest = Home.inviteDigest(token)
        let json =
            #"{"name":"me","server":"ws://127.0.0.1:8080","contacts":[{"peer":"\#(bob)","name":"Bob","verified":true,"token":[1,2]}],"invites":[{"digest":\#(digest),"expires":9000000000}]}"#
        let sealed = LegacySealing.seal(Array(json.utf8), for: home.identity)
        try scratch.write(sealed, "book.sealed")
        let moved = try open(scratch)
        let book = try moved.book()
        #expect(book.ownName == "me" && book.server == "ws://127.0.0.1:8080")
        #expect(book.contacts.map(\.name) == ["Bob"] && book.contacts[0].verified && book.contacts[0].token == [1, 2])
        #expect(try moved.admits(token: token, now: 1_000))
        #expect(!FileManager.default.fileExists(atPath: scratch.file("book.sealed")))
        #expect(try open(scratch).book() == book)
    }

    @Test func leavesADamagedBookOfAnEarlierVersionAlone() throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        home.vault.close()
        for name in ["vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: scratch.file(name))
        }
        let good = LegacySealing.seal(
            Array(#"{"name":"","server":"ws://127.0.0.1","contacts":[],"invites":[]}"#.utf8), for: home.identity)
        for index in stride(from: 0, to: good.count, by: 5) {
            var bad = good
            bad[index] ^= 1
            try scratch.write(bad, "book.sealed")
            #expect(throws: HomeError.self) { try open(scratch) }
            #expect(try scratch.bytes("book.sealed") == bad)
            #expect(!FileManager.default.fileExists(atPath: scratch.file("vault.sqlite")))
        }
        try scratch.write(good, "book.sealed")
        #expect(try open(scratch).book().server == "ws://127.0.0.1")
    }

    @Test func admitsByATokenUntilItExpiresOrIsTakenBack() throws {
        let scratch = try Scratch()
        defer { withExtendedLifetime(scratch) {} }
        let home = try create(scratch)
        let invite = try home.makeInvite(now: 1_000)
        #expect(try home.admits(token: invite.token, now: 1_000 + Home.inviteLifetime - 1))
        #expect(try !home.admits(token: invite.token, now: 1_000 + Home.inviteLifetime))
        #expect(try !home.admits(token: [UInt8](repeating: 8, count: 16), now: 1_000))
        #expect(try !home.admits(token: [], now: 1_000))
        #expect(try home.revokeInvite(digest: Home.inviteDigest(invite.token)))
        #expect(try !home.admits(token: invite.token, now: 1_000))
    }

    @Test func anInviteForOneAdmitsOne() throws {
        let scratch = try Scratch()
        defer { withExtendedLifetime(scratch) {} }
        let home = try create(scratch)
        let invite = try home.makeInvite(now: 1_000, singleUse: true)
        let people = try (0..<3).map { _ in try Identity.generate().peerID }
        let admitted = try people.map { peer in
            try home.vault.writeAndWait {
                try $0.admit(peer, called: "guest", token: invite.token, now: 1_000_000)?.peer
            }
        }
        #expect(admitted == [people[0], nil, nil])
        #expect(try home.book().contacts.map(\.peer) == [people[0]])
    }

    @Test func keepsOnlyDigestsOfInvitesAndABoundedNumber() throws {
        let scratch = try Scratch()
        defer { withExtendedLifetime(scratch) {} }
        let home = try create(scratch)
        let invites = try (0..<(Home.maximumInvites + 5)).map { _ in try home.makeInvite(now: 1_000) }
        #expect(try home.invites().count == Home.maximumInvites)
        #expect(try !home.admits(token: invites[0].token, now: 1_000))
        #expect(try home.admits(token: invites[68].token, now: 1_000))
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

    /// A process is killed while it starts a child: the child has the lock until it begins. Who comes next waits for that, and takes it for nobody who is online.
    @Test func waitsForTheLockOfAProcessThatIsGone() async throws {
        let scratch = try Scratch()
        let home = try create(scratch)
        let dead = try Process.run(URL(fileURLWithPath: "/bin/true"), arguments: [])
        dead.waitUntilExit()
        let file = scratch.file("online.lock")
        let child = Glibc.open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        #expect(child >= 0 && flock(child, LOCK_EX | LOCK_NB) == 0)
        try scratch.write(Array("\(dead.processIdentifier)\n".utf8), "online.lock")
        let claims = EventLog<Result<OnlineClaim, any Error>>()
        Thread.detachNewThread { claims.append(Result { try home.goOnline() }) }
        try await eventually("somebody tries") { Self.descriptors(of: file) > 1 }
        // Longer than anybody waits who takes it for somebody's who is online.
        try await nextLook(after: 50)
        close(child)
        let claim = try await claims.next("the claim") { $0 }
        #expect(throws: Never.self) { try claim.get() }
    }

    /// How many descriptors this process has of a file.
    private static func descriptors(of file: String) -> Int {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return all.count { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)) == file }
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
