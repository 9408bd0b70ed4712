import NIOCore
import NIOWebSocket
import Wire

/// One WebSocket connection, from CHALLENGE to its end. Everything here is owned by the connection's event loop; other
/// loops reach it through its `Outbox`.
///
/// Its channel does not read by itself: each read is asked for here, when what came before it has been dealt with.
final class ConnectionHandler: ChannelInboundHandler, SweptConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

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
    final class Session {
        /// What the log calls this connection.
        let name: [UInt8]
        let peer: PeerKey
        let outbox: Outbox
        var frames: TokenBucket
        var bytes: TokenBucket
        var signals: TokenBucket
        var unreachable: TokenBucket
        /// The last peer that a RELAY frame did not find, and until when that needs no saying again.
        var missing: (peer: PeerKey, until: NIODeadline)?
        /// SIGNAL frames of this client that wait for places in queues of others.
        var waiting = WaitingSignals()
        /// Nil when the server has no mailbox.
        var mail: MailSession?

        init(name: [UInt8], peer: PeerKey, outbox: Outbox, mail: MailSession?, limits: ServerLimits, now: NIODeadline) {
            self.name = name
            self.peer = peer
            self.outbox = outbox
            self.mail = mail
            frames = TokenBucket(limits.frames, now: now)
            bytes = TokenBucket(limits.bytes, now: now)
            signals = TokenBucket(limits.signals, now: now)
            unreachable = TokenBucket(limits.unreachable, now: now)
        }

        /// Counts a frame.
        func take(bytes count: Int, now: NIODeadline) {
            _ = frames.take(1, now: now)
            _ = bytes.take(Double(count), now: now)
        }

        /// When the client may be read from again; nil for now.
        func rateWait(_ now: NIODeadline) -> NIODeadline? {
            let wait = max(frames.available(now: now), bytes.available(now: now), signals.available(now: now))
            return wait > now ? wait : nil
        }
    }

    // What every frame needs comes first: of thousands of connections nothing is in the processor's caches, so each line of memory counts.
    let server: ServerContext
    let connections: LoopConnections
    private(set) var context: ChannelHandlerContext?
    var session: Session?
    /// Where frames of others are written; nil before the login, and with TLS.
    var direct: DirectSocket?
    /// Since when nothing can leave, if so.
    var unwritableSince: NIODeadline?
    var phase = Phase.challenged
    /// Whether what is read belongs to the event loop's `ReadBuffers`.
    let isPlain: Bool
    let hasMailbox: Bool
    private var wantsRead = false
    /// Pings since the client was last heard.
    var unanswered = 0
    /// What answers of the mailbox take that have not been written yet, in bytes.
    var unreadAnswers = 0
    /// The end of a pause for its rate.
    private var pause: Scheduled<Void>?
    /// Bytes that may still come before the login, so that nobody can make the server keep the beginning of a large frame. Enough for
    /// AUTH, and for a ping or two; nil once the login holds.
    private var allowance: Int? = 1024
    private var reader = WebSocketReader()

    let admission: AddressLimits.Admission
    /// When the phase must be over; does not matter while active.
    var deadline: NIODeadline
    /// What came in and waits for the end of a pause; no more than the reads of one event bring.
    private var held: ByteBuffer?
    /// Fragments of a message.
    private var fragments: ByteBuffer?
    /// Whether what was written will be flushed.
    var isFlushPlanned = false
    /// Which of the server's CHALLENGEs this connection got.
    var order: UInt64 = 0
    /// What CHALLENGE asked to sign.
    var nonce: [UInt8]?
    /// The host that the client says it dialed.
    let hint: HostName?
    /// When the next ping is due.
    var nextPing = NIODeadline.distantFuture

    init(
        server: ServerContext, connections: LoopConnections, admission: AddressLimits.Admission, hint: HostName?,
        isPlain: Bool
    ) {
        self.isPlain = isPlain
        self.server = server
        hasMailbox = server.mailbox != nil
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
        readOn()
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
        take(unwrapInboundIn(data))
        readOn()
    }

    private func take(_ bytes: ByteBuffer) {
        unanswered = 0
        var input = bytes
        if let left = allowance {
            allowance = left - input.readableBytes
            guard left >= input.readableBytes else { return close(.frameTooLarge, reason: "frame too large") }
        }
        if held == nil { handleFrames(&input, now: .now()) }
        if phase != .closed, input.readableBytes > 0 {
            // A copy: what was read into is for others now.
            var rest = held.take() ?? ByteBuffer()
            rest.writeBuffer(&input)
            held = rest
        }
        if isPlain { connections.readBuffers.give(input) }
    }

    /// Asks for more, now or at the end of a pause.
    private func readOn() {
        if isPaused { wantsRead = true } else { context?.read() }
    }

    /// Nobody behind this one waits for it.
    func channelReadComplete(context: ChannelHandlerContext) {}

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unwritableSince = context.channel.isWritable ? nil : .now()
        if unwritableSince == nil { drain() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        closeNow()
    }

    // MARK: Reading

    /// Whether nothing is read for now.
    private var isPaused: Bool { pause != nil || hasUnreadAnswers }

    /// Whether a frame may be handled now; begins a pause if the client's rate does not allow it.
    private func mayHandle(_ now: NIODeadline) -> Bool {
        guard !isPaused else { return false }
        guard let wait = rateWait(now) else { return true }
        startPause(until: wait)
        return false
    }

    /// Handles what has waited, unless and until reading pauses again.
    private func handleHeld() {
        guard var input = held.take() else { return }
        handleFrames(&input, now: .now())
        if phase != .closed, input.readableBytes > 0 { held = input }
    }

    /// Handles frames until there is none, or reading pauses: then the rest stays in `input`.
    private func handleFrames(_ input: inout ByteBuffer, now: NIODeadline) {
        while phase != .closed, mayHandle(now) {
            do {
                guard var frame = try reader.next(&input, limit: frameLimit) else { return }
                handle(&frame, now: now)
            } catch {
                // Nothing after it has a meaning.
                input.moveReaderIndex(to: input.writerIndex)
                switch error {
                case .tooLarge: return close(.frameTooLarge, reason: "frame too large")
                case .malformed: return close(.protocolError, reason: "malformed frame")
                }
            }
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
        phase == .active ? session?.rateWait(now) : nil
    }

    private func startPause(until deadline: NIODeadline) {
        guard let context else { return }
        server.metrics.ratePauses.add()
        pause = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
            self?.pause = nil
            self?.resumeReading()
        }
    }

    private func handle(_ frame: inout ClientFrame, now: NIODeadline) {
        if phase == .active { session?.take(bytes: frame.length, now: now) }
        guard phase != .closing else {
            if frame.opcode == .connectionClose { closeNow() }
            return
        }
        switch frame.opcode {
        case .pong: break
        case .ping: write(.pong, frame.takePayload().readableBytesView)
        case .connectionClose: answerClose(frame.takePayload())
        case .continuation, .binary:
            guard var message = assemble(&frame) else { return }
            if phase == .active { receive(&message, now: now) } else { receiveLogin(message) }
        case .text: close(.protocolError, reason: "binary frames only")
        default: close(.protocolError, reason: "malformed frame")
        }
    }

    /// The message that `frame` is, or completes; with the header for sending it on in front, as in `ClientFrame`.
    private func assemble(_ frame: inout ClientFrame) -> ByteBuffer? {
        guard (frame.opcode == .continuation) == (fragments != nil) else {
            close(.protocolError, reason: "fragments out of order")
            return nil
        }
        // The reader holds one frame to the limit.
        if fragments == nil, frame.isFinal { return frame.takePayload() }
        var message = fragments.take() ?? ByteBuffer()
        guard message.readableBytes + frame.length <= frameLimit else {
            close(.frameTooLarge, reason: "frame too large")
            return nil
        }
        message.writeImmutableBuffer(frame.takePayload())
        guard frame.isFinal else {
            fragments = message
            return nil
        }
        var whole = ServerFrame.make(.binary, message.readableBytesView)
        whole.moveReaderIndex(forwardBy: ServerFrame.headerCount(message.readableBytes))
        return whole
    }

    /// The login holds: frames may be larger now.
    func openGate() { allowance = nil }

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
        reader = WebSocketReader()
        nonce = nil
        context = nil
        direct = nil
        connections.remove(self)
    }
}
