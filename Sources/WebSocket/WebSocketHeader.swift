/// What a frame is (RFC 6455 section 5.2).
package enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    /// Control frames are at most 125 bytes and never in fragments (section 5.5).
    package var isControl: Bool { rawValue >= 0x8 }
}

/// What is wrong with a frame.
package enum WebSocketError: Error, Hashable {
    /// Reserved bits, unknown opcode, a length not in its shortest form, a wrong control frame, or masked where it
    /// must not be and the other way round.
    case malformed
    /// Longer than the limit in force.
    case tooLarge
    /// A text frame where only binary ones are spoken.
    case text
}

/// The header of a frame: 2 to 14 bytes.
///
///     byte 0   FIN 1 bit, reserved 3 bits, opcode 4 bits
///     byte 1   MASK 1 bit, length 7 bits: 0…125, or 126: a u16 follows, or 127: a u64 follows
///     then     the mask, 4 bytes, when MASK is set
package struct WebSocketHeader: Hashable, Sendable {
    /// Whether this is the last fragment of its message.
    package let isFinal: Bool
    package let opcode: WebSocketOpcode
    /// The mask as its four bytes lie in memory; nil when the frame is not masked.
    package let mask: UInt32?
    /// Bytes of payload that follow the header.
    package let payloadLength: Int
    /// Bytes of the header itself.
    package let length: Int

    /// Reads a header from the start of `bytes`.
    ///
    /// - Parameters:
    ///   - masked: whether frames from that side must be masked: from clients always, from servers never.
    ///   - limit: largest payload that is accepted, in bytes; checked as soon as the length is known.
    /// - Returns: nil when more bytes are needed.
    /// - Throws: ``WebSocketError``.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, masked: Bool, limit: Int
    ) throws(WebSocketError) -> WebSocketHeader? {
        guard bytes.count >= 1 else { return nil }
        guard bytes[0] & 0x70 == 0, let opcode = WebSocketOpcode(rawValue: bytes[0] & 0x0F) else { throw .malformed }
        guard opcode != .text else { throw .text }
        let isFinal = bytes[0] & 0x80 != 0
        guard bytes.count >= 2 else { return nil }
        guard (bytes[1] & 0x80 != 0) == masked else { throw .malformed }
        let short = Int(bytes[1] & 0x7F)
        guard !opcode.isControl || (isFinal && short <= 125) else { throw .malformed }
        let (lengthBytes, smallest) = short < 126 ? (0, 0) : short == 126 ? (2, 126) : (8, 65536)
        guard bytes.count >= 2 + lengthBytes else { return nil }
        let payload =
            lengthBytes == 0
            ? UInt64(short) : bytes[2..<(2 + lengthBytes)].reduce(0) { $0 << 8 | UInt64($1) }
        guard payload >= UInt64(smallest), payload >> 63 == 0 else { throw .malformed }
        guard payload <= UInt64(limit) else { throw .tooLarge }
        let length = 2 + lengthBytes + (masked ? 4 : 0)
        guard bytes.count >= length else { return nil }
        return WebSocketHeader(
            isFinal: isFinal, opcode: opcode,
            mask: masked ? bytes.loadUnaligned(fromByteOffset: length - 4, as: UInt32.self) : nil,
            payloadLength: Int(payload), length: length)
    }
}
