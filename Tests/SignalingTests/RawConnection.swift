import Identity
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SignalingServer
import TestTools
import Wire

/// A TCP connection that sends whatever a test wants, and reads only when it may.
final class RawConnection: Sendable {
    /// A WebSocket frame as it came.
    struct Frame: Sendable, Equatable {
        let opcode: UInt8
        let payload: [UInt8]

        var closeCode: UInt16? {
            opcode == 8 && payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : nil
        }
        var reason: String { String(decoding: payload.dropFirst(2), as: UTF8.self) }
        var signaling: SignalingFrame? { opcode == 2 ? try? SignalingFrame.decode(payload) : nil }
    }

    private enum Piece: Sendable {
        case bytes([UInt8])
        case end
    }

    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let pieces: EventLog<Piece>
        init(_ pieces: EventLog<Piece>) { self.pieces = pieces }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            pieces.append(.bytes(Array(unwrapInboundIn(data).readableBytesView)))
        }
        func channelInactive(context: ChannelHandlerContext) { pieces.append(.end) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    let channel: any Channel
    private let pieces: EventLog<Piece>
    private let buffered = NIOLockedValueBox<(bytes: [UInt8], ended: Bool)>(([], false))

    private init(_ channel: any Channel, _ pieces: EventLog<Piece>) {
        self.channel = channel
        self.pieces = pieces
    }

    deinit { channel.close(promise: nil) }

    static func connect(_ address: SocketAddress, receiveBuffer: Int? = nil) async throws -> RawConnection {
        let pieces = EventLog<Piece>()
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(pieces))
                }
            }
        if let receiveBuffer {
            bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: .init(receiveBuffer))
        }
        return RawConnection(try await bootstrap.connect(to: address).get(), pieces)
    }

    func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Sends a masked frame.
    func send(_ opcode: UInt8, _ payload: [UInt8], fin: Bool = true) async throws {
        try await send(Self.frame(opcode, payload, fin: fin))
    }

    func send(_ frame: SignalingFrame) async throws { try await send(2, try frame.encode()) }

    static func frame(_ opcode: UInt8, _ payload: [UInt8], fin: Bool = true) -> [UInt8] {
        var bytes: [UInt8] = [(fin ? 0x80 : 0) | opcode]
        switch payload.count {
        case ...125: bytes.append(0x80 | UInt8(payload.count))
        case ...0xFFFF: bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default: bytes += [0x80 | 127] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: payload.count >> ($0 * 8)) }
        }
        let mask: [UInt8] = [0x11, 0x22, 0x33, 0x44]
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    // MARK: Reading

    /// Everything until the other side closes.
    func readToEnd(within seconds: Double = patience) async throws -> [UInt8] {
        while !buffered.withLockedValue({ $0.ended }) { try await more(seconds) }
        return buffered.withLockedValue { state in
            defer { state.bytes = [] }
            return state.bytes
        }
    }

    /// Up to the empty line after an HTTP head.
    func readHead(within seconds: Double = patience) async throws -> String {
        while true {
            let head = buffered.withLockedValue { state -> String? in
                guard let end = Self.endOfHead(state.bytes) else { return nil }
                defer { state.bytes.removeFirst(end) }
                return String(decoding: state.bytes[..<end], as: UTF8.self)
            }
            if let head { return head }
            try await more(seconds)
        }
    }

    /// The next frame but pings.
    func readFrame(within seconds: Double = patience, pings: Bool = false) async throws -> Frame {
        while true {
            let frame = buffered.withLockedValue { Self.cutFrame(&$0.bytes) }
            if let frame {
                if pings || frame.opcode != 9 { return frame }
                continue
            }
            try await more(seconds)
        }
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (3..<bytes.count).first { Array(bytes[($0 - 3)...$0]) == [13, 10, 13, 10] }.map { $0 + 1 }
    }

    private static func cutFrame(_ bytes: inout [UInt8]) -> Frame? {
        guard bytes.count >= 2 else { return nil }
        var start = 2
        var count = Int(bytes[1] & 0x7F)
        let more = count == 126 ? 2 : count == 127 ? 8 : 0
        guard bytes.count >= 2 + more else { return nil }
        if more > 0 {
            count = bytes[2..<(2 + more)].reduce(0) { $0 << 8 | Int($1) }
            start += more
        }
        guard bytes.count >= start + count else { return nil }
        defer { bytes.removeFirst(start + count) }
        return Frame(opcode: bytes[0] & 0x0F, payload: Array(bytes[start..<(start + count)]))
    }

    private func more(_ seconds: Double) async throws {
        guard !buffered.withLockedValue({ $0.ended }) else { throw Unmet(description: "the connection has ended") }
        let piece = try await pieces.next("bytes", within: seconds) { $0 }
        buffered.withLockedValue { state in
            switch piece {
            case .bytes(let bytes): state.bytes += bytes
            case .end: state.ended = true
            }
        }
    }

    // MARK: Steps

    static let handshake = """
        GET / HTTP/1.1\r
        Host: 127.0.0.1\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Protocol: sotto.v1\r
        \r

        """

    /// A WebSocket that has its CHALLENGE.
    static func challenged(
        _ server: SignalingServer, host: String = "127.0.0.1", receiveBuffer: Int? = nil
    ) async throws -> (RawConnection, nonce: [UInt8]) {
        let raw = try await connect(server.address, receiveBuffer: receiveBuffer)
        try await raw.send(handshake.replacing("Host: 127.0.0.1", with: "Host: \(host)"))
        let head = try await raw.readHead()
        guard head.hasPrefix("HTTP/1.1 101"), case .challenge(let nonce, _, _) = try await raw.readFrame().signaling
        else { throw Unmet(description: "no CHALLENGE: \(head)") }
        return (raw, nonce)
    }

    /// AUTH for `host`.
    static func auth(_ identity: Identity, nonce: [UInt8], host: String) throws -> SignalingFrame {
        let transcript = SignalingFrame.authenticationTranscript(host: try HostName(host), nonce: nonce)
        return .auth(peer: identity.peerID.key, signature: identity.sign(transcript), features: 0)
    }

    /// A connection that has its WELCOME.
    static func loggedIn(
        _ server: SignalingServer, identity: Identity? = nil, receiveBuffer: Int? = nil
    ) async throws -> (RawConnection, PeerKey) {
        let identity = try identity ?? Identity.generate()
        let (raw, nonce) = try await challenged(server, receiveBuffer: receiveBuffer)
        try await raw.send(auth(identity, nonce: nonce, host: "127.0.0.1"))
        guard case .welcome = try await raw.readFrame().signaling else { throw Unmet(description: "no WELCOME") }
        return (raw, identity.peerID.key)
    }

    /// Whether anything is read from the socket.
    func setReading(_ reads: Bool) async throws {
        try await channel.setOption(.autoRead, value: reads).get()
    }
}

/// A listener that answers in a way of its own.
final class FakeServer: Sendable {
    private final class Answerer: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let answer: [UInt8]?
        let closes: Bool
        init(_ answer: [UInt8]?, closes: Bool) { (self.answer, self.closes) = (answer, closes) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if let answer { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer)), promise: nil) }
            if closes { context.close(promise: nil) }
        }
    }

    private let channel: any Channel

    /// - Parameters:
    ///   - answer: sent whenever something comes.
    ///   - closes: whether to close then.
    init(_ answer: [UInt8]?, closes: Bool) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answerer(answer, closes: closes))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    deinit { channel.close(promise: nil) }

    func url(isSecure: Bool = false) throws -> ServerURL {
        try ServerURL(
            isSecure: isSecure, host: HostName(.v4(127, 0, 0, 1)), port: UInt16(channel.localAddress?.port ?? 0))
    }
}
