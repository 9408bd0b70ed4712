package import NIOCore

/// A frame, or a fragment of a message, as it came: its payload is still masked.
package struct WebSocketFrame: Sendable {
    package let isFinal: Bool
    package let opcode: WebSocketOpcode
    /// As in ``WebSocketHeader/mask``.
    package let mask: UInt32?
    /// The payload's bytes as they were on the wire.
    package let maskedPayload: ByteBuffer

    /// Bytes of payload.
    package var count: Int { maskedPayload.readableBytes }

    package init(isFinal: Bool, opcode: WebSocketOpcode, mask: UInt32?, maskedPayload: ByteBuffer) {
        self.isFinal = isFinal
        self.opcode = opcode
        self.mask = mask
        self.maskedPayload = maskedPayload
    }

    /// The payload's first `prefix` bytes (or fewer, when it has fewer), unmasked.
    package func prefix(_ prefix: Int) -> [UInt8] {
        let count = min(prefix, count)
        return [UInt8](unsafeUninitializedCapacity: count) { target, filled in
            copyPayload(0..<count, to: UnsafeMutableRawBufferPointer(target))
            filled = count
        }
    }

    /// The payload, unmasked.
    package var payload: [UInt8] { prefix(count) }

    /// Copies part of the payload, unmasked, to `target`, which must have the room.
    package func copyPayload(_ range: Range<Int>, to target: UnsafeMutableRawBufferPointer) {
        maskedPayload.withUnsafeReadableBytes { bytes in
            let source = UnsafeRawBufferPointer(rebasing: bytes[range])
            if let mask {
                WebSocketMask.copy(source, to: target, mask: mask, offset: range.lowerBound)
            } else {
                target.copyMemory(from: source)
            }
        }
    }

    /// Writes the payload from byte `start` on, unmasked, to `buffer`.
    package func writePayload(from start: Int, to buffer: inout ByteBuffer) {
        let count = count - start
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            copyPayload(start..<(start + count), to: target)
            return count
        }
    }
}

extension ByteBuffer {
    /// Writes a frame's header.
    ///
    /// - Parameter mask: as in ``WebSocketHeader/mask``; nil from servers.
    package mutating func writeWebSocketHeader(_ opcode: WebSocketOpcode, payloadLength: Int, mask: UInt32? = nil) {
        let maskBit: UInt8 = mask == nil ? 0 : 0x80
        writeInteger(0x80 | opcode.rawValue)
        switch payloadLength {
        case ...125:
            writeInteger(maskBit | UInt8(payloadLength))
        case ...0xFFFF:
            writeMultipleIntegers(maskBit | 126, UInt16(payloadLength))
        default:
            writeMultipleIntegers(maskBit | 127, UInt64(payloadLength))
        }
        if let mask { _ = withUnsafeBytes(of: mask) { writeBytes($0) } }
    }

    /// Writes a whole frame.
    package mutating func writeWebSocketFrame(
        _ opcode: WebSocketOpcode, _ payload: some Collection<UInt8>, mask: UInt32? = nil
    ) {
        writeWebSocketHeader(opcode, payloadLength: payload.count, mask: mask)
        let start = writerIndex
        writeBytes(payload)
        guard let mask else { return }
        let offset = start - readerIndex
        withUnsafeMutableReadableBytes { bytes in
            WebSocketMask.apply(mask, to: UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]))
        }
    }

    /// Writes a close frame (section 5.5.1); `reason` is cut to the 123 bytes there is room for.
    package mutating func writeWebSocketClose(code: UInt16, reason: String, mask: UInt32? = nil) {
        var text = reason
        while text.utf8.count > 123 { text.removeLast() }
        writeWebSocketFrame(.close, [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(text.utf8), mask: mask)
    }

    /// Bytes that a frame's header takes.
    package static func webSocketHeaderLength(payloadLength: Int, masked: Bool) -> Int {
        (payloadLength <= 125 ? 2 : payloadLength <= 0xFFFF ? 4 : 10) + (masked ? 4 : 0)
    }
}
