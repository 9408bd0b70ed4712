import Identity
import NIOCore
import Wire

/// One connection: upgrade, login, and then what the mode asks for. Owned by its event loop.
final class LoadClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case upgrading
        case challenged
        case loggingIn
        case online
        case ended
    }

    private let index: Int
    private let identity: Identity
    private let host: HostName
    private let plan: LoadPlan
    private let tally: Tally
    private let online: EventLoopPromise<Void>
    private var phase = Phase.upgrading
    private var context: ChannelHandlerContext?
    /// The beginning of what has not come whole.
    private var rest: ByteBuffer?
    private var random: FastRandom
    private var mustFlush = false

    init(
        index: Int, identity: Identity, host: HostName, plan: LoadPlan, tally: Tally, online: EventLoopPromise<Void>
    ) {
        self.index = index
        self.identity = identity
        self.host = host
        self.plan = plan
        self.tally = tally
        self.online = online
        random = FastRandom(seed: UInt64(truncatingIfNeeded: index))
    }

    // MARK: Channel events

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        let request = """
            GET / HTTP/1.1\r\nHost: \(host.bracketed)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: \(SignalingFrame.subprotocol)\r\n\r\n
            """
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { end("closed by the server") }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end("\(error)")
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if var rest {
            self.rest = nil
            rest.writeBuffer(&buffer)
            buffer = rest
        }
        if phase == .upgrading, !finishUpgrade(&buffer) {
            rest = buffer
            return
        }
        while let (opcode, message) = Self.nextFrame(&buffer) { take(opcode, message) }
        if buffer.readableBytes > 0 { rest = buffer }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard mustFlush else { return }
        mustFlush = false
        context.flush()
    }

    // MARK: Login

    private func finishUpgrade(_ buffer: inout ByteBuffer) -> Bool {
        let view = buffer.readableBytesView
        guard let end = view.indices.first(where: { view[$0...].starts(with: [13, 10, 13, 10]) }) else { return false }
        guard view.starts(with: Array("HTTP/1.1 101".utf8)) else {
            fail("the upgrade was refused")
            return false
        }
        buffer.moveReaderIndex(to: end + 4)
        phase = .challenged
        return true
    }

    private func fail(_ reason: String) {
        end(reason)
        context?.close(promise: nil)
    }

    private func take(_ opcode: UInt8, _ message: ByteBuffer) {
        switch (opcode, phase) {
        case (9, _): write(ByteBuffer(bytes: FrameTemplate.pong(Array(message.readableBytesView))))
        case (8, _):
            let code: UInt16? = message.getInteger(at: message.readerIndex)
            fail("closed with code \(code.map { "\($0)" } ?? "none")")
        case (2, .online): receive(message)
        case (2, .challenged): logIn(message)
        case (2, .loggingIn):
            guard message.getInteger(at: message.readerIndex, as: UInt8.self) == 0x03 else { return }
            phase = .online
            online.succeed()
        default: break
        }
    }

    private func logIn(_ message: ByteBuffer) {
        guard case .challenge(let nonce, _, _) = try? SignalingFrame.decode(Array(message.readableBytesView)) else {
            return fail("no CHALLENGE")
        }
        let transcript = SignalingFrame.authenticationTranscript(host: host, nonce: nonce)
        let frame = SignalingFrame.auth(peer: identity.peerID.key, signature: identity.sign(transcript), features: 0)
        guard let bytes = try? frame.encode() else { return fail("no AUTH") }
        phase = .loggingIn
        write(ByteBuffer(bytes: FrameTemplate.frame(bytes)))
    }

    private func end(_ reason: String) {
        guard phase != .ended else { return }
        if phase == .online { tally.counts.lost += 1 }
        phase = .ended
        context = nil
        online.fail(LoadError.login(connection: index, reason: reason))
    }

    // MARK: Traffic

    /// Sends the first frames.
    func begin(_ count: Int) {
        for _ in 0..<count { send() }
        mustFlush = false
        context?.flush()
    }

    private func receive(_ message: ByteBuffer) {
        switch message.getInteger(at: message.readerIndex, as: UInt8.self) {
        case plan.type:
            let header = plan.template.timeOffset
            guard let sent = message.getInteger(at: message.readerIndex + header, as: UInt64.self) else { return }
            tally.received(bytes: message.readableBytes - header, sentAt: sent, now: Self.now)
            send()
        case 0x06:
            tally.counts.unreachable += 1
            send()
        default: break
        }
    }

    private func send() {
        guard phase == .online, let context else { return }
        let receiver = plan.mode == .relay ? index ^ 1 : random.next(below: plan.receivers.count)
        var buffer = context.channel.allocator.buffer(capacity: plan.template.payloadBytes + 64)
        plan.template.write(to: &buffer, receiver: plan.receivers[receiver], time: Self.now)
        write(buffer)
    }

    private func write(_ buffer: ByteBuffer) {
        context?.write(wrapOutboundOut(buffer), promise: nil)
        mustFlush = true
    }

    private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    // MARK: Frames of the server: never masked, never in fragments

    private static func nextFrame(_ buffer: inout ByteBuffer) -> (opcode: UInt8, message: ByteBuffer)? {
        let start = buffer.readerIndex
        guard let first: UInt8 = buffer.getInteger(at: start), let second: UInt8 = buffer.getInteger(at: start + 1)
        else {
            return nil
        }
        var length = Int(second & 0x7F)
        var header = 2
        if length == 126 {
            guard let long: UInt16 = buffer.getInteger(at: start + 2) else { return nil }
            (length, header) = (Int(long), 4)
        } else if length == 127 {
            guard let long: UInt64 = buffer.getInteger(at: start + 2) else { return nil }
            (length, header) = (Int(clamping: min(long, 1 << 24)), 10)
        }
        guard let message = buffer.getSlice(at: start + header, length: length) else { return nil }
        buffer.moveReaderIndex(forwardBy: header + length)
        return (first & 0x0F, message)
    }
}

/// What all clients have in common.
struct LoadPlan: Sendable {
    let mode: LoadMode
    let template: FrameTemplate
    let receivers: [MaskedPeer]

    /// First byte of the frames that are exchanged.
    var type: UInt8 { mode == .relay ? PeerAddressedFrame.relayType : PeerAddressedFrame.signalType }
}

/// Numbers that look random enough to pick somebody (xorshift64*).
struct FastRandom {
    private var state: UInt64

    init(seed: UInt64) { state = (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next(below bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        let value = state &* 0x2545_F491_4F6C_DD1D
        return Int(truncatingIfNeeded: value.multipliedFullWidth(by: UInt64(bound)).high)
    }
}
