/// Large chunks that are not in use, for all queues of a connection: a transfer frees and needs them all the time, and the system takes a page fault for
/// every 4 KiB of fresh memory.
final class ChunkPool {
    static let chunkSize = 65536
    /// Chunks kept at most: half a mebibyte for each connection that has carried much.
    private static let limit = 8

    // Safety: memory that belongs to nobody else between `give` and `take`; freed in `deinit`.
    private var spare: [UnsafeMutableRawPointer] = []

    deinit {
        for memory in spare { memory.deallocate() }
    }

    func take() -> UnsafeMutableRawPointer {
        spare.popLast() ?? .allocate(byteCount: Self.chunkSize, alignment: 16)
    }

    func give(_ memory: UnsafeMutableRawPointer) {
        if spare.count < Self.limit {
            spare.append(memory)
        } else {
            memory.deallocate()
        }
    }
}

/// A queue of bytes in chunks that never move, addressed by offset from the start of the stream.
///
/// QUIC keeps pointers to sent bytes until they are acknowledged, so a growing array will not do. Small streams get
/// small chunks. Dropping from the front frees whole chunks, or gives them back to the
/// connection's pool; nothing is ever copied twice.
struct ByteQueue: ~Copyable {
    // Safety: each chunk's memory belongs to the queue (not copyable) from `addChunk` until it is freed in `drop`,
    // `releaseAll` or `deinit`; `count` bytes of it are initialised, and only those are read.
    private struct Chunk {
        let memory: UnsafeMutableRawPointer
        let capacity: Int
        /// Offset in the stream of the chunk's first byte.
        let start: UInt64
        var count = 0

        var end: UInt64 { start + UInt64(count) }
    }

    private static let smallChunk = 4096

    private let pool: ChunkPool
    private var chunks: [Chunk] = []
    private var firstChunk = 0
    /// Offset of the first byte still held.
    private(set) var start: UInt64 = 0
    /// Offset after the last byte.
    private(set) var end: UInt64 = 0

    /// Number of bytes held.
    var count: Int { Int(end - start) }
    var isEmpty: Bool { start == end }

    init(pool: ChunkPool) {
        self.pool = pool
    }

    deinit {
        for chunk in chunks[firstChunk...] { release(chunk) }
    }

    /// Copies `bytes` to the end.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while let source = rest.baseAddress, !rest.isEmpty {
            if firstChunk == chunks.count || chunks[chunks.count - 1].count == chunks[chunks.count - 1].capacity {
                addChunk(for: rest.count)
            }
            let last = chunks.count - 1
            let size = min(rest.count, chunks[last].capacity - chunks[last].count)
            (chunks[last].memory + chunks[last].count).copyMemory(from: source, byteCount: size)
            chunks[last].count += size
            end += UInt64(size)
            rest = UnsafeRawBufferPointer(rebasing: rest[size...])
        }
    }

    private mutating func addChunk(for size: Int) {
        let isSmall = firstChunk == chunks.count && size <= Self.smallChunk
        chunks.append(
            isSmall
                ? Chunk(
                    memory: .allocate(byteCount: Self.smallChunk, alignment: 16), capacity: Self.smallChunk, start: end)
                : Chunk(memory: pool.take(), capacity: ChunkPool.chunkSize, start: end))
    }

    private func release(_ chunk: Chunk) {
        if chunk.capacity == ChunkPool.chunkSize {
            pool.give(chunk.memory)
        } else {
            chunk.memory.deallocate()
        }
    }

    /// Calls `body` with successive pieces from `offset` on, until there are no more or it returns false. The pieces
    /// stay valid until they are dropped.
    func forEachPiece(from offset: UInt64, _ body: (UnsafeRawBufferPointer) -> Bool) {
        var index = chunkIndex(containing: offset)
        var position = offset
        while index < chunks.count {
            let chunk = chunks[index]
            if position < chunk.end {
                let skip = Int(position - chunk.start)
                guard body(UnsafeRawBufferPointer(start: chunk.memory + skip, count: chunk.count - skip)) else {
                    return
                }
                position = chunk.end
            }
            index += 1
        }
    }

    /// First chunk that ends after `offset`, which must not lie before `start`.
    private func chunkIndex(containing offset: UInt64) -> Int {
        var low = firstChunk
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].end <= offset {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// Copies up to `output.count` bytes from the front into `output` and drops them. Returns how many.
    mutating func read(into output: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        forEachPiece(from: start) { piece in
            guard let source = piece.baseAddress, let target = output.baseAddress else { return false }
            let size = min(piece.count, output.count - filled)
            (target + filled).copyMemory(from: source, byteCount: size)
            filled += size
            return filled < output.count
        }
        drop(through: start + UInt64(filled))
        return filled
    }

    /// Drops what lies before `offset`; offsets outside what is held are clamped.
    mutating func drop(through offset: UInt64) {
        start = min(max(start, offset), end)
        while firstChunk < chunks.count, chunks[firstChunk].end <= start {
            let chunk = chunks[firstChunk]
            let isTail = firstChunk == chunks.count - 1
            if isTail, chunk.count < chunk.capacity { break }
            release(chunk)
            firstChunk += 1
        }
        if isEmpty { releaseAll() }
        if firstChunk >= 32, firstChunk * 2 >= chunks.count {
            chunks.removeFirst(firstChunk)
            firstChunk = 0
        }
    }

    /// Drops everything.
    mutating func removeAll() {
        start = end
        releaseAll()
    }

    private mutating func releaseAll() {
        for chunk in chunks[firstChunk...] { release(chunk) }
        chunks.removeAll(keepingCapacity: chunks.count <= 64)
        firstChunk = 0
    }
}
