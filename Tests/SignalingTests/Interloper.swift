import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SignalingServer
import Wire

/// Stands between one client and an honest server, keeps what the client sends, and says to it what a test wants.
final class Interloper: Sendable {
    private struct State {
        var client: (any Channel)?
        /// Everything the client has sent.
        var sent: [UInt8] = []
        /// Whether the server gets it.
        var forwards = true
        /// To be said behind the server's answer to the WebSocket handshake.
        var first: [UInt8]
    }

    /// Hands what comes from one side to the other.
    private final class Side: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        private let pass: @Sendable ([UInt8]) -> [UInt8]

        init(to other: any Channel, _ pass: @escaping @Sendable ([UInt8]) -> [UInt8]) {
            self.other = other
            self.pass = pass
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = pass(Array(unwrapInboundIn(data).readableBytesView))
            if !bytes.isEmpty { other.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
        }
        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private let listener: any Channel
    private let state: NIOLockedValueBox<State>

    /// - Parameter first: a frame's payload that the client gets before its CHALLENGE.
    init(before server: SignalingServer, first: [UInt8] = []) async throws {
        let state = NIOLockedValueBox(State(first: first.isEmpty ? [] : Self.frame(2, first)))
        let address = server.address
        self.state = state
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { client in
                state.withLockedValue { $0.client = client }
                return ClientBootstrap(group: client.eventLoop)
                    .channelInitializer { server in
                        server.pipeline.addHandler(Side(to: client) { Self.fromServer($0, state) })
                    }
                    .connect(to: address)
                    .flatMap { server in client.pipeline.addHandler(Side(to: server) { Self.fromClient($0, state) }) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    deinit {
        listener.close(promise: nil)
        state.withLockedValue { $0.client }?.close(promise: nil)
    }

    func url() throws -> ServerURL {
        try ServerURL(
            isSecure: false, host: HostName(.v4(127, 0, 0, 1)), port: UInt16(listener.localAddress?.port ?? 0))
    }

    // MARK: What a test does

    /// Ends the connection to the client at once, without a farewell (TCP's RST). Done when `then` is called.
    func reset(then: @escaping @Sendable () -> Void) {
        let client = state.withLockedValue { $0.client }
        guard let client, let options = client as? any SocketOptionProvider else { return then() }
        options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
            client.close().whenComplete { _ in then() }
        }
    }

    /// Says something to the client, between two frames of the server: nothing else may be under way.
    func say(_ payload: [UInt8], opcode: UInt8 = 2, fin: Bool = true) {
        let client = state.withLockedValue { $0.client }
        client?.writeAndFlush(ByteBuffer(bytes: Self.frame(opcode, payload, fin: fin)), promise: nil)
    }

    /// From now on the server hears nothing more.
    func keepToItself() {
        state.withLockedValue { $0.forwards = false }
    }

    /// Whether anything is read from the client.
    func setReading(_ reads: Bool) async throws {
        try await state.withLockedValue { $0.client }?.setOption(.autoRead, value: reads).get()
    }

    /// The payloads of the binary frames that the client has sent.
    func messages() -> [[UInt8]] {
        let sent = state.withLockedValue { $0.sent }
        guard let end = Self.endOfHead(sent) else { return [] }
        var rest = sent[end...]
        var messages: [[UInt8]] = []
        while let (opcode, payload) = Self.cutFrame(&rest) {
            if opcode == 2 { messages.append(payload) }
        }
        return messages
    }

    // MARK: Bytes

    private static func fromClient(_ bytes: [UInt8], _ state: NIOLockedValueBox<State>) -> [UInt8] {
        state.withLockedValue { state in
            state.sent += bytes
            return state.forwards ? bytes : []
        }
    }

    private static func fromServer(_ bytes: [UInt8], _ state: NIOLockedValueBox<State>) -> [UInt8] {
        state.withLockedValue { state in
            guard !state.first.isEmpty, let end = endOfHead(bytes) else { return bytes }
            defer { state.first = [] }
            return bytes.prefix(end) + state.first + bytes.dropFirst(end)
        }
    }

    private static func frame(_ opcode: UInt8, _ payload: [UInt8], fin: Bool = true) -> [UInt8] {
        let first: UInt8 = (fin ? 0x80 : 0) | opcode
        let count = payload.count
        switch count {
        case ...125: return [first, UInt8(count)] + payload
        case ...0xFFFF: return [first, 126, UInt8(count >> 8), UInt8(count & 0xFF)] + payload
        default: return [first, 127] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) } + payload
        }
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (3..<bytes.count).first { bytes[($0 - 3)...$0].elementsEqual([13, 10, 13, 10]) }.map { $0 + 1 }
    }

    /// A masked frame from the front, if it is all there.
    private static func cutFrame(_ bytes: inout ArraySlice<UInt8>) -> (opcode: UInt8, payload: [UInt8])? {
        var reader = ByteReader(bytes)
        guard let first = try? reader.readUInt8(), let second = try? reader.readUInt8() else { return nil }
        var count = Int(second & 0x7F)
        if count >= 126 {
            guard let long = try? reader.readBytes(count == 126 ? 2 : 8) else { return nil }
            count = long.reduce(0) { $0 << 8 | Int($1) }
        }
        guard let mask = try? Array(reader.readBytes(4)), let masked = try? Array(reader.readBytes(count)) else {
            return nil
        }
        bytes = reader.rest
        var payload = masked
        for index in payload.indices { payload[index] ^= mask[index & 3] }
        return (first & 0x0F, payload)
    }
}
