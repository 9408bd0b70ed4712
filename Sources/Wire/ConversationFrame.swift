// QUIC stream 0 carries frames one after the other: length u32 (of what follows: 1…262,144) | type u8 | body
//
// 0x01 HELLO      features u32 | name (u8 length ≤ 64, UTF-8 without control characters)
// 0x04 PING       number u64
// 0x05 PONG       number u64
// 0x06 ENVELOPE   what the ratchet made, to the end of the frame, 1…73,728 bytes
// 0x07 STORED     envelope ids of 16, to the end of the frame, 1…128 of them
// 0x08 PREKEYS    a prekey bundle, to the end of the frame, ≤ 4,096 bytes; empty: asks for the other side's
// 0x09 UNREADABLE envelope ids of 16, as in STORED
// 0x0A TYPING     u8: 1 begins, 0 ends
//
// 0x02 and 0x03 are not used. Frames of other types are skipped. A known type with another length than its layout says is an error.

/// A frame of the conversation between two peers, inside their encrypted session.
package enum ConversationFrame: Hashable, Sendable {
    /// First in each direction: feature bits, and the name that the sender goes by (≤ 64 bytes, may be empty).
    case hello(name: String, features: UInt32)
    /// To be answered at once with the same number.
    case ping(UInt64)
    /// The answer to a ping.
    case pong(UInt64)
    /// What the sender's ratchet made of a content (≤ 72 KiB).
    case envelope([UInt8])
    /// The receiver has stored what was in these envelopes.
    case stored([[UInt8]])
    /// The sender's prekeys, with which the receiver can begin a new ratchet session (≤ 4 KiB). Empty: asks for the receiver's.
    case prekeys([UInt8])
    /// These envelopes could not be read: what was in them is to be sent again, by a new ratchet session.
    case unreadable([[UInt8]])
    /// Whether the sender's user is writing.
    case typing(Bool)

    /// Feature bit of HELLO: speaks envelopes.
    package static let speaksEnvelopes: UInt32 = 1
    /// Feature bit of HELLO: the receiver may measure with the sender, on a benchmark stream.
    package static let offersBenchmarks: UInt32 = 2
    /// Largest ciphertext in an envelope in bytes.
    package static let maximumEnvelope = 72 * 1024
    /// Largest prekey bundle in bytes.
    package static let maximumPrekeys = 4096
    /// Most envelope ids in one frame.
    package static let maximumIDs = 128
    /// Largest value of the length field in bytes.
    package static let maximumLength = 256 * 1024
    /// Longest name in bytes of UTF-8.
    package static let maximumName = 64
    /// Size of an envelope id in bytes.
    package static let envelopeIDByteCount = 16

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
        case .ping(let number):
            body.write(UInt8(0x04))
            body.write(number)
        case .pong(let number):
            body.write(UInt8(0x05))
            body.write(number)
        case .envelope(let ciphertext):
            body.write(UInt8(0x06))
            try body.write(ciphertext, upTo: ConversationFrame.maximumEnvelope)
        case .stored(let ids):
            body.write(UInt8(0x07))
            try body.write(frameIDs: ids)
        case .prekeys(let bundle):
            body.write(UInt8(0x08))
            guard bundle.count <= ConversationFrame.maximumPrekeys else { throw .lengthOutOfRange }
            body.write(bundle)
        case .unreadable(let ids):
            body.write(UInt8(0x09))
            try body.write(frameIDs: ids)
        case .typing(let isTyping):
            body.write(UInt8(0x0A))
            body.write(UInt8(isTyping ? 1 : 0))
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
        case 0x04: frame = .ping(try reader.readUInt64())
        case 0x05: frame = .pong(try reader.readUInt64())
        case 0x06: frame = .envelope(try reader.readRest(upTo: maximumEnvelope))
        case 0x07: frame = .stored(try reader.readFrameIDs())
        case 0x08: frame = .prekeys(reader.remaining == 0 ? [] : try reader.readRest(upTo: maximumPrekeys))
        case 0x09: frame = .unreadable(try reader.readFrameIDs())
        case 0x0A:
            switch try reader.readUInt8() {
            case 0: frame = .typing(false)
            case 1: frame = .typing(true)
            default: throw .invalidValue
            }
        default: return nil
        }
        try reader.finish()
        return frame
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ bytes: [UInt8], upTo limit: Int) throws(WireError) {
        guard (1...limit).contains(bytes.count) else { throw .lengthOutOfRange }
        write(bytes)
    }

    fileprivate mutating func write(frameIDs ids: [[UInt8]]) throws(WireError) {
        guard (1...ConversationFrame.maximumIDs).contains(ids.count) else { throw .lengthOutOfRange }
        for id in ids { try write(id, exactly: ConversationFrame.envelopeIDByteCount) }
    }
}

extension ByteReader {
    fileprivate mutating func readRest(upTo limit: Int) throws(WireError) -> [UInt8] {
        guard (1...limit).contains(remaining) else { throw .lengthOutOfRange }
        return Array(readRest())
    }

    fileprivate mutating func readFrameIDs() throws(WireError) -> [[UInt8]] {
        let size = ConversationFrame.envelopeIDByteCount
        guard remaining % size == 0, (1...ConversationFrame.maximumIDs).contains(remaining / size) else {
            throw .lengthOutOfRange
        }
        var ids: [[UInt8]] = []
        while remaining > 0 { ids.append(Array(try readBytes(size))) }
        return ids
    }
}
