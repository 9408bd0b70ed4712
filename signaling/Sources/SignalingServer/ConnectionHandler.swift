import NIOCore
import NIOWebSocket
import Wire

/// One WebSocket connection, from CHALLENGE to its end. Everything here is owned by the connection's event loop; other
/// loops reach it through its `Outbox`.
final class ConnectionHandler: ChannelDuplexHandler, SweptConnection {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    enum Phase: Hashable {
        /// CHALLENGE is on its way, AUTH is not there yet.
        case challenged
        /// Logged in.
        case active
        /// A close frame is on its way; what comes is thrown away.
        case closing
        case closed
    }

    /// What a login brings.
    struct Session {
        /// What the log calls this connection.
        let name: [UInt8]
        let peer: PeerKey
        let peerBytes: [UInt8]
        let outbox: Outbox
        /// Nil when the server has no mailbox.
        var mail: MailSession?
        var frames: TokenBucket
        var bytes: TokenBucket
        var signals: TokenBucket
        var unreachable: TokenBucket
        /// The last peer that a RELAY frame did not find, and until when that needs no saying again.
        var missing: (peer: PeerKey, until: NIODeadline)?
        /// A SIGNAL that waits for a place in its receiver's queue; nothing is read meanwhile.
        var blocked: BlockedSignal?
    }

    struct BlockedSignal {
        let signal: Outbox.Signal
        let receiver: PeerKey
        let queue: Outbox
        let deadline: NIODeadline
    }

    let server: ServerContext
    private let connections: LoopConnections
    let admission: AddressLimits.Admission
    /// What stands in front of the decoder until the login holds.
    private var gate: LoginGate?

    private(set) var context: ChannelHandlerContext?
    var phase = Phase.challenged
    /// When the phase must be over; does not matter while active.
    var deadline: NIODeadline
    /// Frames that came in with others and wait for the end of a pause; no more than one read brings.
    private var held: CircularBuffer<WebSocketFrame>?
    /// Fragments of a message.
    private var fragments: ByteBuffer?
    /// What answers of the mailbox take that have not been written yet, in bytes.
    var unreadAnswers = 0
    /// Whether what was written will be flushed.
    var isFlushPlanned = false
    /// Which of the server's CHALLENGEs this connection got.
    var order: UInt64 = 0
    /// What CHALLENGE asked to sign.
    var nonce: [UInt8]?
    /// The host that the client says it dialed.
    let hint: HostName?
    var session: Session?
    /// Pings since the client was last heard, and when the next is due.
    var unanswered = 0
    var nextPing = NIODeadline.distantFuture
    /// Since when nothing can leave, if so.
    var unwritableSince: NIODeadline?
    /// The end of a pause for its rate.
    private var pause: Scheduled<Void>?
    private var wantsRead = false

    init(
        server: ServerContext, connections: LoopConnections, admission: AddressLimits.Admission, hint: HostName?,
        gate: LoginGate
    ) {
        self.gate = gate
        self.server = server
        self.connections = connections
        self.admission = admission
        self.hint = hint
        deadline = .now() + server.limits.authentication
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connections.insert(self)
        challenge()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ended()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .closed else { return }
        unanswered = 0
        let frame = unwrapInboundIn(data)
        let now = NIODeadline.now()
        guard held == nil, mayHandle(now) else {
            var frames = held.take() ?? CircularBuffer(initialCapacity: 4)
            frames.append(frame)
            held = frames
            return
        }
        handle(frame, now: now)
    }

    func read(context: ChannelHandlerContext) {
        if isPaused { wantsRead = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unwritableSince = context.channel.isWritable ? nil : .now()
        drain()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOWebSocketError.invalidFrameLength: close(.frameTooLarge, reason: "frame too large")
        case is NIOWebSocketError: close(.protocolError, reason: "malformed frame")
        default: closeNow()
        }
    }

    // MARK: Reading

    /// Whether nothing is read for now.
    private var isPaused: Bool { pause != nil || session?.blocked != nil || hasUnreadAnswers }

    /// Whether a frame may be handled now; begins a pause if the client's rate does not allow it.
    private func mayHandle(_ now: NIODeadline) -> Bool {
        guard !isPaused else { return false }
        guard let wait = rateWait(now) else { return true }
        startPause(until: wait)
        return false
    }

    /// Handles the frames that have waited, unless and until reading pauses again.
    private func handleHeld() {
        let now = NIODeadline.now()
        while phase != .closed, held != nil, mayHandle(now) {
            let frame = held?.popFirst()
            if held?.isEmpty == true { held = nil }
            if let frame { handle(frame, now: now) }
        }
    }

    /// Goes on after a pause of whichever kind.
    func resumeReading() {
        guard !isPaused, phase != .closed else { return }
        handleHeld()
        guard !isPaused, wantsRead, let context else { return }
        wantsRead = false
        context.read()
    }

    /// Neither the rate nor what waits for it matters any more.
    func endPause() {
        held = nil
        pause?.cancel()
        pause = nil
        guard wantsRead, let context else { return }
        wantsRead = false
        context.read()
    }

    private var frameLimit: Int {
        phase == .challenged ? SignalingFrame.maximumFrameBeforeLogin : server.maximumFrame
    }

    /// When the client may be read from again; nil for now.
    private func rateWait(_ now: NIODeadline) -> NIODeadline? {
        guard phase == .active, let session else { return nil }
        let wait = max(
            session.frames.available(now: now), session.bytes.available(now: now), session.signals.available(now: now))
        return wait > now ? wait : nil
    }

    private func startPause(until deadline: NIODeadline) {
        guard let context else { return }
        server.metrics.ratePauses.add()
        pause = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
            self?.pause = nil
            self?.resumeReading()
        }
    }

    private func handle(_ frame: WebSocketFrame, now: NIODeadline) {
        if phase == .active {
            _ = session?.frames.take(1, now: now)
            _ = session?.bytes.take(Double(frame.length), now: now)
        }
        guard phase != .closing else {
            if frame.opcode == .connectionClose { closeNow() }
            return
        }
        guard frame.maskKey != nil, frame.reservedBits.isEmpty else {
            return close(.protocolError, reason: "malformed frame")
        }
        switch frame.opcode {
        case .pong: break
        case .ping: write(.pong, frame.unmaskedData)
        case .connectionClose: answerClose(frame.unmaskedData)
        case .continuation, .binary:
            guard let message = assemble(frame) else { return }
            if phase == .active { receive(message, now: now) } else { receiveLogin(message) }
        case .text: close(.protocolError, reason: "binary frames only")
        default: close(.protocolError, reason: "malformed frame")
        }
    }

    /// The message that `frame` is, or completes.
    private func assemble(_ frame: WebSocketFrame) -> ByteBuffer? {
        guard (frame.opcode == .continuation) == (fragments != nil) else {
            close(.protocolError, reason: "fragments out of order")
            return nil
        }
        var message = fragments.take() ?? ByteBuffer()
        guard message.readableBytes + frame.length <= frameLimit else {
            close(.frameTooLarge, reason: "frame too large")
            return nil
        }
        if message.readableBytes == 0, frame.fin { return frame.unmaskedData }
        message.writeImmutableBuffer(frame.unmaskedData)
        if frame.fin { return message }
        fragments = message
        return nil
    }

    /// The login holds: frames may be larger now.
    func openGate() {
        if let gate = gate.take() { context?.pipeline.syncOperations.removeHandler(gate, promise: nil) }
    }

    // MARK: The end

    /// Lets go of everything, once.
    private func ended() {
        guard phase != .closed else { return }
        leave()
        phase = .closed
        pause?.cancel()
        pause = nil
        held = nil
        fragments = nil
        nonce = nil
        context = nil
        connections.remove(self)
    }
}
