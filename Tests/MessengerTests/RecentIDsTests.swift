import Testing

@testable import Messenger

@Suite struct RecentIDsTests {
    private func id(_ number: Int) throws -> MessageID {
        try #require(MessageID((0..<16).map { UInt8(truncatingIfNeeded: number >> ($0 * 8 % 32)) }))
    }

    @Test func recognisesARepeatedID() throws {
        var ids = RecentIDs()
        #expect(ids.insert(try id(1)))
        #expect(!ids.insert(try id(1)))
        #expect(ids.insert(try id(2)))
    }

    @Test func forgetsTheOldestFirst() throws {
        var ids = RecentIDs()
        for number in 0...RecentIDs.capacity { #expect(ids.insert(try id(number))) }
        #expect(!ids.insert(try id(1)))
        #expect(ids.insert(try id(0)))
        #expect(ids.insert(try id(1)))
    }

    @Test func messageIDsHaveSixteenBytes() {
        #expect(MessageID([1, 2, 3]) == nil)
        #expect(MessageID([UInt8](repeating: 0x0A, count: 16))?.description == String(repeating: "0a", count: 16))
    }
}
