import Testing

@testable import Vault

/// Where messages stand that arrive in another order than they were written in.
@Suite struct OrderTests {
    private let home: TestHome
    private let vault: Vault
    private let bob: ContactRow

    init() throws {
        home = try TestHome()
        let vault = try home.create()
        self.vault = vault
        let contact = try StoredContact.sample()
        bob = try vault.writeAndWait { try $0.insertContact(contact) }
    }

    /// Stores messages with these sequence numbers; negative ones are the user's own.
    private func receive(_ sequences: some Sequence<Int> & Sendable) throws {
        try vault.writeAndWait { [bob] tx in
            for sequence in sequences {
                var message = StoredMessage.sample(
                    bob, abs(sequence), "\(sequence)", sequence < 0 ? .outgoing : .incoming)
                message.sequence = UInt64(abs(sequence))
                try tx.appendMessage(message)
            }
        }
    }

    private func texts() throws -> [Int] {
        try vault.read { try $0.messages(with: bob, last: 10_000).compactMap { Int($0.text) } }
    }

    @Test func whatComesLateStandsBeforeWhatItsSenderWroteAfterIt() throws {
        try receive([1, 4, 3, 2, 6, 5])
        #expect(try texts() == [1, 2, 3, 4, 5, 6])
        let rows = try vault.read { try $0.messages(with: bob, last: 10) }.map(\.row)
        #expect(
            try vault.read { try $0.messages(with: bob, before: rows[2], last: 10) }.map(\.row) == Array(rows[..<2]))
        #expect(
            try vault.read { try $0.messages(with: bob, after: rows[2], first: 10) }.map(\.row) == Array(rows[3...]))
    }

    @Test func theUsersOwnStayWhereTheyWereWritten() throws {
        try receive([1, -2, 5, -7, 3, -1, 4])
        #expect(try texts() == [1, -2, 3, 4, 5, -7, -1])
    }

    @Test func anyNumberFindsRoomBetweenTwo() throws {
        try receive([1, 1000])
        try receive(2..<100)
        try receive((900..<1000).reversed())
        #expect(try texts() == [1] + Array(2..<100) + Array(900...1000))
    }

    @Test func allInReverseComeOutInOrder() throws {
        try receive((1...1500).reversed())
        // So far back is looked, and no farther.
        #expect(try texts().suffix(1000) == (501...1500).suffix(1000))
    }

    @Test func aSequenceNumberOutOfTheFutureDisplacesNothing() throws {
        try vault.writeAndWait { [bob] tx in
            var message = StoredMessage.sample(bob, 9999, "9999", .incoming)
            message.sequence = .max
            try tx.appendMessage(message)
        }
        try receive([1, 2])
        #expect(try texts() == [9999, 1, 2])
    }

    @Test func anEditDoesNotMoveAMessage() throws {
        try receive([1, 3])
        try vault.writeAndWait { [bob] tx in
            _ = try tx.editMessage(bob, .incoming, id: id(1), text: "10", at: 1, sequence: 10)
            #expect(try tx.editMessage(bob, .incoming, id: id(1), text: "0", at: 1, sequence: 9) == nil)
        }
        try receive([2])
        #expect(try texts() == [10, 2, 3])
    }
}
