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
        try receive((1...500).reversed())
        // So far back is looked, and no farther.
        #expect(try texts().suffix(128) == Array(373...500))
        #expect(try Set(texts()) == Set(1...500))
    }

    @Test func manyComeLateIntoOnePlace() throws {
        try receive([1, 10_000, -1])
        try receive(2..<2_000)
        #expect(try texts() == Array(1..<2_000) + [10_000, -1])
    }

    @Test(arguments: [Int64.max, .min, .max - 1, -1 << 61, 1 << 62])
    func aPositionThatWasNeverGivenIsDamageAndNoTrap(position: Int64) throws {
        try receive([1, 5, 9])
        for row in 1...3 {
            let before = try #require(try positions()[Int64(row)])
            try setPosition(position, row: row)
            // In the way of what comes late, of what comes after it, or of neither.
            for sequences in [[2], [6], [12], [-13]] {
                do {
                    try receive(sequences)
                } catch let error as VaultError {
                    guard case .damaged = error else { throw error }
                }
            }
            #expect(try vault.check() == ["\(VaultError.damaged(detail: "history.position, row \(row)"))"])
            try setPosition(before, row: row)
        }
        try receive([20])
        #expect(try texts().last == 20)
    }

    @Test func neighboursThatCannotBeOpenedAreNoReasonToRefuseAMessage() throws {
        try receive([1, 5, 6])
        try vault.writeAndWait { try $0.session.execute("UPDATE history SET body = zeroblob(100) WHERE id = 2") }
        try receive([2])
        try vault.writeAndWait { try $0.session.execute("UPDATE history SET state = -1 WHERE id = 3") }
        try receive([3])
        #expect(try vault.read { try $0.messageCount(with: bob) } == 5)
    }

    /// Rows that are written by hostile orders of arrival, into a long conversation: for each message, and at most for one.
    private func writes(_ sequence: @escaping @Sendable (Int) -> Int) throws -> (mean: Int, largest: Int) {
        try receive((1...600).map { $0 % 2 == 0 ? $0 << 38 : -$0 })
        return try vault.writeAndWait { [bob] tx in
            var (total, largest) = (0, 0)
            func changes() throws -> Int { Int(try tx.session.row("SELECT total_changes()")?.integer(0) ?? 0) }
            for number in 0..<200 {
                var message = StoredMessage.sample(bob, 1_000_000 + number, "late", .incoming)
                message.sequence = UInt64(sequence(number))
                let before = try changes()
                try tx.appendMessage(message)
                let written = try changes() - before
                (total, largest) = (total + written, max(largest, written))
            }
            return (total / 200, largest)
        }
    }

    @Test(arguments: Arrivals.allCases)
    func whoeverSendsInWhicheverOrderMovesFewRows(_ arrivals: Arrivals) throws {
        let (mean, largest) = try writes(arrivals.sequence)
        #expect(largest <= HistoryOrder.reach.rows + 10)
        #expect(mean <= 20)
    }

    /// Sequence numbers of messages that come late: most between the last two of those that are there.
    enum Arrivals: CaseIterable {
        case up, down, halving, anywhere, upAndDown

        var sequence: @Sendable (Int) -> Int {
            let middle = 401 << 38
            return switch self {
            case .up: { middle + $0 }
            case .down: { middle - $0 }
            // Always between the two before it, so that each gap is half of the last; now and then anew.
            case .halving:
                { number in
                    var (last, next) = (middle + (number / 24) << 30, middle + (number / 24) << 30 + 1 << 29)
                    for _ in 0..<number % 24 { (last, next) = (next, (last + next) / 2) }
                    return last
                }
            case .anywhere: { middle - ($0 * 7_919_993) % 1_000_003 << 20 }
            case .upAndDown: { $0 % 2 == 0 ? middle + $0 : 390 << 38 - $0 }
            }
        }
    }

    private func positions() throws -> [Int64: Int64] {
        try vault.connections.read { session in
            var positions: [Int64: Int64] = [:]
            for row in try session.rows("SELECT id, position FROM history") {
                positions[try row.integer(0)] = try row.integer(1)
            }
            return positions
        }
    }

    private func setPosition(_ position: Int64, row: Int) throws {
        try vault.writeAndWait {
            try $0.session.execute(
                "UPDATE history SET position = ? WHERE id = ?", [.integer(position), .integer(Int64(row))])
        }
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
