import Dispatch
import Foundation
import GRDB
import Glibc
import Identity
import NIOConcurrencyHelpers
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// The store by itself: time, trouble, and what it refuses to open.
@Suite struct MailboxStoreTests {
    private let folder: TemporaryFolder
    private let clock = TestClock()
    private let (alice, bob): (PeerKey, PeerKey)
    private let capability: CapabilityDigest

    init() throws {
        folder = try TemporaryFolder("mailbox")
        (alice, bob) = (try Identity.generate().peerID.key, try Identity.generate().peerID.key)
        capability = try CapabilityDigest([UInt8](repeating: 0xCA, count: 16))
    }

    private func open(_ change: (inout MailboxLimits) -> Void = { _ in }) throws -> SQLiteMailbox {
        var configuration = MailboxConfiguration(directory: folder.file("data"))
        configuration.clock = { [clock] in clock.now }
        change(&configuration.limits)
        return try SQLiteMailbox(configuration, logger: quiet)
    }

    private func mail(_ envelope: [UInt8]) -> NewMail {
        NewMail(recipient: bob, capability: capability, envelope: envelope)
    }

    @Test func keepsMailForItsTimeAndNoLonger() async throws {
        let mailbox = try open { $0.timeToLive = 100 }
        defer { mailbox.close() }
        #expect(try await mailbox.change(.add([capability]), of: bob))
        for number in UInt8(0)..<10 {
            _ = try await mailbox.store(mail([number]))
            clock.advance(seconds: 10)
        }
        #expect(mailbox.waiting == 10)
        #expect(try await mailbox.fetch(for: bob, after: 0, items: 100, bytes: 1 << 20).mails.count == 9)
        clock.advance(seconds: 30)
        // What is over is not delivered, also when it is not deleted yet.
        #expect(
            try await mailbox.fetch(for: bob, after: 0, items: 100, bytes: 1 << 20).mails.map(\.envelope[0]) == [
                4, 5, 6, 7, 8, 9,
            ])
        var tidied = try await mailbox.tidy(limit: 3)
        #expect(tidied == MailboxTidied(deleted: 3, hasMore: true))
        tidied = try await mailbox.tidy(limit: 3)
        #expect(tidied == MailboxTidied(deleted: 1, hasMore: false))
        #expect(mailbox.waiting == 6)
        #expect(try await mailbox.greet(bob).waiting == 6)
    }

    @Test func forgetsWhoStaysAwayForVeryLong() async throws {
        let mailbox = try open {
            $0.absence = 10 * 86_400
            $0.timeToLive = 20 * 86_400
        }
        defer { mailbox.close() }
        for peer in [alice, bob] { #expect(try await mailbox.change(.add([capability]), of: peer)) }
        let publication = Publication(peer: bob, batch: 1, signed: 2, oneTime: [3])
        try await mailbox.publish(PrekeyPublicationLayout(decoding: publication.bytes))
        for _ in 0..<5 { _ = try await mailbox.store(mail([1])) }
        let known = try await mailbox.greet(bob).generation
        clock.advance(seconds: 9 * 86_400)
        _ = try await mailbox.greet(alice)
        clock.advance(seconds: 3 * 86_400)
        while try await mailbox.tidy(limit: 2).hasMore {}
        #expect(mailbox.waiting == 0)
        #expect(try await mailbox.store(mail([1])) == .refused(.unknownRecipient))
        #expect(try await mailbox.bundle(of: bob, capability: nil) == [])
        // It is told so when it comes again.
        #expect(try await mailbox.greet(bob).generation != known)
        #expect(try await mailbox.greet(alice).generation == known)
    }

    @Test func isOneServersAlone() throws {
        let first = try open()
        defer { first.close() }
        #expect(throws: MailboxError.inUse) { try open() }
    }

    /// A program that is just being started shares the descriptors of its parent for a moment, and somebody may still refer to the store.
    @Test func aClosedOneIsFreeWhoeverStillHasIt() throws {
        let first = try open()
        let inherited = dup(try descriptor(of: folder.file("data/mailbox.lock")))
        defer { Glibc.close(inherited) }
        first.close()
        try open().close()
        withExtendedLifetime(first) {}
    }

    private func descriptor(of path: String) throws -> Int32 {
        let own = "/proc/self/fd/"
        let names = try FileManager.default.contentsOfDirectory(atPath: own)
        // One that another test has closed meanwhile is not it.
        let name = names.first { (try? FileManager.default.destinationOfSymbolicLink(atPath: own + $0)) == path }
        return try #require(name.flatMap { Int32($0) })
    }

    @Test func refusesTheFileOfANewerVersionAndLeavesItAsItIs() throws {
        try open().close()
        let path = folder.file("data/mailbox.sqlite")
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: "UPDATE header SET version = 2") }
        try queue.close()
        let before = FileManager.default.contents(atPath: path)
        #expect(throws: MailboxError.newerVersion(2)) { try open() }
        #expect(FileManager.default.contents(atPath: path) == before)
    }

    @Test func findsNobodyWithoutItsKeyAndSaysSo() throws {
        try open().close()
        let path = folder.file("data/mailbox.key")
        let key = try #require(FileManager.default.contents(atPath: path))
        #expect(key.count == 32)
        try FileManager.default.removeItem(atPath: path)
        #expect(throws: MailboxError.damaged("mailbox.key is missing, without which nobody's mail can be found")) {
            try open()
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        for (bytes, reason) in [
            (Data(repeating: 1, count: 32), "mailbox.key is another store's"),
            (key.dropLast(), "mailbox.key has not its length"), (key + [0], "mailbox.key has not its length"),
        ] {
            try bytes.write(to: URL(filePath: path))
            #expect(throws: MailboxError.damaged(reason)) { try open() }
        }
        try key.write(to: URL(filePath: path))
        try open().close()
    }

    @Test func givesRoomBackToTheDisk() async throws {
        let mailbox = try open()
        #expect(try await mailbox.change(.add([capability]), of: bob))
        for _ in 0..<200 { _ = try await mailbox.store(mail(RandomBytes.make(50_000))) }
        let mails = try await mailbox.fetch(for: bob, after: 0, items: 1_000, bytes: 1 << 30).mails
        #expect(mails.count == 200)
        #expect(try await mailbox.delete(mails.dropLast().map(\.id), of: bob) == 199)
        while try await mailbox.tidy(limit: 100).hasMore {}
        #expect(try await mailbox.fetch(for: bob, after: 0, items: 10, bytes: 1 << 20).mails == mails.suffix(1))
        mailbox.close()
        let path = folder.file("data/mailbox.sqlite")
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        #expect(try #require(size) < 2 << 20)
        try checkCounts(waiting: 1)
    }

    @Test func refusesWhatIsNoMailbox() throws {
        try open().close()
        let path = folder.file("data/mailbox.sqlite")
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: "CREATE TABLE t (a)") }
        try queue.close()
        #expect(throws: MailboxError.damaged("it is no mailbox")) { try open() }
        try Data(RandomBytes.make(10_000)).write(to: URL(filePath: path))
        #expect(throws: MailboxError.damaged("SQLite cannot read the file")) { try open() }
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder.file("elsewhere"))
        #expect(throws: MailboxError.self) { try open() }
    }

    @Test func filesAreTheServersAlone() throws {
        let old = umask(0)
        defer { umask(old) }
        let mailbox = try open()
        defer { mailbox.close() }
        var status = stat()
        let data = folder.file("data")
        #expect(stat(data, &status) == 0 && status.st_mode & 0o777 == 0o700)
        for name in try FileManager.default.contentsOfDirectory(atPath: data) {
            #expect(stat("\(data)/\(name)", &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
    }

    @Test func whenItIsFullItSaysSoAndWorksAgainOnceThereIsRoom() async throws {
        let mailbox = try open { $0.storeBytes = 1 << 20 }
        #expect(try await mailbox.change(.add([capability]), of: bob))
        var stored: [UInt64] = []
        do {
            while stored.count < 1_000 {
                guard case .stored(let id) = try await mailbox.store(mail(RandomBytes.make(20_000))) else { break }
                stored.append(id)
            }
            Issue.record("it was never full")
        } catch let error as MailboxError {
            #expect(error == .full)
        }
        #expect(mailbox.waiting == stored.count && stored.count > 10)
        await #expect(throws: MailboxError.full) { try await mailbox.store(mail(RandomBytes.make(60_000))) }
        let slice = try await mailbox.fetch(for: bob, after: 0, items: 1_000, bytes: 1 << 30)
        #expect(slice.mails.map(\.id) == stored)
        #expect(try await mailbox.delete(Array(stored[..<10]), of: bob) == 10)
        for _ in 0..<5 { #expect(try await mailbox.store(mail(RandomBytes.make(20_000))) != .refused(.mailboxFull)) }
        mailbox.close()
        let count = stored.count - 5
        #expect(mailbox.waiting == count)
        await #expect(throws: MailboxError.closed) { try await mailbox.greet(bob) }
    }

    @Test func leavesSomeOfTheDiskFree() async throws {
        do {
            let mailbox = try open()
            defer { mailbox.close() }
            #expect(try await mailbox.change(.add([capability]), of: bob))
            #expect(try await mailbox.store(mail([1])) != .refused(.storeTrouble))
        }
        let mailbox = try open { $0.reserveBytes = .max }
        defer { mailbox.close() }
        #expect(try await mailbox.store(mail([2])) == .refused(.storeTrouble))
        // What is there is delivered and deleted.
        let mails = try await mailbox.fetch(for: bob, after: 0, items: 10, bytes: 10).mails
        #expect(mails.map(\.envelope) == [[1]])
        #expect(try await mailbox.delete(mails.map(\.id), of: bob) == 1)
    }

    @Test func whatWaitsIsBoundedAndClosingCarriesItOut() async throws {
        let mailbox = try open { $0.queue = MailQuota(bytes: 1 << 20, items: 50) }
        #expect(try await mailbox.change(.add([capability]), of: bob))
        // Nothing is carried out while an answer is being given.
        let (begun, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        mailbox.greet(bob) { _ in
            begun.signal()
            go.wait()
        }
        begun.wait()
        let verdicts = EventLog<Result<MailVerdict, MailboxError>>()
        for number in UInt8(0)..<60 { mailbox.store(mail([number])) { verdicts.append($0) } }
        #expect(verdicts.all == [Result<MailVerdict, MailboxError>](repeating: .failure(.overloaded), count: 10))
        go.signal()
        mailbox.close()
        let ids = verdicts.all.compactMap { if case .success(.stored(let id)) = $0 { id } else { nil } }
        #expect(ids.count == 50 && ids == ids.sorted() && mailbox.waiting == 50)
    }

    @Test func countsStayRightWhateverHappens() async throws {
        let mailbox = try open { $0.timeToLive = 50 }
        var random = SystemRandomNumberGenerator()
        let capabilities = try (UInt8(1)...4).map { try CapabilityDigest([UInt8](repeating: $0, count: 16)) }
        for _ in 0..<400 {
            let capability = capabilities.randomElement(using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0: _ = try await mailbox.change(.add(capabilities.filter { _ in Bool.random() }), of: bob)
            case 1: _ = try await mailbox.change(.remove(capabilities.filter { _ in Bool.random() }), of: bob)
            case 2: _ = try await mailbox.change(.replace(capabilities.filter { _ in Bool.random() }), of: bob)
            case 3: _ = try await mailbox.store(NewMail(recipient: bob, capability: nil, envelope: [1, 2, 3]))
            case 4:
                let mails = try await mailbox.fetch(for: bob, after: 0, items: 5, bytes: 1_000).mails
                _ = try await mailbox.delete(mails.map(\.id).filter { _ in Bool.random() }, of: bob)
            case 5:
                clock.advance(seconds: 5)
                _ = try await mailbox.tidy(limit: 3)
            default:
                let envelope = [UInt8](repeating: 1, count: Int.random(in: 1...5_000))
                _ = try await mailbox.store(NewMail(recipient: bob, capability: capability, envelope: envelope))
            }
        }
        let waiting = mailbox.waiting
        mailbox.close()
        try checkCounts(waiting: waiting)
    }

    private func checkCounts(waiting: Int) throws {
        let queue = try DatabaseQueue(path: folder.file("data/mailbox.sqlite"))
        func number(_ sql: String) throws -> Int { try queue.read { try Int.fetchOne($0, sql: sql) ?? -1 } }
        #expect(try number("SELECT count(*) FROM mail") == waiting)
        #expect(try number("SELECT sum(items) FROM box") == waiting)
        #expect(
            try number("SELECT sum(bytes) FROM box") == number("SELECT coalesce(sum(length(envelope)), 0) FROM mail"))
        #expect(
            try number("SELECT sum(requests) FROM box")
                == number("SELECT count(*) FROM mail WHERE digest = zeroblob(16)"))
        #expect(
            try number(
                """
                SELECT count(*) FROM capability WHERE
                    items <> (SELECT count(*) FROM mail WHERE mail.box = capability.box AND mail.digest = capability.digest)
                    OR (registered = 0 AND items = 0)
                """) == 0)
        #expect(
            try number(
                """
                SELECT count(*) FROM mail WHERE digest <> zeroblob(16)
                    AND NOT EXISTS (SELECT 1 FROM capability WHERE box = mail.box AND digest = mail.digest)
                """) == 0)
        let check = try queue.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") }
        #expect(check == "ok")
    }
}

extension Mailbox {
    private func wait<Value: Sendable>(_ call: (@escaping MailboxAnswer<Value>) -> Void) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            call { continuation.resume(with: $0.mapError { $0 as any Error }) }
        }
    }

    func greet(_ peer: PeerKey) async throws -> MailboxSummary { try await wait { greet(peer, then: $0) } }
    func store(_ mail: NewMail) async throws -> MailVerdict { try await wait { store(mail, then: $0) } }
    func fetch(for peer: PeerKey, after mail: UInt64, items: Int, bytes: Int) async throws -> MailSlice {
        try await wait { fetch(for: peer, after: mail, items: items, bytes: bytes, then: $0) }
    }
    func delete(_ mails: [UInt64], of peer: PeerKey) async throws -> Int {
        try await wait { delete(mails, of: peer, then: $0) }
    }
    func change(_ change: CapabilityChange, of peer: PeerKey) async throws -> Bool {
        try await wait { self.change(change, of: peer, then: $0) }
    }
    func publish(_ publication: PrekeyPublicationLayout) async throws {
        try await wait { publish(publication, then: $0) }
    }
    func bundle(of peer: PeerKey, capability: CapabilityDigest?) async throws -> [UInt8] {
        try await wait { bundle(of: peer, capability: capability, then: $0) }
    }
    func tidy(limit: Int) async throws -> MailboxTidied { try await wait { tidy(limit: limit, then: $0) } }
}
