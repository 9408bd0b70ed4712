import NIOCore
import NIOWebSocket

@testable import SignalingServer

/// What a signaling server reads before anything has been proved to it.
extension FuzzTarget {
    static let server = [webSocket]

    /// The first byte says how much a frame may have and how the stream is cut; the rest is the stream.
    private static let webSocket = FuzzTarget("websocket") {
        let payloads = [0, 1, 125, 126, 300].map { (0..<$0).map { UInt8(truncatingIfNeeded: $0) } }
        let frames = payloads.map { clientFrame(0x82, $0) }
        let fragments = clientFrame(0x02, [1, 2]) + clientFrame(0x89, [3]) + clientFrame(0x80, [4])
        let long: [UInt8] = [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4] + Array(repeating: 9, count: 100)
        return frames.map { [0xF0] + $0 }
            + [[0x77] + frames.joined(), [0x81] + fragments, [0xF1] + long, [0xA2, 0x88, 0x82, 1, 2, 3, 4, 2, 234]]
    } run: { bytes in
        guard let first = bytes.first else { return }
        let limit = [0, 1, 125, 126, 300, 4096, 65_536, 1 << 20][Int(first >> 4) & 7]
        let stream = bytes.dropFirst()
        var whole = WebSocketReading(limit: limit)
        try whole.take(stream)
        var pieces = WebSocketReading(limit: limit)
        var generator = SeededGenerator(seed: UInt64(first))
        var rest = stream
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...(1 + Int(first & 15)), using: &generator))
            rest = rest.dropFirst(piece.count)
            try pieces.take(piece)
        }
        try check(whole.frames == pieces.frames && whole.failure == pieces.failure, "cuts do not matter")
        let model = WebSocketModel(Array(stream), limit: limit)
        try check(whole.frames == model.frames && whole.failure == model.failure, "it reads what RFC 6455 says")
    }

    /// A frame of a client.
    private static func clientFrame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let length: [UInt8] =
            payload.count < 126
            ? [0x80 | UInt8(payload.count)] : [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        let mask: [UInt8] = [0x1F, 0x80, 0x03, 0xE5]
        return [first] + length + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }
}

private struct ReadFrame: Equatable {
    let first: UInt8
    let payload: [UInt8]
}

/// What the server's reader makes of a stream.
private struct WebSocketReading {
    private var reader = WebSocketReader()
    private let limit: Int
    private var count = 0
    private(set) var frames: [ReadFrame] = []
    private(set) var failure: FrameError?

    init(limit: Int) { self.limit = limit }

    mutating func take(_ bytes: ArraySlice<UInt8>) throws {
        guard failure == nil else { return }
        count += bytes.count
        var input = ByteBuffer(bytes: bytes)
        do throws(FrameError) {
            while var frame = try reader.next(&input, limit: limit) { read(&frame) }
        } catch {
            failure = error
        }
        try check(failure != nil || input.readableBytes == 0, "everything is taken")
        try check(failure != nil || reader.memory <= 4 * count + 8192, "memory grows with what has come")
        try check(sentOn, "a payload can be sent on with the header in front of it")
    }

    private var sentOn = true

    private mutating func read(_ frame: inout ClientFrame) {
        let first = UInt8(webSocketOpcode: frame.opcode) | (frame.isFinal ? 0x80 : 0)
        let length = frame.length
        var payload = frame.takePayload()
        frames.append(ReadFrame(first: first, payload: Array(payload.readableBytesView)))
        let expected = ServerFrame.make(.binary, payload.readableBytesView)
        payload.moveReaderIndex(to: 0)
        if payload != expected || frames.last?.payload.count != length || length > limit { sentOn = false }
    }
}

/// RFC 6455 section 5.2 once more, byte by byte.
private struct WebSocketModel {
    private(set) var frames: [ReadFrame] = []
    private(set) var failure: FrameError?

    init(_ bytes: [UInt8], limit: Int) {
        var rest = bytes[...]
        while failure == nil, let frame = next(&rest, limit) { frames.append(frame) }
    }

    private mutating func next(_ rest: inout ArraySlice<UInt8>, _ limit: Int) -> ReadFrame? {
        guard rest.count >= 2 else { return nil }
        let (start, count) = (rest.startIndex, rest.count)
        let (first, second) = (rest[start], rest[start + 1])
        let short = second & 0x7F
        let isControl = first & 0x08 != 0
        guard first & 0x70 == 0, second & 0x80 != 0, !isControl || first & 0x80 != 0 && short < 126 else {
            failure = .malformed
            return nil
        }
        let digits = short == 127 ? 8 : short == 126 ? 2 : 0
        guard count >= 2 + digits else { return nil }
        let long = rest[(start + 2)..<(start + 2 + digits)]
        let length = digits == 0 ? UInt64(short) : long.reduce(0) { $0 << 8 | UInt64($1) }
        let header = 2 + digits + 4
        guard length >> 63 == 0, count < header || length <= UInt64(limit) else {
            failure = .tooLarge
            return nil
        }
        guard count >= header, UInt64(count - header) >= length else { return nil }
        let mask = Array(rest[(start + header - 4)..<(start + header)])
        var payload = Array(rest[(start + header)..<(start + header + Int(length))])
        for index in payload.indices { payload[index] ^= mask[index & 3] }
        rest = rest.dropFirst(header + payload.count)
        return ReadFrame(first: first & 0x8F, payload: payload)
    }
}
