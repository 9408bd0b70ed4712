import NIOCore
import NIOWebSocket
import Wire

// Frames of a client that has logged in.
extension ConnectionHandler {
    /// Takes a whole message.
    func receive(_ message: inout ByteBuffer, now: NIODeadline) {
        switch message.getInteger(at: message.readerIndex, as: UInt8.self) {
        case PeerAddressedFrame.relayType:
            receiveRelay(&message, now: now)
        case PeerAddressedFrame.signalType:
            receiveSignal(&message, now: now)
        case .some(let type) where MailFrame.isMail(type: type):
            receiveMail(message, now: now)
        case .some(0x01), .some(0x02), .some(0x03), .some(0x06), .some(0x07), nil:
            close(.protocolError, reason: "a frame that does not belong here")
        case .some:
            server.metrics.unknown.add()
        }
    }

    private func receiveRelay(_ message: inout ByteBuffer, now: NIODeadline) {
        guard let session else { return }
        let bytes = message.readableBytes
        guard let receiver = Self.peer(of: message),
            let size: UInt16 = message.getInteger(at: message.readerIndex + 1 + PeerKey.byteCount),
            (try? RelayHeader.check(segmentSize: size, packetBytes: bytes - RelayHeader.byteCount)) != nil
        else { return close(.protocolError, reason: "malformed RELAY") }
        forward(&message, session)
        switch server.router.relay(message, from: session.peer, to: receiver, by: connections.courier) {
        case .queued(let dropped):
            connections.courier.countRelay(bytes: bytes, dropped: dropped)
        case .closed:
            if let missing = session.missing, missing.peer == receiver, missing.until > now { return }
            session.missing = (receiver, now + server.limits.absence)
            sayUnreachable(receiver, .notConnected, now: now)
        }
    }

    private func receiveSignal(_ message: inout ByteBuffer, now: NIODeadline) {
        guard let session else { return }
        let payload = message.readableBytes - 1 - PeerKey.byteCount
        guard (1...SignalingFrame.maximumSignalPayload).contains(payload),
            let receiver = Self.peer(of: message)
        else {
            return close(.protocolError, reason: "malformed SIGNAL")
        }
        _ = session.signals.take(1, now: now)
        forward(&message, session)
        let signal = Outbox.Signal(frame: message, sender: session.peer)
        offer(signal, to: receiver, deadline: now + server.limits.signalWait, now: now)
    }

    /// The peer id of a SIGNAL or RELAY frame; nil for a frame that is cut.
    private static func peer(of message: ByteBuffer) -> PeerKey? {
        let start = message.readerIndex + PeerAddressedFrame.peerRange.lowerBound
        guard
            let words = message.getMultipleIntegers(at: start, as: (UInt64, UInt64, UInt64, UInt64).self)
        else { return nil }
        return PeerKey(words.0, words.1, words.2, words.3)
    }

    /// Makes of a message the frame that its receiver gets: with the sender in the receiver's place. Nothing is copied, for nobody else has the message.
    private func forward(_ message: inout ByteBuffer, _ session: Session) {
        let words = session.peer.words
        message.setMultipleIntegers(words.0, words.1, words.2, words.3, at: message.readerIndex + 1)
        message.moveReaderIndex(to: 0)
    }

    private func offer(_ signal: Outbox.Signal, to receiver: PeerKey, deadline: NIODeadline, now: NIODeadline) {
        guard let session else { return }
        // Nothing overtakes what waits for the same receiver.
        if let queue = session.waiting.queue(of: receiver) {
            return wait(.init(signal: signal, receiver: receiver, queue: queue, deadline: deadline), now: now)
        }
        switch server.router.signal(signal, to: receiver, waiter: session.outbox, by: connections.courier) {
        case (.queued, _):
            connections.courier.countSignal()
        case (.wait, let queue?):
            server.metrics.signalWaits.add()
            wait(.init(signal: signal, receiver: receiver, queue: queue, deadline: deadline), now: now)
        case (.wait, nil), (.overloaded, _):
            sayUnreachable(receiver, .overloaded, now: now)
        case (.closed, _):
            sayUnreachable(receiver, .notConnected, now: now)
        }
    }

    private func wait(_ item: WaitingSignals.Item, now: NIODeadline) {
        if session?.waiting.append(item) == false { sayUnreachable(item.receiver, .overloaded, now: now) }
    }

    /// There is room again where some of our SIGNAL frames wait.
    func resumeSignals() {
        guard phase == .active, let session else { return }
        let now = NIODeadline.now()
        for item in session.waiting.takeAll() {
            offer(item.signal, to: item.receiver, deadline: item.deadline, now: now)
        }
    }

    /// Some of our SIGNAL frames may have waited too long.
    private func giveUpSignals(_ now: NIODeadline) {
        guard let session else { return }
        for item in session.waiting.takeExpired(now) {
            item.queue.giveUp(session.outbox, inVain: true)
            sayUnreachable(item.receiver, .overloaded, now: now)
        }
    }

    private func sayUnreachable(_ peer: PeerKey, _ reason: UnreachableReason, now: NIODeadline) {
        guard context?.channel.isWritable == true, session?.unreachable.take(1, now: now) == true else { return }
        server.metrics.unreachable.add()
        send(.unreachable(peer: peer, reason: reason))
    }

    // MARK: Writing

    /// Writes what other connections have left for this client, as long as it can be written.
    func drain() {
        if let outbox = session?.outbox { drain(outbox) }
    }

    /// - Parameter outbox: the session's.
    func drain(_ outbox: Outbox) {
        guard phase == .active else { return }
        if unwritableSince == nil, !isMailReady, let frame = outbox.takeOnly() {
            writeNow(frame)
        } else {
            drainAll(outbox)
        }
        if hasMailbox { fetchMail() }
    }

    private var isMailReady: Bool { hasMailbox && session?.mail?.window.isReady == true }

    private func drainAll(_ outbox: Outbox) {
        guard let context else { return }
        let courier = connections.courier
        var wrote = false
        var hasMore = true
        while hasMore, unwritableSince == nil {
            // SIGNAL goes first; then packets and mail get the same share of what the client takes.
            hasMore = outbox.take(maximumBytes: Self.share, into: &courier.batch)
            let mails = takeMail(maximumBytes: Self.share)
            if !mails.isEmpty { hasMore = true }
            var batch = Outbox.Batch()
            swap(&batch, &courier.batch)
            for waiter in batch.waiters { waiter.resumed() }
            if !mails.isEmpty || !writeNow(batch.frames) {
                for frame in batch.frames { queue(frame) }
                for mail in mails { queue(mail) }
                wrote = wrote || !batch.frames.isEmpty || !mails.isEmpty
            }
            batch.removeAll()
            swap(&batch, &courier.batch)
        }
        if wrote { context.flush() }
    }

    /// Bytes that are written before it is looked again whether more can be.
    private static let share = 64 * 1024

    /// Writes a frame of ours.
    func send(_ frame: SignalingFrame) {
        guard let bytes = try? frame.encode() else { return }
        write(.binary, bytes)
    }

    /// Writes a frame; answers to a client that does not read are not queued without end.
    func write(_ opcode: WebSocketOpcode, _ payload: some Collection<UInt8>) {
        guard let context, opcode != .pong || context.channel.isWritable else { return }
        queue(ServerFrame.make(opcode, payload))
        context.flush()
    }

    /// Gives a frame to the channel; it is written with the next flush.
    func queue(_ frame: ByteBuffer, promise: EventLoopPromise<Void>? = nil) {
        guard let context else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        direct?.useChannel()
        context.write(wrapOutboundOut(frame), promise: promise)
    }

    /// Writes a frame, straight to the socket if nothing waits before it.
    private func writeNow(_ frame: ByteBuffer) {
        guard let context else { return }
        var frame = frame
        guard direct?.write(&frame, context) != true else { return }
        queue(frame)
        context.flush()
    }

    /// Writes what is one frame, or several small ones, with one call, straight to the socket if nothing waits before them.
    ///
    /// - Returns: false if nothing was done with them: they are better written by the channel.
    private func writeNow(_ frames: [ByteBuffer]) -> Bool {
        guard let context, direct != nil, let first = frames.first else { return false }
        guard frames.count > 1 else {
            writeNow(first)
            return true
        }
        guard frames.reduce(0, { $0 + $1.readableBytes }) <= Courier.gatheredLimit else { return false }
        var gathered = ByteBuffer()
        swap(&gathered, &connections.courier.gathered)
        for frame in frames { gathered.writeImmutableBuffer(frame) }
        guard direct?.write(&gathered, context) == true else {
            queue(gathered)
            context.flush()
            return true
        }
        gathered.clear()
        swap(&gathered, &connections.courier.gathered)
        return true
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
            giveUpSignals(now)
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
        write(.ping, [])
    }
}
