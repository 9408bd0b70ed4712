import Dispatch
import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import Vault

/// What units of work were told, in order.
final class Answers: Sendable {
    private let list = NIOLockedValueBox<[(number: Int, result: Result<Void, VaultError>)]>([])
    private let arrived = DispatchSemaphore(value: 0)

    func take(_ number: Int) -> @Sendable (Result<Void, VaultError>) -> Void {
        { result in
            self.list.withLockedValue { $0.append((number, result)) }
            self.arrived.signal()
        }
    }

    /// Waits for so many; what each got: `nil` for success.
    func wait(_ count: Int) throws -> [(number: Int, error: VaultError?)] {
        for _ in 0..<count { try #require(arrived.wait(timeout: .now() + 60) == .success) }
        return list.withLockedValue { list in
            list.map { entry in
                if case .failure(let error) = entry.result { (entry.number, error) } else { (entry.number, nil) }
            }
        }
    }
}

@Suite struct WriterTests {
    struct Refused: Error {}

    @Test func everyConnectionWaitsForTheDiskAndOverwritesWhatIsDeleted() throws {
        let vault = try TestHome().create()
        func pragma(_ name: String, _ session: SQLSession) throws(VaultError) -> Int64? {
            try session.row("PRAGMA \(name)")?.integer(0)
        }
        let values = try vault.connections.write { (session) throws(VaultError) in
            [
                try pragma("synchronous", session), try pragma("secure_delete", session),
                try pragma("temp_store", session), try pragma("foreign_keys", session),
                try pragma("wal_autocheckpoint", session),
            ]
        }
        #expect(values == [2, 1, 2, 1, 0])
        let mode = try vault.connections.write { (session) throws(VaultError) in
            try session.row("PRAGMA journal_mode")?.text(0)
        }
        #expect(mode == "wal")
        let reader = try vault.connections.read { session in
            [try pragma("temp_store", session), try pragma("query_only", session)]
        }
        #expect(reader[0] == 2)
    }

    @Test func answersComeInTheOrderOfSubmission() throws {
        let vault = try TestHome().create()
        let answers = Answers()
        for number in 0..<2_000 {
            vault.submit({ try $0.setTextSetting("last", "\(number)") }, then: answers.take(number))
        }
        let got = try answers.wait(2_000)
        #expect(got.map(\.number) == Array(0..<2_000))
        #expect(got.allSatisfy { $0.error == nil })
        #expect(try vault.read { try $0.textSetting("last") } == "1999")
        #expect(vault.queuedUnits == 0)
    }

    @Test func unitsThatWaitShareACommit() throws {
        let vault = try TestHome().create()
        let held = DispatchSemaphore(value: 0)
        let answers = Answers()
        vault.submit({ _ in held.wait() }, then: answers.take(-1))
        let before = try vault.connections.makeReader()
        let versions = NIOLockedValueBox<Set<Int>>([])
        for number in 0..<100 {
            vault.submit(
                { try $0.setTextSetting("\(number)", "x") },
                then: { result in
                    // Changes once for each commit of another connection.
                    let version = before.inDatabase { try? Int.fetchOne($0, sql: "PRAGMA data_version") }
                    versions.withLockedValue { _ = $0.insert(version ?? -1) }
                    answers.take(number)(result)
                })
        }
        held.signal()
        #expect(try answers.wait(101).allSatisfy { $0.error == nil })
        #expect(versions.withLockedValue { $0.count } == 1)
    }

    @Test func aUnitThatThrowsLeavesNothingAndHarmsNobody() throws {
        let vault = try TestHome().create()
        let answers = Answers()
        for number in 0..<9 {
            vault.submit(
                { transaction in
                    try transaction.setTextSetting("\(number)", "x")
                    if number == 4 { throw Refused() }
                }, then: answers.take(number))
        }
        let got = try answers.wait(9)
        #expect(got.filter { $0.error != nil }.map(\.number) == [4])
        #expect(got[4].error == .rejected("Refused()"))
        #expect(try vault.read { try $0.settings().map(\.name) } == ["0", "1", "2", "3", "5", "6", "7", "8"])
        #expect(throws: Refused.self) { try vault.writeAndWait { _ in throw Refused() } }
    }

    @Test func afterAFailureTheRestOfItsChainFails() throws {
        let vault = try TestHome().create()
        let answers = Answers()
        let epoch = vault.epoch
        for number in 0..<6 {
            vault.submit(
                in: number == 4 ? nil : epoch,
                { transaction in
                    try transaction.setTextSetting("\(number)", "x")
                    if number == 2 { throw Refused() }
                }, then: answers.take(number))
        }
        let got = try answers.wait(6).map(\.error)
        #expect(got == [nil, nil, .rejected("Refused()"), .superseded, nil, .superseded])
        // Also what is submitted by somebody who has not heard of it.
        #expect(throws: VaultError.superseded) {
            try vault.writeAndWait(in: epoch) { try $0.setTextSetting("late", "x") }
        }
        #expect(vault.epoch != epoch)
        try vault.writeAndWait(in: vault.epoch) { try $0.setTextSetting("new", "x") }
        #expect(try vault.read { try $0.settings().map(\.name) } == ["0", "1", "4", "new"])
    }

    @Test func tooMuchIsRefusedUntilTheQueueIsEmpty() throws {
        let vault = try TestHome().create()
        let (held, answers) = (DispatchSemaphore(value: 0), Answers())
        let hasBegun = DispatchSemaphore(value: 0)
        vault.submit(
            { _ in
                hasBegun.signal()
                held.wait()
            }, then: { _ in })
        hasBegun.wait()
        for number in 0..<Vault.maximumQueuedUnits + 50 { vault.submit({ _ in }, then: answers.take(number)) }
        held.signal()
        let got = try answers.wait(Vault.maximumQueuedUnits + 50)
        #expect(got.map(\.number) == Array(0..<Vault.maximumQueuedUnits + 50))
        #expect(got.filter { $0.error == nil }.count == Vault.maximumQueuedUnits)
        #expect(got.suffix(50).allSatisfy { $0.error == .overloaded })
        try vault.writeAndWait { try $0.setTextSetting("again", "x") }
    }

    /// Keeps the vault's thread until `go` is signalled.
    private func hold(_ vault: Vault, until go: DispatchSemaphore) {
        let hasBegun = DispatchSemaphore(value: 0)
        vault.submit(
            { _ in
                hasBegun.signal()
                go.wait()
            }, then: { _ in })
        hasBegun.wait()
    }

    @Test func aRefusedUnitBreaksItsChain() throws {
        let vault = try TestHome().create()
        let (held, answers) = (DispatchSemaphore(value: 0), Answers())
        hold(vault, until: held)
        let (epoch, count) = (vault.epoch, Vault.maximumQueuedUnits)
        for number in 0..<count + 3 {
            vault.submit(in: number == 0 || number >= count ? epoch : nil, { _ in }, then: answers.take(number))
        }
        held.signal()
        let got = try answers.wait(count + 3)
        #expect(got.map(\.number) == Array(0..<count + 3))
        #expect(got.prefix(count).allSatisfy { $0.error == nil })
        #expect(got.suffix(3).map(\.error) == [.overloaded, .superseded, .superseded])
        #expect(vault.epoch != epoch)
        #expect(throws: VaultError.superseded) {
            try vault.writeAndWait(in: epoch) { try $0.setTextSetting("late", "x") }
        }
        try vault.writeAndWait(in: vault.epoch) { try $0.setTextSetting("new", "x") }
    }

    @Test func nothingOfAChainIsStoredWhileARefusalWaitsForItsAnswer() throws {
        let vault = try TestHome().create()
        let (held, answers, count) = (DispatchSemaphore(value: 0), Answers(), Vault.maximumQueuedUnits)
        hold(vault, until: held)
        let epoch = vault.epoch
        for number in 0..<count { vault.submit({ _ in }, then: answers.take(number)) }
        // The last batch has been taken when this is answered, and the queue is empty.
        vault.submit(
            in: epoch, { _ in },
            then: { result in
                vault.submit(in: epoch, { try $0.setTextSetting("late", "x") }, then: answers.take(count + 1))
                vault.submit({ try $0.setTextSetting("free", "x") }, then: answers.take(count + 2))
                answers.take(count)(result)
            })
        held.signal()
        let got = try answers.wait(count + 3)
        #expect(got.suffix(3).map(\.error) == [.overloaded, .superseded, .overloaded])
        #expect(try vault.read { try $0.settings().isEmpty })
    }

    /// Tells whether it is still there.
    private final class Load: Sendable {}

    @Test func whatIsRefusedTakesBoundedMemory() throws {
        let vault = try TestHome().create()
        let (held, answers) = (DispatchSemaphore(value: 0), Answers())
        hold(vault, until: held)
        let (epoch, count) = (vault.epoch, Vault.maximumQueuedUnits + Vault.maximumRefusedUnits)
        for number in 0..<count { vault.submit({ _ in }, then: answers.take(number)) }
        // The work of what is refused is not kept, and beyond a number neither is the answer.
        let late = Answers()
        var load: Load? = Load()
        weak let kept = load
        vault.submit(in: epoch, { [load] _ in _ = load }, then: late.take(0))
        load = nil
        #expect(kept == nil)
        #expect(try late.wait(1).map(\.error) == [.overloaded])
        #expect(vault.queuedUnits == count)
        // Its chain is broken nevertheless, once those before it are done.
        vault.submit(in: vault.epoch, { try $0.setTextSetting("late", "x") }, then: late.take(1))
        held.signal()
        #expect(try answers.wait(count).map(\.number) == Array(0..<count))
        #expect(throws: VaultError.superseded) {
            try vault.writeAndWait(in: epoch) { try $0.setTextSetting("later", "x") }
        }
        #expect(try vault.read { try $0.settings().isEmpty })
    }

    @Test func closingCarriesOutWhatIsQueuedAndThenRefuses() throws {
        let home = try TestHome()
        let vault = try home.create()
        let answers = Answers()
        for number in 0..<500 {
            vault.submit({ try $0.setTextSetting("\(number)", "x") }, then: answers.take(number))
        }
        vault.close()
        vault.close()
        #expect(try answers.wait(500).allSatisfy { $0.error == nil })
        #expect(throws: VaultError.closed) { try vault.writeAndWait { _ in } }
        #expect(throws: VaultError.closed) { _ = try vault.read { try $0.contacts() } }
        #expect(throws: VaultError.closed) { _ = try vault.search("x", limit: 1) }
        #expect(try home.open().read { try $0.settings().count } == 500)
    }

    @Test func closingFromACompletionEndsTheVault() throws {
        let home = try TestHome()
        let vault = try home.create()
        let answers = Answers()
        vault.submit(
            { try $0.setTextSetting("a", "x") },
            then: { result in
                vault.close()
                answers.take(0)(result)
            })
        #expect(try answers.wait(1).allSatisfy { $0.error == nil })
        vault.close()
        #expect(try home.open().read { try $0.textSetting("a") } == "x")
    }

    @Test func aReaderSeesOneStateWhileOthersWrite() throws {
        let vault = try TestHome().create()
        try vault.writeAndWait { try $0.setTextSetting("a", "before") }
        try vault.read { reader in
            #expect(try reader.textSetting("a") == "before")
            try vault.writeAndWait { try $0.setTextSetting("a", "after") }
            #expect(try reader.textSetting("a") == "before")
            // Readers may be nested, in any number.
            #expect(try vault.read { try $0.textSetting("a") } == "after")
        }
        #expect(try vault.read { try $0.textSetting("a") } == "after")
    }

    @Test func theLogStaysShort() throws {
        let home = try TestHome()
        let vault = try home.create()
        let answers = Answers()
        for number in 0..<6_000 {
            vault.submit(
                { try $0.setSetting("x\(number % 7)", [UInt8](repeating: 1, count: 9_000)) }, then: answers.take(number)
            )
        }
        #expect(try answers.wait(6_000).allSatisfy { $0.error == nil })
        #expect(home.bytes("-wal").count < 60 << 20)
        vault.close()
        #expect(home.bytes("-wal").isEmpty)
    }
}
