import NIOCore
import NIOWebSocket

/// A frame of a client, unmasked (RFC 6455 section 5.2).
struct ClientFrame {
    let opcode: WebSocketOpcode
    let isFinal: Bool
    /// The payload begins at the reader index. In front of it, from index 0, lies the header with which the server sends it on as a binary message.
    private var payload: ByteBuffer?

    init(opcode: WebSocketOpcode, isFinal: Bool, payload: ByteBuffer) {
        self.opcode = opcode
        self.isFinal = isFinal
        self.payload = payload
        length = payload.readableBytes
    }

    let length: Int

    /// The payload, once: it belongs to nobody else then, and is not copied when it changes.
    mutating func takePayload() -> ByteBuffer {
        payload.take() ?? ByteBuffer()
    }
}

/// Why a client's bytes are no frames.
enum FrameError: Error, Hashable {
    case tooLarge
    case malformed
}

/// Cuts what a client sends into frames. Each payload is unmasked into memory of its own and of its size while it is taken from what was read, in one pass: nothing of the read buffer is kept,
/// and what is to be sent on needs no further copy.
struct WebSocketReader {
    /// A frame whose end has not come.
    private final class Partial {
        let header: FrameHeader
        var buffer: ByteBuffer
        var count = 0

        init(_ header: FrameHeader, _ buffer: ByteBuffer) {
            self.header = header
            self.buffer = buffer
        }
    }

    /// What is set aside for a payload before any of it has come.
    private static let firstCapacity = 4096
    private static let longestHeader = 14

    /// The beginning of a header.
    private var rest: ByteBuffer?
    private var partial: Partial?

    /// Bytes of memory that it holds.
    var memory: Int { (rest?.storageCapacity ?? 0) + (partial?.buffer.storageCapacity ?? 0) }

    /// The next whole frame of what was read before and of `input`; nil, and everything taken from `input`, when there is none.
    ///
    /// - Parameter limit: bytes that a frame may have.
    mutating func next(_ input: inout ByteBuffer, limit: Int) throws(FrameError) -> ClientFrame? {
        if partial == nil {
            guard let header = try nextHeader(&input) else { return nil }
            guard header.length <= limit else { throw .tooLarge }
            let room = ServerFrame.headerCount(header.length)
            let available = min(header.length, input.readableBytes)
            // Whoever announces much and sends little gets little memory.
            let capacity = min(header.length, max(available * 4, Self.firstCapacity))
            var buffer = ByteBufferAllocator().buffer(capacity: room + capacity)
            ServerFrame.writeHeader(.binary, header.length, to: &buffer)
            buffer.moveReaderIndex(forwardBy: room)
            if available == header.length {
                Mask(header.mask).copy(&input, available, to: &buffer, offset: 0)
                return ClientFrame(opcode: header.opcode, isFinal: header.isFinal, payload: buffer)
            }
            partial = Partial(header, buffer)
        }
        return goOn(&input)
    }

    private mutating func goOn(_ input: inout ByteBuffer) -> ClientFrame? {
        guard let partial else { return nil }
        let count = min(partial.header.length - partial.count, input.readableBytes)
        Mask(partial.header.mask).copy(&input, count, to: &partial.buffer, offset: partial.count)
        partial.count += count
        guard partial.count == partial.header.length else { return nil }
        self.partial = nil
        return ClientFrame(opcode: partial.header.opcode, isFinal: partial.header.isFinal, payload: partial.buffer)
    }

    private mutating func nextHeader(_ input: inout ByteBuffer) throws(FrameError) -> FrameHeader? {
        guard var known = rest else {
            if let header = try FrameHeader(reading: &input) { return header }
            if input.readableBytes > 0 {
                var rest = ByteBufferAllocator().buffer(capacity: Self.longestHeader)
                rest.writeBuffer(&input)
                self.rest = rest
            }
            return nil
        }
        // Byte by byte, so that no more is taken than the header has. It comes in pieces seldom.
        rest = nil
        while let byte = input.readInteger(as: UInt8.self) {
            known.writeInteger(byte)
            if let header = try FrameHeader(reading: &known) { return header }
        }
        rest = known
        return nil
    }
}

/// The header of a client's frame.
private struct FrameHeader {
    let opcode: WebSocketOpcode
    let isFinal: Bool
    let length: Int
    /// In the order of memory.
    let mask: UInt32

    /// Nil, and nothing taken, when it is not there as a whole.
    init?(reading input: inout ByteBuffer) throws(FrameError) {
        let start = input.readerIndex
        guard let first: UInt8 = input.getInteger(at: start), let second: UInt8 = input.getInteger(at: start + 1)
        else { return nil }
        // Reserved bits, and frames that are not masked.
        guard first & 0x70 == 0, second & 0x80 != 0, let opcode = WebSocketOpcode(encodedWebSocketOpcode: first & 0x0F)
        else { throw .malformed }
        var length = Int(second & 0x7F)
        var count = 2
        // Section 5.5: control frames are short and whole.
        if opcode.isControlOpcode, length > 125 || first & 0x80 == 0 { throw .malformed }
        switch length {
        case 126:
            guard let long: UInt16 = input.getInteger(at: start + 2) else { return nil }
            (length, count) = (Int(long), 4)
        case 127:
            guard let long: UInt64 = input.getInteger(at: start + 2) else { return nil }
            guard let exact = Int(exactly: long) else { throw .tooLarge }
            (length, count) = (exact, 10)
        default:
            break
        }
        guard let mask: UInt32 = input.getInteger(at: start + count, endianness: .host) else { return nil }
        input.moveReaderIndex(forwardBy: count + 4)
        self.opcode = opcode
        self.isFinal = first & 0x80 != 0
        self.length = length
        self.mask = mask
    }
}

/// Takes the mask of RFC 6455 section 5.3 off.
struct Mask {
    private typealias Block = SIMD4<UInt64>
    /// In the order of memory.
    private let key: UInt32

    /// - Parameter key: in the order of memory.
    init(_ key: UInt32) { self.key = key }

    /// Takes `count` bytes from `input`, which has them, and appends them without the mask.
    ///
    /// - Parameter offset: how many bytes of the frame's payload came before.
    func copy(_ input: inout ByteBuffer, _ count: Int, to output: inout ByteBuffer, offset: Int) {
        guard count > 0 else { return }
        let key = rotated(by: offset)
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            input.readWithUnsafeReadableBytes { source in
                Self.copy(UnsafeRawBufferPointer(rebasing: source[..<count]), to: target, key: key)
                return count
            }
        }
    }

    /// The key as it is `offset` bytes later.
    private func rotated(by offset: Int) -> UInt64 {
        let bits = UInt32(truncatingIfNeeded: offset & 3) * 8
        #if _endian(little)
            let turned = bits == 0 ? key : key >> bits | key << (32 - bits)
        #else
            let turned = bits == 0 ? key : key << bits | key >> (32 - bits)
        #endif
        return UInt64(turned) << 32 | UInt64(turned)
    }

    /// Safety: `target` has room for all of `source`, as both callers of the writing above see to; every index is below the count of `source`.
    private static func copy(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, key: UInt64) {
        let count = source.count
        let block = MemoryLayout<Block>.size
        let keys = Block(repeating: key)
        var index = 0
        while count - index >= block {
            let value = source.loadUnaligned(fromByteOffset: index, as: Block.self)
            target.storeBytes(of: value ^ keys, toByteOffset: index, as: Block.self)
            index += block
        }
        while count - index >= 8 {
            let value = source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            target.storeBytes(of: value ^ key, toByteOffset: index, as: UInt64.self)
            index += 8
        }
        withUnsafeBytes(of: key) { key in
            while index < count {
                target[index] = source[index] ^ key[index & 7]
                index += 1
            }
        }
    }
}

/// WebSocket frames of the server: never masked, never in fragments.
enum ServerFrame {
    /// Bytes of the header of a frame with so much payload.
    static func headerCount(_ length: Int) -> Int { length <= 125 ? 2 : length <= 0xFFFF ? 4 : 10 }

    static func writeHeader(_ opcode: WebSocketOpcode, _ length: Int, to buffer: inout ByteBuffer) {
        let first = 0x80 | UInt8(webSocketOpcode: opcode)
        if length <= 125 {
            buffer.writeInteger(UInt16(first) << 8 | UInt16(truncatingIfNeeded: length))
        } else if length <= 0xFFFF {
            buffer.writeInteger(UInt32(first) << 24 | 126 << 16 | UInt32(truncatingIfNeeded: length))
        } else {
            buffer.writeInteger(UInt16(first) << 8 | 127)
            buffer.writeInteger(UInt64(length))
        }
    }

    /// A whole frame.
    static func make(_ opcode: WebSocketOpcode, _ payload: some Collection<UInt8>) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: headerCount(payload.count) + payload.count)
        writeHeader(opcode, payload.count, to: &buffer)
        buffer.writeBytes(payload)
        return buffer
    }
}
