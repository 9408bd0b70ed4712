/// Cuts a stream of bytes into conversation frames. Holds at most one unfinished frame beside what was last appended.
/// After an error the stream means nothing any more: every later call throws the same error.
package struct ConversationFrameDecoder: Sendable {
    /// How many frames of unknown types were skipped.
    package private(set) var skipped: UInt64 = 0

    private var buffer: [UInt8] = []
    private var start = 0
    private var failure: WireError?

    /// A decoder at the start of a stream.
    package init() {}

    /// How many bytes wait for the rest of their frame, or for `next()`.
    package var buffered: Int { buffer.count - start }

    /// Adds what the stream delivered. Call `next()` until it returns nil before appending again: that is what keeps
    /// the buffer bounded.
    package mutating func append(_ bytes: some Sequence<UInt8>) {
        guard failure == nil else { return }
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame of a known type, or nil when more bytes are needed. Throws `lengthOutOfRange` for a length
    /// of 0 or above 256 KiB as soon as the length is there, and the error of a frame that does not follow its layout.
    package mutating func next() throws(WireError) -> ConversationFrame? {
        if let failure { throw failure }
        do {
            return try scan()
        } catch {
            failure = error
            buffer = []
            start = 0
            throw error
        }
    }

    private mutating func scan() throws(WireError) -> ConversationFrame? {
        while true {
            var reader = ByteReader(buffer[start...])
            guard reader.remaining >= 4 else { return nil }
            let length = Int(try reader.readUInt32())
            guard (1...ConversationFrame.maximumLength).contains(length) else { throw .lengthOutOfRange }
            guard reader.remaining >= length else { return nil }
            let body = try reader.readBytes(length)
            start += 4 + length
            if let frame = try ConversationFrame.decode(body) { return frame }
            skipped &+= 1
        }
    }
}
