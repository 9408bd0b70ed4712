import Testing

@testable import Messenger

@Suite struct RecentIDsTests {
    private func id(_ number: Int) throws -> MessageID {
        try #require(MessageID((0..<16).map { UInt8(truncatingIfNeeded: number >> ($0 * 8 % 32)) }))
    }

    /// Whether each id was new, in order.
    private func inserted(_ ids: inout RecentIDs, _ numbers: some Sequence<Int>) throws -> [Bool] {
        try numbers.map { ids.insert(try id($0)) }
    }

    @Test func recognisesARepeatedID() throws {
        var ids = RecentIDs()
        let new = try inserted(&ids, [1, 1, 2])
        #expect(new == [true, false, true])
    }

    @Test func forgetsTheOldestFirst() throws {
        var ids = RecentIDs()
        let first = try inserted(&ids, 0...RecentIDs.capacity)
        #expect(!first.contains(false))
        // 0 made room for the last one; putting it back makes 1 go, and not what is newer.
        let second = try inserted(&ids, [1, 0, 1, RecentIDs.capacity])
        #expect(second == [false, true, true, false])
    }

    @Test func messageIDsHaveSixteenBytes() {
        #expect(MessageID([1, 2, 3]) == nil)
        #expect(MessageID([UInt8](repeating: 0x0A, count: 16))?.description == String(repeating: "0a", count: 16))
    }
}
