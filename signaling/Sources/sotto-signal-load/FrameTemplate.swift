import NIOCore
import Wire

/// A client's WebSocket frame, masked beforehand: only receiver and time differ from one to the next. What the server has to
/// do for it is the same as for any other.
struct FrameTemplate: Sendable {
    private static let mask: [UInt8] = [0x5A, 0xC3, 0x96, 0x3C]

    /// Where the time lies in the message, 8 bytes.
    let timeOffset: Int
    /// Bytes that count.
    let payloadBytes: Int
    private let frame: ByteBuffer
    private let messageStart: Int

    init(signalBytes: Int) {
        self.init(head: [PeerAddressedFrame.signalType] + [UInt8](repeating: 0, count: 32), payload: signalBytes)
    }

    init(packets: Int, of size: Int) {
        let head = [PeerAddressedFrame.relayType] + [UInt8](repeating: 0, count: 32)
        self.init(head: head + [UInt8(size >> 8), UInt8(size & 0xFF)], payload: packets * size)
    }

    private init(head: [UInt8], payload: Int) {
        let filler = (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        let frame = Self.frame(head + filler)
        timeOffset = head.count
        payloadBytes = payload
        messageStart = frame.count - head.count - payload
        self.frame = ByteBuffer(bytes: frame)
    }

    /// A binary message in one masked frame.
    static func frame(_ message: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x82]
        switch message.count {
        case ...125: bytes.append(0x80 | UInt8(message.count))
        case ...0xFFFF: bytes += [0x80 | 126, UInt8(message.count >> 8), UInt8(message.count & 0xFF)]
        default:
            bytes += [0x80 | 127] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: message.count >> ($0 * 8)) }
        }
        return bytes + mask + message.enumerated().map { $1 ^ mask[$0 & 3] }
    }

    /// The answer to a ping.
    static func pong(_ payload: [UInt8]) -> [UInt8] {
        [0x8A, 0x80 | UInt8(truncatingIfNeeded: payload.count & 0x7F)] + mask
            + payload.enumerated().map { $1 ^ mask[$0 & 3] }
    }

    /// Writes the frame for a receiver.
    ///
    /// - Parameters:
    ///   - receiver: 32 bytes, masked as at the beginning of a message.
    ///   - time: nanoseconds.
    func write(to buffer: inout ByteBuffer, receiver: MaskedPeer, time: UInt64) {
        let start = buffer.writerIndex
        buffer.writeImmutableBuffer(frame)
        receiver.write(to: &buffer, at: start + messageStart)
        // Big-endian, like the mask.
        let shift = UInt64(timeOffset & 3) * 8
        let word = UInt64(0x5AC3_963C_5AC3_963C)
        let mask = word << shift | (shift == 0 ? 0 : word >> (64 - shift))
        buffer.setInteger(time ^ mask, at: start + messageStart + timeOffset)
    }
}

/// Type and peer id of a message as a masked frame carries them.
struct MaskedPeer: Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    init(_ peer: PeerKey) {
        // The peer begins at the message's second byte.
        let mask: [UInt8] = [0xC3, 0x96, 0x3C, 0x5A]
        let bytes = peer.bytes.enumerated().map { $1 ^ mask[$0 & 3] }
        func word(_ index: Int) -> UInt64 { bytes[(index * 8)..<(index * 8 + 8)].reduce(0) { $0 << 8 | UInt64($1) } }
        words = (word(0), word(1), word(2), word(3))
    }

    fileprivate func write(to buffer: inout ByteBuffer, at index: Int) {
        buffer.setInteger(words.0, at: index + 1)
        buffer.setInteger(words.1, at: index + 9)
        buffer.setInteger(words.2, at: index + 17)
        buffer.setInteger(words.3, at: index + 25)
    }
}
