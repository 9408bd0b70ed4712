import TestTools
import Testing

@testable import SecureTransport

@Suite struct ByteQueueTests {
    private func append(_ bytes: [UInt8], to queue: inout ByteQueue) {
        bytes.withUnsafeBytes { queue.append($0) }
    }

    private func read(_ count: Int, from queue: inout ByteQueue) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let read = bytes.withUnsafeMutableBytes { queue.read(into: $0) }
        return Array(bytes.prefix(read))
    }

    private func pieces(of queue: borrowing ByteQueue, from offset: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        queue.forEachPiece(from: offset) {
            bytes += $0
            return true
        }
        return bytes
    }

    @Test(arguments: [1, 7, 4095, 4096, 4097, 65536, 100_000, 300_000])
    func whatGoesInComesOutInOrder(size: Int) {
        var queue = ByteQueue(pool: ChunkPool())
        var generator = SeededGenerator(seed: UInt64(size))
        let bytes = pattern(size)
        var rest = bytes[...]
        var result: [UInt8] = []
        while !rest.isEmpty || !queue.isEmpty {
            let taken = rest.prefix(Int.random(in: 1...50_000, using: &generator))
            append(Array(taken), to: &queue)
            rest = rest.dropFirst(taken.count)
            result += read(Int.random(in: 1...40_000, using: &generator), from: &queue)
        }
        #expect(result == bytes)
        let (start, isEmpty) = (queue.start, queue.isEmpty)
        #expect(start == UInt64(size))
        #expect(isEmpty)
    }

    @Test func anyOffsetCanBeFoundUntilItIsDropped() {
        var queue = ByteQueue(pool: ChunkPool())
        let bytes = pattern(500_000)
        append(bytes, to: &queue)
        for offset in [0, 1, 4096, 65535, 65536, 65537, 300_000, 499_999, 500_000] {
            #expect(pieces(of: queue, from: UInt64(offset)) == Array(bytes[offset...]))
        }
        queue.drop(through: 250_000)
        var count = queue.count
        #expect(count == 250_000)
        #expect(pieces(of: queue, from: 250_000) == Array(bytes[250_000...]))
        queue.drop(through: 100)
        count = queue.count
        #expect(count == 250_000)
        queue.drop(through: 10_000_000)
        count = queue.count
        #expect(count == 0)
        append([1, 2, 3], to: &queue)
        #expect(read(10, from: &queue) == [1, 2, 3])
        let end = queue.end
        #expect(end == 500_003)
    }

    @Test func piecesDoNotMoveWhenMoreIsAppended() {
        var queue = ByteQueue(pool: ChunkPool())
        append([1, 2, 3], to: &queue)
        var before: UnsafeRawPointer?
        queue.forEachPiece(from: 0) {
            before = $0.baseAddress
            return false
        }
        for _ in 0..<1000 { append(pattern(1000), to: &queue) }
        var after: UnsafeRawPointer?
        queue.forEachPiece(from: 0) {
            after = $0.baseAddress
            return false
        }
        #expect(before == after)
    }
}
