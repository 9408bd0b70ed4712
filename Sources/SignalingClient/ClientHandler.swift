import NIOCore
import NIOPosix
import NIOWebSocket
import Wire

/// One connection, from the attempt to its end; in the pipeline once the WebSocket stands. Owned by its event loop. Every
/// way to end it may be taken in any state, any number of times.
final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private enum Phase: Hashable {
        /// The WebSocket does not stand yet.
        case connecting
        /// CHALLENGE is awaited.
        case upgraded
        /// AUTH is on its way.
        case authenticating
        case active
        case closed
    }

    private let settings: ClientSettings
    private let channel: any Channel
    private var context: ChannelHandlerContext?
    private var phase = Phase.connecting
    private var fragments: ByteBuffer?
    private var mail = MailQueue()
    /// A frame is being given to the channel, which may find out that the connection is gone.
    private var isWriting = false
    private var watch: RepeatedTask?
    /// When the server last sent anything.
    private(set) var lastHeard = NIODeadline.now()
    /// Why it is over, if it is.
    private(set) var outcome: SignalingDisconnect?
    /// What GOAWAY said.
    private var goAway: (reason: SignalingDisconnect, retryAfter: TimeAmount)?

    /// WELCOME has come.
    var onWelcome: ((ClientHandler, Welcome) -> Void)?
    /// It is over; called at most once.
    var onEnd: ((ClientHandler, SignalingDisconnect, TimeAmount?) -> Void)?

    init(_ settings: ClientSettings, channel: any Channel) {
        self.settings = settings
        self.channel = channel
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        guard phase == .connecting else { return context.close(promise: nil) }
        self.context = context
        phase = .upgraded
        lastHeard = .now()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(.network("the server closed the connection"))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.network("the server closed the connection"))
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        receive(unwrapInboundIn(data))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOWebSocketError.invalidFrameLength: fail(.frameTooLarge, .protocolError("a frame is too large"))
        case is NIOWebSocketError: fail(.protocolError, .protocolError("malformed frame"))
        default: end(ConnectFailure.reason(error))
        }
    }

    // MARK: Receiving

    private func receive(_ frame: WebSocketFrame) {
        guard phase != .closed else { return }
        guard frame.maskKey == nil, frame.reservedBits.isEmpty else {
            return fail(.protocolError, .protocolError("malformed frame"))
        }
        switch frame.opcode {
        case .ping: write(.pong, frame.data)
        case .pong: break
        case .connectionClose: receiveClose(Array(frame.data.readableBytesView))
        case .binary, .continuation:
            guard let message = assemble(frame) else { return }
            receive(message: message)
        default: fail(.protocolError, .protocolError("a text frame"))
        }
    }

    private func assemble(_ frame: WebSocketFrame) -> ByteBuffer? {
        guard (frame.opcode == .continuation) == (fragments != nil) else {
            fail(.protocolError, .protocolError("fragments out of order"))
            return nil
        }
        if fragments == nil, frame.fin { return frame.data }
        var message = fragments.take() ?? ByteBuffer()
        guard message.readableBytes + frame.length <= MailFrame.maximumFrame else {
            fail(.frameTooLarge, .protocolError("a message is too large"))
            return nil
        }
        message.writeImmutableBuffer(frame.data)
        if frame.fin { return message }
        fragments = message
        return nil
    }

    private func receive(message: ByteBuffer) {
        let type = message.readableBytesView.first
        if phase == .active, type == PeerAddressedFrame.relayType { return receiveRelay(message) }
        if let type, MailFrame.isMail(type: type) { return receiveMail(message) }
        let frame: SignalingFrame?
        do {
            frame = try SignalingFrame.decode(Array(message.readableBytesView))
        } catch {
            return fail(.protocolError, .protocolError("malformed frame"))
        }
        guard let frame else { return }
        switch (frame, phase) {
        case (.challenge(let nonce, _, _), .upgraded):
            authenticate(nonce)
        case (.welcome(let welcome), .authenticating):
            phase = .active
            watchHeartbeat(welcome)
            onWelcome?(self, welcome)
        case (.signal(let peer, let payload), .active):
            settings.events(.signal(from: peer, payload: payload))
        case (.unreachable(let peer, let reason), .active):
            settings.events(.unreachable(peer, reason))
        case (.goAway(let reason, let retryAfter), _):
            goAway = (reason == .replaced ? .replaced : .goAway, .milliseconds(Int64(retryAfter)))
        default:
            fail(.protocolError, .protocolError("a frame at the wrong time"))
        }
    }

    private func receiveRelay(_ message: ByteBuffer) {
        guard let header = try? RelayHeader(message.readableBytesView),
            let packets = message.getSlice(
                at: message.readerIndex + RelayHeader.byteCount, length: header.packetBytes)
        else {
            return fail(.protocolError, .protocolError("malformed RELAY"))
        }
        settings.events(.relay(from: header.peer, segmentSize: Int(header.segmentSize), packets: packets))
    }

    private func receiveMail(_ message: ByteBuffer) {
        let frame: MailFrame?
        do {
            frame = try MailFrame.decode(Array(message.readableBytesView))
        } catch {
            return fail(.protocolError, .protocolError("malformed mail frame"))
        }
        guard let frame else { return }
        guard phase == .active, frame.isFromServer else {
            return fail(.protocolError, .protocolError("a frame at the wrong time"))
        }
        settings.events(.mail(frame))
    }

    private func authenticate(_ nonce: [UInt8]) {
        phase = .authenticating
        let transcript = SignalingFrame.authenticationTranscript(host: settings.url.host, nonce: nonce)
        let frame = SignalingFrame.auth(peer: settings.peer, signature: settings.sign(transcript), features: 0)
        guard let bytes = try? frame.encode() else { return end(.authenticationFailed) }
        write(.binary, ByteBuffer(bytes: bytes))
    }

    /// The server says why it closes.
    private func receiveClose(_ payload: [UInt8]) {
        write(.connectionClose, ByteBuffer(bytes: payload.prefix(2)))
        let code = payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : 1005
        let text = HarmlessText.of(String(decoding: payload.dropFirst(2), as: UTF8.self))
        guard goAway == nil else { return end(.goAway) }
        switch SignalingCloseCode(rawValue: code) {
        case .goingAway: end(.goAway)
        case .authenticationFailed: end(.authenticationFailed)
        case .wrongHost: end(.wrongHost(text))
        case .replaced: end(.replaced)
        case .rateLimited, .tooManyConnections: end(.refused(text))
        case .heartbeatTimeout: end(.heartbeat)
        case .authenticationTimeout: end(.network(text))
        case .protocolError, .frameTooLarge: end(.protocolError("it says: \(text)"))
        case nil: end(phase == .active ? .network("the server closed (\(code))") : .notSotto("it closes with \(code)"))
        }
    }

    // MARK: Sending

    /// Sends a frame; false when not logged in or the frame is against its layout.
    func send(_ frame: SignalingFrame) -> Bool {
        guard phase == .active, let bytes = try? frame.encode() else { return false }
        write(.binary, ByteBuffer(bytes: bytes))
        return true
    }

    /// Sends a RELAY frame; false when it is dropped.
    func sendRelay(to peer: PeerKey, segmentSize: Int, packets: UnsafeRawBufferPointer) -> Bool {
        guard phase == .active, let context, context.channel.isWritable, let segment = UInt16(exactly: segmentSize),
            let header = try? RelayHeader(peer: peer, segmentSize: segment, packetBytes: packets.count)
        else { return false }
        // Room in front, so that the frame's own header needs no buffer of its own.
        let room = 16
        var message = context.channel.allocator.buffer(capacity: room + RelayHeader.byteCount + packets.count)
        message.moveWriterIndex(to: room)
        message.moveReaderIndex(to: room)
        message.writeBytes(header.bytes)
        message.writeBytes(packets)
        write(.binary, message)
        return true
    }

    /// Sends a mail frame, or keeps it until it can be sent; false when there is no room, or it is against its layout.
    func send(_ frame: MailFrame) -> Bool {
        guard phase == .active, !frame.isFromServer, let bytes = try? frame.encode(), mail.append(bytes) else {
            return false
        }
        writeMail()
        return true
    }

    private func writeMail() {
        while phase == .active, let context, let bytes = mail.next() {
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.wroteMail(bytes.count) }
            write(.binary, ByteBuffer(bytes: bytes), written)
        }
    }

    private func wroteMail(_ count: Int) {
        guard phase == .active, let context else { return }
        // Not at once: this may be in the middle of what the owner does.
        if mail.written(count) {
            context.eventLoop.assumeIsolated().execute { [weak self] in
                guard let self, phase == .active else { return }
                settings.events(.mailWritable)
            }
        }
        writeMail()
    }

    /// Asks for a sign of life.
    func ping() {
        write(.ping, ByteBuffer())
    }

    private func write(
        _ opcode: WebSocketOpcode, _ payload: ByteBuffer, _ promise: EventLoopPromise<Void>? = nil
    ) {
        guard phase != .closed, let context, opcode != .pong || context.channel.isWritable else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let frame = WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: payload)
        // It may be called from within itself, when a write that is done makes room for the next.
        let wasWriting = isWriting
        isWriting = true
        defer { isWriting = wasWriting }
        context.writeAndFlush(wrapOutboundOut(frame), promise: promise)
    }

    // MARK: Time

    /// Looks every half heartbeat whether the server has been heard within two and a half.
    private func watchHeartbeat(_ welcome: Welcome) {
        guard let context else { return }
        let beat = settings.timing.heartbeat ?? .seconds(Int64(max(1, welcome.heartbeat)))
        let half = TimeAmount.nanoseconds(beat.nanoseconds / 2)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        watch = context.eventLoop.scheduleRepeatedTask(initialDelay: half, delay: half) { _ in
            guard NIODeadline.now() > bound.value.lastHeard + .nanoseconds(half.nanoseconds * 5) else { return }
            bound.value.end(.heartbeat)
        }
    }

    // MARK: The end

    /// Ends it from our side.
    func close(_ code: SignalingCloseCode) {
        onEnd = nil
        guard phase != .closed else { return }
        sayClose(code)
        end(.network("closed"))
    }

    private func fail(_ code: SignalingCloseCode, _ reason: SignalingDisconnect) {
        sayClose(code)
        end(phase == .active ? reason : .notSotto("\(reason)"))
    }

    private func sayClose(_ code: SignalingCloseCode) {
        guard [.upgraded, .authenticating, .active].contains(phase) else { return }
        write(.connectionClose, ByteBuffer(integer: code.rawValue))
    }

    /// It is over.
    func end(_ reason: SignalingDisconnect) {
        guard phase != .closed else { return }
        phase = .closed
        outcome = goAway?.reason ?? reason
        watch?.cancel()
        fragments = nil
        context = nil
        onWelcome = nil
        channel.close(promise: nil)
        guard isWriting else { return tellEnd(reason) }
        // Not at once: the owner is sending, and in the middle of what it does.
        channel.eventLoop.assumeIsolated().execute { self.tellEnd(reason) }
    }

    private func tellEnd(_ reason: SignalingDisconnect) {
        onEnd.take()?(self, outcome ?? reason, goAway?.retryAfter)
    }

    // MARK: Addresses

    var localEndpoint: Endpoint? { channel.localAddress?.endpoint }
    var remoteEndpoint: Endpoint? { channel.remoteAddress?.endpoint }

    /// Whether this machine does not have the address any more that the connection comes from.
    var hasLostItsAddress: Bool {
        guard let local = localEndpoint?.address, let devices = try? System.enumerateDevices() else { return false }
        return !devices.contains { $0.address?.endpoint?.address == local }
    }
}
