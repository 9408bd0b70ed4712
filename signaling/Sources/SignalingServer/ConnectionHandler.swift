import NIOCore
import WebSocket
import Wire

/// One connection, from its first byte to its last: HTTP request, WebSocket, login, frames. The only handler in its
/// pipeline besides TLS. Everything here is owned by the connection's event loop; other loops reach it through its
/// `Outbox`.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase: Hashable {
        /// The HTTP request is not there yet.
        case http
        /// CHALLENGE is on its way, AUTH is not there yet.
        case challenged
        /// Logged in.
        case active
        /// A last answer or close frame is on its way; what comes is thrown away.
        case closing
        case closed
    }

    /// What a login brings.
    struct Session {
        let peer: PeerKey
        let peerBytes: [UInt8]
        let outbox: Outbox
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
    private let addressKey: AddressKey
    let admission: AddressLimits.Admission

    private(set) var context: ChannelHandlerContext?
    var phase = Phase.http
    /// When the phase must be over; does not matter while active.
    var deadline: NIODeadline
    var decoder = WebSocketDecoder(masked: true)
    /// The start of an HTTP request.
    var head: ByteBuffer?
    /// Fragments of a message.
    private var fragments: ByteBuffer?
    /// What CHALLENGE asked to sign, and the host that the client says it dialed.
    var challenge: (nonce: [UInt8], hint: HostName?)?
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
        server: ServerContext, connections: LoopConnections, addressKey: AddressKey,
        admission: AddressLimits.Admission, now: NIODeadline
    ) {
        self.server = server
        self.connections = connections
        self.addressKey = addressKey
        self.admission = admission
        deadline = now + server.limits.authentication
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connections.insert(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ended()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch phase {
        case .http:
            receiveHTTP(bytes)
        case .challenged, .active, .closing:
            unanswered = 0
            decoder.append(bytes)
            readFrames()
        case .closed:
            break
        }
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
        closeNow()
    }

    // MARK: Reading

    /// Whether nothing is read for now.
    private var isPaused: Bool { pause != nil || session?.blocked != nil }

    /// Handles every whole frame that is there, unless and until reading pauses.
    func readFrames() {
        let now = NIODeadline.now()
        while !isPaused, phase != .closed, phase != .http {
            if let wait = rateWait(now) { return startPause(until: wait) }
            do {
                guard let frame = try decoder.next(limit: frameLimit) else { return }
                handle(frame, now: now)
            } catch {
                refuse(error)
                return
            }
        }
    }

    /// Goes on after a pause of whichever kind.
    func resumeReading() {
        guard !isPaused, phase != .closed else { return }
        readFrames()
        guard !isPaused, wantsRead, let context else { return }
        wantsRead = false
        context.read()
    }

    /// The rate does not matter any more.
    func endPause() {
        pause?.cancel()
        pause = nil
        guard wantsRead, let context else { return }
        wantsRead = false
        context.read()
    }

    private var frameLimit: Int {
        phase == .challenged ? SignalingFrame.maximumFrameBeforeLogin : SignalingFrame.maximumFrame
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
            _ = session?.bytes.take(Double(frame.count), now: now)
        }
        switch (frame.opcode, phase) {
        case (.close, .closing):
            closeNow()
        case (_, .closing), (.pong, _), (.text, _):
            break
        case (.close, _):
            answerClose(frame)
        case (.ping, _):
            write(.pong, frame.payload)
        case (.continuation, _), (.binary, _):
            guard let message = assemble(frame) else { return }
            if phase == .active { receive(message, now: now) } else { receiveLogin(message) }
        }
    }

    /// The message that `frame` is, or completes.
    private func assemble(_ frame: WebSocketFrame) -> WebSocketFrame? {
        guard (frame.opcode == .continuation) == (fragments != nil) else {
            close(.protocolError, reason: "fragments out of order")
            return nil
        }
        if fragments == nil, frame.isFinal { return frame }
        var buffer = fragments ?? ByteBuffer()
        guard buffer.readableBytes + frame.count <= frameLimit else {
            close(.frameTooLarge, reason: "frame too large")
            return nil
        }
        frame.writePayload(from: 0, to: &buffer)
        fragments = frame.isFinal ? nil : buffer
        return frame.isFinal ? WebSocketFrame(isFinal: true, opcode: .binary, mask: nil, maskedPayload: buffer) : nil
    }

    private func refuse(_ error: WebSocketError) {
        guard phase != .closing else { return closeNow() }
        switch error {
        case .tooLarge: close(.frameTooLarge, reason: "frame too large")
        case .text: close(.protocolError, reason: "binary frames only")
        case .malformed: close(.protocolError, reason: "malformed frame")
        }
    }

    // MARK: The end

    /// Lets go of everything, once.
    private func ended() {
        guard phase != .closed else { return }
        leave()
        phase = .closed
        pause?.cancel()
        pause = nil
        decoder.removeAll()
        fragments = nil
        head = nil
        challenge = nil
        context = nil
        connections.remove(self)
        server.addresses.release(addressKey, now: .now())
    }
}
