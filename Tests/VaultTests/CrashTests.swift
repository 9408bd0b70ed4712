import Foundation
import NATLab
import Noise
import Testing

@testable import Vault

/// A process that dies while it writes, and a log that ends anywhere.
@Suite struct CrashTests {
    /// Units of the writing program that are there, all of them whole; fails the test otherwise.
    private func wholeUnits(_ vault: Vault) throws -> Int {
        guard let contact = try vault.read({ try $0.contacts().first }) else { return 0 }
        return try vault.read { reader in
            let count = try reader.messageCount(with: contact.row)
            #expect(try reader.outboxCount(for: contact.row) == count)
            var ratchet: [UInt8] = []
            switch try reader.ratchet(of: contact.row) {
            case .some(let state): ratchet = state.withUnsafeBytes { Array($0) }
            case .none: break
            }
            let number = ratchet.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            #expect(number == count)
            let texts = try reader.messages(with: contact.row, last: count + 1).map(\.text)
            #expect(texts == (0..<count).map { "number \($0 + 1)" })
            return count
        }
    }

    @Test func aKilledWriterLosesNothingThatItConfirmed() async throws {
        let home = try TestHome(identity: Programs.identity)
        var random = SystemRandomNumberGenerator()
        var last = 0
        for round in 0..<15 {
            let process = try LabProcess.onThisMachine(Programs.writer, ["write", home.directory])
            process.closeInput()
            // Killed after a random number of confirmations, in the middle of whatever it does then.
            let target = last + Int.random(in: 0...120, using: &random)
            if target > last {
                try await process.firstOutput("\(target)", within: .seconds(60)) { lines in
                    (lines.last.flatMap { Int($0.text) } ?? 0) >= target ? () : nil
                }
            }
            process.signal(SIGKILL)
            #expect(try await process.exit(within: .seconds(60)) == .signal(SIGKILL))
            // The last line may be cut.
            let confirmed = process.lines.dropLast().last.flatMap { Int($0.text) } ?? last
            let vault = try home.open()
            let there = try wholeUnits(vault)
            #expect(there >= confirmed, "round \(round)")
            #expect(try vault.check().isEmpty)
            vault.close()
            last = there
        }
        #expect(last > 0)
    }

    @Test func aLogThatEndsAnywhereHoldsWholeUnitsFromTheFirstOn() throws {
        let home = try TestHome(identity: Programs.identity)
        let vault = try home.create()
        let contact = try StoredContact.sample()
        let bob = try vault.writeAndWait { try $0.insertContact(contact) }
        vault.close()
        let writing = try home.open()
        for number in 1...12 {
            try writing.writeAndWait { tx in
                var message = StoredMessage.sample(bob, number)
                message.text = "number \(number)"
                try tx.appendMessage(message)
                try tx.appendOutbox(.sample(bob, number))
                let state = (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
                try tx.setRatchet(.init(copying: state), for: bob)
            }
        }
        let (database, log) = (home.bytes(), home.bytes("-wal"))
        #expect(log.count > 50_000)
        var counts: Set<Int> = []
        var random = SystemRandomNumberGenerator()
        var ends = Array(stride(from: 0, through: log.count, by: 4096 + 24)) + [log.count]
        ends += (0..<40).map { _ in Int.random(in: 0...log.count, using: &random) }
        for end in ends.sorted() {
            let copy = try TestHome(identity: Programs.identity)
            try Data(database).write(to: URL(filePath: copy.path))
            try Data(log[..<end]).write(to: URL(filePath: copy.path + "-wal"))
            let vault = try Vault.openWithoutIndex(at: copy.directory, identity: copy.identity)
            let count = try wholeUnits(vault)
            #expect(count >= counts.max() ?? 0)
            counts.insert(count)
            vault.close()
        }
        #expect(counts == Set(0...12))
        writing.close()
    }
}
