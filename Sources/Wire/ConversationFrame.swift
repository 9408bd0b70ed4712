// QUIC stream 0 carries frames one after the other: length u32 (of what follows: 1…262,144) | type u8 | body
//
// 0x01 HELLO      features u32 | name (u8 length ≤ 64, UTF-8 without control characters)
// 0x02 MESSAGE    id 16 | sent at u64 (ms since 1970) | text (UTF-8, to the end of the frame, ≤ 65,536 bytes)
// 0x03 DELIVERED  id 16
// 0x04 PING       number u64
// 0x05 PONG       number u64
//
// Frames of other types are skipped. A known type with another length than its layout says is an error.

/// A frame of the conversation between two peers, inside their encrypted session.
package enum ConversationFrame: Hashable, Sendable {
    /// First in each direction: feature bits, and the name that the sender goes by (≤ 64 bytes, may be empty).
    case hello(name: String, features: UInt32)
    /// A message: 16 random bytes that name it, when it was written (milliseconds since 1970), its text (≤ 64 KiB).
    case message(id: [UInt8], sentAt: UInt64, text: String)
    /// The message with this id is in the receiver's hands.
    case delivered(id: [UInt8])
    /// To be answered at once with the same number.
    case ping(UInt64)
    /// The answer to a ping.
    case pong(UInt64)

    /// Largest value of the length field in bytes.
    package static let maximumLength = 256 * 1024
    /// Longest name in bytes of UTF-8.
    package static let maximumName = 64
    /// Longest text of a message in bytes of UTF-8.
    package static let maximumText = 64 * 1024
    /// Size of a message id in bytes.
    package static let messageIDByteCount = 16

    /// The frame with its length in front. Throws `lengthOutOfRange` or `invalidText` when a field breaks the limits
    /// that its receiver enforces.
    package func encode() throws(WireError) -> [UInt8] {
        var body = ByteWriter(capacity: 32)
        switch self {
        case .hello(let name, let features):
            guard name.utf8.count <= ConversationFrame.maximumName else { throw .lengthOutOfRange }
            body.write(UInt8(0x01))
            body.write(features)
            try body.writeShortText(name)
        case .message(let id, let sentAt, let text):
            guard text.utf8.count <= ConversationFrame.maximumText else { throw .lengthOutOfRange }
            body.write(UInt8(0x02))
            try body.write(id, exactly: ConversationFrame.messageIDByteCount)
            body.write(sentAt)
            body.write(text.utf8)
        case .delivered(let id):
            body.write(UInt8(0x03))
            try body.write(id, exactly: ConversationFrame.messageIDByteCount)
        case .ping(let number):
            body.write(UInt8(0x04))
            body.write(number)
        case .pong(let number):
            body.write(UInt8(0x05))
            body.write(number)
        }
        var writer = ByteWriter(capacity: 4 + body.bytes.count)
        writer.write(UInt32(truncatingIfNeeded: body.bytes.count))
        writer.write(body.bytes)
        return writer.bytes
    }

    /// Reads what follows the length. Nil for a type that this version does not know.
    static func decode(_ body: ArraySlice<UInt8>) throws(WireError) -> ConversationFrame? {
        var reader = ByteReader(body)
        let frame: ConversationFrame
        switch try reader.readUInt8() {
        case 0x01:
            let features = try reader.readUInt32()
            let name = try reader.readShortText()
            guard name.utf8.count <= maximumName else { throw .lengthOutOfRange }
            frame = .hello(name: name, features: features)
        case 0x02:
            let id = Array(try reader.readBytes(messageIDByteCount))
            let sentAt = try reader.readUInt64()
            guard reader.remaining <= maximumText else { throw .lengthOutOfRange }
            let text = try reader.readText(reader.remaining, allowingControls: true)
            frame = .message(id: id, sentAt: sentAt, text: text)
        case 0x03: frame = .delivered(id: Array(try reader.readBytes(messageIDByteCount)))
        case 0x04: frame = .ping(try reader.readUInt64())
        case 0x05: frame = .pong(try reader.readUInt64())
        default: return nil
        }
        try reader.finish()
        return frame
    }
}
