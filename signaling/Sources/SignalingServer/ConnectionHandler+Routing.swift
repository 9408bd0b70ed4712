import NIOCore
import NIOWebSocket
import Wire

// Frames of a client that has logged in.
extension ConnectionHandler {
    /// Takes a whole message.
    func receive(_ message: ByteBuffer, now: NIODeadline) {
        switch message.readableBytesView.first {
        case PeerAddressedFrame.relayType:
            receiveRelay(message, now: now)
        case PeerAddressedFrame.signalType:
            receiveSignal(message, now: now)
        case .some(let type) where MailFrame.isMail(type: type):
            receiveMail(message, now: now)
        case .some(0x01), .some(0x02), .some(0x03), .some(0x06), .some(0x07), nil:
            close(.protocolError, reason: "a frame that does not belong here")
        case .some:
            server.metrics.unknown.add()
        }
    }

    private func receiveRelay(_ message: ByteBuffer, now: NIODeadline) {
        guard let header = try? RelayHeader(message.readableBytesView) else {
            return close(.protocolError, reason: "malformed RELAY")
        }
        guard let sender = session?.peer else { return }
        let receiver = header.peer
        switch server.router.relay(forwarded(message), from: sender, to: receiver) {
        case .queued(let dropped):
            // Who sees all frames counted sees all that they cost counted, too.
            if dropped > 0 { server.metrics.relayDropped.add(dropped) }
            server.metrics.relayBytes.add(message.readableBytes)
            server.metrics.relays.add()
        case .closed:
            if let missing = session?.missing, missing.peer == receiver, missing.until > now { return }
            session?.missing = (receiver, now + server.limits.absence)
            sayUnreachable(receiver, .notConnected, now: now)
        }
    }

    private func receiveSignal(_ message: ByteBuffer, now: NIODeadline) {
        let payload = message.readableBytes - 1 - PeerKey.byteCount
        guard (1...SignalingFrame.maximumSignalPayload).contains(payload),
            let receiver = try? PeerAddressedFrame.peer(of: message.readableBytesView)
        else {
            return close(.protocolError, reason: "malformed SIGNAL")
        }
        _ = session?.signals.take(1, now: now)
        let signal = Outbox.Signal(frame: forwarded(message), sender: session?.peer)
        offer(signal, to: receiver, deadline: now + server.limits.signalWait, now: now)
    }

    /// The message as its receiver gets it: with the sender in the receiver's place.
    private func forwarded(_ message: ByteBuffer) -> ByteBuffer {
        var message = message
        message.setBytes(session?.peerBytes ?? [], at: message.readerIndex + 1)
        return message
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
            // SIGNAL goes first; then packets and mail get the same share of what the client takes.
            let batch = outbox.take(maximumBytes: 64 * 1024)
            for waiter in batch.waiters { waiter.resumed() }
            let frames = batch.frames + takeMail(maximumBytes: 64 * 1024)
            guard !frames.isEmpty else { break }
            for frame in frames {
                context.write(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .binary, data: frame)), promise: nil)
            }
            wrote = true
        }
        if wrote { context.flush() }
        fetchMail()
    }

    /// Writes a frame of ours.
    func send(_ frame: SignalingFrame) {
        guard let bytes = try? frame.encode() else { return }
        write(.binary, ByteBuffer(bytes: bytes))
    }

    /// Writes a frame; answers to a client that does not read are not queued without end.
    func write(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) {
        guard let context, opcode != .pong || context.channel.isWritable else { return }
        let frame = WebSocketFrame(fin: true, opcode: opcode, data: payload)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    // MARK: Time

    /// What is due; called by the loop's timer.
    func sweep(now: NIODeadline) {
        switch phase {
        case .closing:
            if now >= deadline { closeNow() }
        case .challenged:
            guard now >= deadline else { return }
            server.metrics.loginFailures.add()
            close(.authenticationTimeout, reason: "no AUTH in time")
        case .active:
            if let blocked = session?.blocked, now >= blocked.deadline { giveUpSignal(blocked, now: now) }
            retryMail()
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
        write(.ping, ByteBuffer())
    }
}
