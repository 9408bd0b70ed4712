import NIOCore

/// The memory into which one event loop reads, for all of its plain connections: they take nothing of it with them, so an idle connection holds none. Used on that loop.
final class ReadBuffers: Sendable {
    /// Bytes that one read may bring.
    static let size = 128 * 1024

    private let buffer: NIOLoopBoundBox<ByteBuffer?>

    /// On that loop.
    init(_ eventLoop: any EventLoop) { buffer = NIOLoopBoundBox(nil, eventLoop: eventLoop) }

    func take() -> ByteBuffer {
        buffer.withValue { $0.take() } ?? ByteBufferAllocator().buffer(capacity: Self.size)
    }

    /// Everything in `used` has been looked at. If somebody holds on to it after all, the next read gets memory of its own.
    func give(_ used: ByteBuffer) {
        guard used.storageCapacity == Self.size else { return }
        var used = used
        used.moveReaderIndex(to: 0)
        used.moveWriterIndex(to: 0)
        buffer.value = used
    }
}

/// Where a plain connection is read into: while it is HTTP, small pieces of its own; then what its event loop's connections share.
/// No larger than the three words that a channel keeps in place.
struct ReadBufferAllocator: RecvByteBufferAllocator {
    /// What the channel keeps for ever is the first buffer that it gets.
    private static let first = 16
    private static let http = 512

    private var isFirst = true
    private let shared: ReadBuffers?

    /// - Parameter shared: nil for HTTP.
    init(shared: ReadBuffers? = nil) { self.shared = shared }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        if let shared { return shared.take() }
        return allocator.buffer(capacity: isFirst ? Self.first : Self.http)
    }

    /// True: so that the channel asks each time.
    mutating func record(actualReadBytes: Int) -> Bool {
        isFirst = false
        return true
    }
}
