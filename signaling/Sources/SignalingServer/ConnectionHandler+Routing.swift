import NIOCore
import WebSocket
import Wire

// Frames of a client that has logged in.
extension ConnectionHandler {
    /// How long one peer's absence needs no saying again to somebody who sends it RELAY frames.
    private static let missingSilence = TimeAmount.milliseconds(250)

    /// Takes a whole message.
    func receive(_ message: WebSocketFrame, now: NIODeadline) {
        let start = message.prefix(RelayHeader.byteCount)
        switch start.first {
        case PeerAddressedFrame.relayType:
            receiveRelay(message, start: start, now: now)
        case PeerAddressedFrame.signalType:
            receiveSignal(message, start: start, now: now)
        case .some(0x01), .some(0x02), .some(0x03), .some(0x06), .some(0x07), nil:
            close(.protocolError, reason: "a frame that does not belong here")
        case .some:
            server.metrics.unknown.add()
        }
    }

    private func receiveRelay(_ message: WebSocketFrame, start: [UInt8], now: NIODeadline) {
        guard start.count == RelayHeader.byteCount, let receiver = try? PeerKey(start[1..<33]),
            (try? RelayHeader.check(
                segmentSize: UInt16(start[33]) << 8 | UInt16(start[34]),
                packetBytes: message.count - RelayHeader.byteCount)) != nil
        else {
            return close(.protocolError, reason: "malformed RELAY")
        }
        switch server.router.relay(forwarded(message, type: PeerAddressedFrame.relayType), to: receiver) {
        case .queued(let dropped):
            server.metrics.relays.add()
            server.metrics.relayBytes.add(message.count)
            if dropped > 0 { server.metrics.relayDropped.add(dropped) }
        case .closed:
            if let missing = session?.missing, missing.peer == receiver, missing.until > now { return }
            session?.missing = (receiver, now + Self.missingSilence)
            sayUnreachable(receiver, .notConnected, now: now)
        }
    }

    private func receiveSignal(_ message: WebSocketFrame, start: [UInt8], now: NIODeadline) {
        let payload = message.count - 1 - PeerKey.byteCount
        guard (1...SignalingFrame.maximumSignalPayload).contains(payload), let receiver = try? PeerKey(start[1..<33])
        else {
            return close(.protocolError, reason: "malformed SIGNAL")
        }
        _ = session?.signals.take(1, now: now)
        let signal = Outbox.Signal(
            frame: forwarded(message, type: PeerAddressedFrame.signalType), sender: session?.peer)
        offer(signal, to: receiver, deadline: now + server.limits.signalWait, now: now)
    }

    /// The message as its receiver gets it: our header, and the sender in the receiver's place.
    private func forwarded(_ message: WebSocketFrame, type: UInt8) -> ByteBuffer {
        var frame = ByteBufferAllocator().buffer(
            capacity: ByteBuffer.webSocketHeaderLength(payloadLength: message.count, masked: false) + message.count)
        frame.writeWebSocketHeader(.binary, payloadLength: message.count)
        frame.writeInteger(type)
        frame.writeBytes(session?.peerBytes ?? [])
        message.writePayload(from: 1 + PeerKey.byteCount, to: &frame)
        return frame
    }

    private func offer(_ signal: Outbox.Signal, to receiver: PeerKey, deadline: NIODeadline, now: NIODeadline) {
        session?.blocked = nil
        switch server.router.signal(signal, to: receiver, waiter: session?.outbox) {
        case (.queued, _):
            server.metrics.signals.add()
        case (.wait, let queue?):
            server.metrics.signalWaits.add()
            session?.blocked = BlockedSignal(signal: signal, receiver: receiver, queue: queue, deadline: deadline)
        case (.wait, nil), (.overloaded, _):
            sayUnreachable(receiver, .overloaded, now: now)
        case (.closed, _):
            sayUnreachable(receiver, .notConnected, now: now)
        }
    }

    /// There is room again where our SIGNAL waits.
    func resumeSignal() {
        guard phase == .active, let blocked = session?.blocked else { return }
        offer(blocked.signal, to: blocked.receiver, deadline: blocked.deadline, now: .now())
        resumeReading()
    }

    /// Our SIGNAL has waited too long.
    private func giveUpSignal(_ blocked: BlockedSignal, now: NIODeadline) {
        guard let outbox = session?.outbox else { return }
        blocked.queue.giveUp(outbox, inVain: true)
        session?.blocked = nil
        sayUnreachable(blocked.receiver, .overloaded, now: now)
        resumeReading()
    }

    private func sayUnreachable(_ peer: PeerKey, _ reason: UnreachableReason, now: NIODeadline) {
        guard context?.channel.isWritable == true, session?.unreachable.take(1, now: now) == true else { return }
        server.metrics.unreachable.add()
        send(.unreachable(peer: peer, reason: reason))
    }

    // MARK: Writing

    /// Writes what other connections have left for this client, as long as it can be written.
    func drain() {
        guard phase == .active, let context, let outbox = session?.outbox else { return }
        var wrote = false
        while context.channel.isWritable {
            let batch = outbox.take(maximumBytes: 64 * 1024)
            for waiter in batch.waiters { waiter.resumed() }
            guard !batch.frames.isEmpty else { break }
            for frame in batch.frames { context.write(wrapOutboundOut(frame), promise: nil) }
            wrote = true
        }
        if wrote { context.flush() }
    }

    /// Writes a frame of ours.
    func send(_ frame: SignalingFrame) {
        guard let bytes = try? frame.encode() else { return }
        write(.binary, bytes)
    }

    /// Writes a frame; answers to a client that does not read are not queued without end.
    func write(_ opcode: WebSocketOpcode, _ payload: [UInt8]) {
        guard let context, opcode != .pong || context.channel.isWritable else { return }
        var buffer = ByteBuffer()
        buffer.writeWebSocketFrame(opcode, payload)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    /// Writes bytes.
    func write(raw text: String) {
        context?.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    // MARK: Time

    /// What is due; called by the loop's timer.
    func sweep(now: NIODeadline) {
        switch phase {
        case .http, .closing:
            if now >= deadline { closeNow() }
        case .challenged:
            guard now >= deadline else { return }
            server.metrics.loginFailures.add()
            close(.authenticationTimeout, reason: "no AUTH in time")
        case .active:
            if let blocked = session?.blocked, now >= blocked.deadline { giveUpSignal(blocked, now: now) }
            beat(now)
        case .closed:
            break
        }
    }

    private func beat(_ now: NIODeadline) {
        if let since = unwritableSince, now >= since + server.limits.stalled {
            server.metrics.heartbeatTimeouts.add()
            return closeNow()
        }
        guard now >= nextPing else { return }
        nextPing = now + server.limits.heartbeat
        guard unanswered < 2 else {
            server.metrics.heartbeatTimeouts.add()
            return close(.heartbeatTimeout, reason: "nothing heard")
        }
        unanswered += 1
        write(.ping, [])
    }
}
