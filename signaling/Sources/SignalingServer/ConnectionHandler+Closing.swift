import Logging
import NIOCore
import NIOWebSocket
import Wire

// Ways to end. Each may be called in every phase, any number of times.
extension ConnectionHandler {
    /// Says why, and gives the client a moment to hear it.
    func close(_ code: SignalingCloseCode, reason: String) {
        guard phase == .challenged || phase == .active else { return closeNow() }
        if code == .protocolError || code == .frameTooLarge { server.metrics.protocolErrors.add() }
        server.logger.debug("closing", metadata: ["code": "\(code.rawValue)", "reason": "\(reason)"])
        leave()
        phase = .closing
        deadline = .now() + server.limits.closing
        write(.connectionClose, [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)] + Array(reason.utf8))
        endPause()
    }

    /// The client has closed: says so back, and ends.
    func answerClose(_ payload: ByteBuffer) {
        guard let context, phase != .closing else { return closeNow() }
        leave()
        phase = .closing
        deadline = .now() + server.limits.closing
        let code = payload.getBytes(at: payload.readerIndex, length: 2) ?? []
        let frame = ServerFrame.make(.connectionClose, code)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.closeNow() }
        queue(frame, promise: written)
        context.flush()
    }

    /// A newer login of the same peer took over.
    func replaced() {
        guard phase == .active else { return }
        server.metrics.replacements.add()
        send(.goAway(reason: .replaced, retryAfter: 0))
        close(.replaced, reason: "a newer login took over")
    }

    /// The server shuts down. Clients come back spread over a few seconds.
    func shutDown() {
        guard phase == .challenged || phase == .active else { return closeNow() }
        send(.goAway(reason: .shutdown, retryAfter: UInt32.random(in: 500...5000)))
        close(.goingAway, reason: "shutting down")
    }

    /// Ends without a word.
    func closeNow() {
        guard phase != .closed else { return }
        context?.close(promise: nil)
    }

    /// Leaves the routing table, once, and finds a way for what was not delivered.
    func leave() {
        guard let session else { return }
        self.session = nil
        server.logger.info("left", metadata: ["session": "\(Self.hex(session.name))"])
        for item in session.waiting.items { item.queue.giveUp(session.outbox, inVain: false) }
        server.router.detach(session.outbox, of: session.peer)
        let rest = session.outbox.close()
        for signal in rest.signals {
            guard !server.router.inherit(signal, by: session.peer, courier: connections.courier),
                let sender = signal.sender
            else { continue }
            let answer = SignalingFrame.unreachable(peer: session.peer, reason: .notConnected)
            guard let bytes = try? answer.encode() else { continue }
            _ = server.router.signal(
                Outbox.Signal(frame: ServerFrame.make(.binary, bytes), sender: nil), to: sender, waiter: nil,
                by: connections.courier)
        }
        // Only now, so that what waits longest goes first.
        for waiter in rest.waiters { waiter.resumed() }
    }
}
