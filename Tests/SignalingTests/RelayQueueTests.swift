import NIOCore
import Testing
import Wire

@testable import SignalingServer

@Suite struct RelayQueueTests {
    private let alice: PeerKey
    private let mallory: PeerKey

    init() throws {
        alice = try PeerKey([UInt8](repeating: 1, count: 32))
        mallory = try PeerKey([UInt8](repeating: 2, count: 32))
    }

    private func frame(_ number: Int, size: Int = 1200) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeInteger(UInt32(number))
        frame.writeRepeatingByte(0, count: size - 4)
        return frame
    }

    private func number(_ frame: ByteBuffer) -> Int {
        frame.getInteger(at: frame.readerIndex, as: UInt32.self).map { Int($0) } ?? -1
    }

    /// The numbers of all frames, in the order in which they leave.
    private func drain(_ queue: inout RelayQueue) -> [Int] {
        var numbers: [Int] = []
        while let frame = queue.popFirst() { numbers.append(number(frame)) }
        return numbers
    }

    @Test func keepsTheOrderOfOneSenderAndDropsItsOldest() {
        var queue = RelayQueue()
        var dropped = 0
        for index in 0..<100 { dropped += queue.append(frame(index), from: alice, limit: 20_000) }
        let numbers = drain(&queue)
        #expect(dropped > 0 && numbers == Array(dropped..<100))
        #expect(queue.isEmpty)
    }

    /// The attack: a stranger sends as fast as it may to somebody who is in a conversation.
    @Test func floodOfOneSenderDropsNothingOfAnother() {
        var queue = RelayQueue()
        for index in 0..<10 { _ = queue.append(frame(index), from: alice, limit: 100_000) }
        for index in 0..<1_000 { _ = queue.append(frame(10_000 + index, size: 60_000), from: mallory, limit: 100_000) }
        let numbers = drain(&queue)
        #expect(numbers.filter { $0 < 10_000 } == Array(0..<10))
        #expect(numbers.contains(10_999))
    }

    /// The other way round: who has little there finds room at the expense of who has much, and loses nothing.
    @Test func whoHasLessThanAShareDisplacesWhoHasMore() {
        var queue = RelayQueue()
        for index in 0..<80 { _ = queue.append(frame(10_000 + index), from: mallory, limit: 100_000) }
        for index in 0..<10 { _ = queue.append(frame(index), from: alice, limit: 100_000) }
        let numbers = drain(&queue)
        #expect(numbers.filter { $0 < 10_000 } == Array(0..<10))
        #expect(numbers.filter { $0 >= 10_000 }.first.map { $0 > 10_000 } == true)
    }

    @Test func sendersTakeTurnsByBytes() {
        var queue = RelayQueue()
        for index in 0..<20 { _ = queue.append(frame(10_000 + index, size: 60_000), from: mallory, limit: 10 << 20) }
        for index in 0..<20 { _ = queue.append(frame(index), from: alice, limit: 10 << 20) }
        let numbers = drain(&queue)
        let last = numbers.lastIndex { $0 < 10_000 }
        // Twenty of hers, and no more of the other's than two large ones.
        #expect(last.map { $0 < 22 } == true)
        #expect(numbers.count == 40)
    }

    @Test func smallFramesCountForWhatTheyCost() {
        var queue = RelayQueue()
        for index in 0..<100_000 { _ = queue.append(frame(index, size: 36), from: alice, limit: 512 * 1024) }
        let count = drain(&queue).count
        #expect(count < 4_000)
    }

    @Test func keepsTheNewestEvenIfItIsTooLarge() {
        var queue = RelayQueue()
        _ = queue.append(frame(1), from: alice, limit: 100)
        let dropped = queue.append(frame(2), from: alice, limit: 100)
        #expect(dropped == 1)
        let numbers = drain(&queue)
        #expect(numbers == [2])
    }
}
