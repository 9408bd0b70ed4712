package import NIOCore

/// Cuts a stream of bytes into frames. Holds no memory between frames.
package struct WebSocketDecoder: Sendable {
    private let masked: Bool
    private var pending: ByteBuffer?

    /// - Parameter masked: whether frames must be masked, as those from clients must, or must not be.
    package init(masked: Bool) {
        self.masked = masked
    }

    /// Whether nothing waits for its rest.
    package var isEmpty: Bool { pending == nil }

    /// Takes bytes that came.
    package mutating func append(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        guard pending != nil else {
            pending = bytes
            return
        }
        var bytes = bytes
        pending?.writeBuffer(&bytes)
    }

    /// The next whole frame.
    ///
    /// - Parameter limit: largest payload accepted, in bytes.
    /// - Returns: nil when more bytes are needed.
    /// - Throws: ``WebSocketError``; the stream cannot be read on after that.
    package mutating func next(limit: Int) throws(WebSocketError) -> WebSocketFrame? {
        guard var buffer = pending else { return nil }
        let parsed = buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(WebSocketError) in try WebSocketHeader.parse(bytes, masked: masked, limit: limit) }
        }
        guard let header = try parsed.get(), buffer.readableBytes >= header.length + header.payloadLength else {
            compact(buffer)
            return nil
        }
        buffer.moveReaderIndex(forwardBy: header.length)
        guard let payload = buffer.readSlice(length: header.payloadLength) else { return nil }
        pending = buffer.readableBytes > 0 ? buffer : nil
        return WebSocketFrame(
            isFinal: header.isFinal, opcode: header.opcode, mask: header.mask, maskedPayload: payload)
    }

    /// Forgets what waits.
    package mutating func removeAll() {
        pending = nil
    }

    /// A beginning of a frame must not keep a whole receive buffer alive.
    private mutating func compact(_ buffer: ByteBuffer) {
        pending = nil
        guard buffer.storageCapacity > 2 * buffer.readableBytes + 64 else {
            pending = buffer
            return
        }
        pending = ByteBuffer(bytes: buffer.readableBytesView)
    }
}
