import Glibc
import Logging
import NIOCore
import Wire

// From the WebSocket's first frame to WELCOME.
extension ConnectionHandler {
    /// Asks for a signature; or says why there is no place for this client.
    func challenge() {
        switch admission {
        case .admitted:
            break
        case .tooFast:
            server.metrics.refused.add()
            return close(.rateLimited, reason: "too many new connections from this address")
        case .tooMany, .refused:
            server.metrics.refused.add()
            return close(.tooManyConnections, reason: "too many connections")
        }
        let nonce = RandomBytes.make(SignalingFrame.nonceByteCount)
        self.nonce = nonce
        order = server.nextOrder()
        send(.challenge(nonce: nonce, serverTime: Self.milliseconds, serverName: server.configuration.name))
    }

    /// Takes AUTH, and nothing else.
    func receiveLogin(_ message: ByteBuffer) {
        guard let frame = try? SignalingFrame.decode(Array(message.readableBytesView)), let nonce,
            case .auth(let peer, let signature, _) = frame
        else {
            return close(.protocolError, reason: "AUTH expected")
        }
        let verdict = Authenticator.judge(
            peer: peer, signature: signature, nonce: nonce,
            names: server.hosts.names(local: context?.localAddress?.wireAddress), hint: hint)
        switch verdict {
        case .accepted:
            self.nonce = nil
            logIn(peer)
        case .wrongHost:
            server.metrics.loginFailures.add()
            let name = hint?.text ?? ""
            close(.wrongHost, reason: Self.wrongHostReason(name))
        case .rejected:
            server.metrics.loginFailures.add()
            close(.authenticationFailed, reason: "the signature does not hold")
        }
    }

    /// What the client's user can pass on to the server's operator; at most 123 bytes.
    private static func wrongHostReason(_ name: String) -> String {
        let long = "this server does not know itself as \(name); start it with --host \(name)"
        return long.utf8.count <= 123
            ? long : "this server does not know itself by that name; start it with --host NAME"
    }

    private func logIn(_ peer: PeerKey) {
        guard let context else { return }
        openGate()
        let now = NIODeadline.now()
        let limits = server.limits
        let outbox = Outbox(
            handler: self, eventLoop: context.eventLoop, loop: connections.number, limits: limits, order: order)
        let older: Outbox?
        switch server.router.attach(outbox, as: peer) {
        case .attached(let other): older = other
        case .outdated: return leaveToNewer()
        }
        let welcome = server.welcome(for: peer, time: Int64(Self.milliseconds / 1000))
        session = Session(
            name: welcome.session, peer: peer, outbox: outbox,
            mail: server.configuration.mailbox.map { MailSession($0.limits, now: now) }, limits: limits, now: now)
        phase = .active
        if isPlain { direct = DirectSocket(context.pipeline) }
        nextPing = now + limits.heartbeat
        unanswered = 0
        server.metrics.logins.add()
        send(.welcome(welcome))
        server.logger.info("logged in", metadata: ["session": "\(Self.hex(welcome.session))"])
        older?.replace()
        announceMailbox()
    }

    /// The peer has logged in by a connection that was begun after this one, which it has given up.
    private func leaveToNewer() {
        server.metrics.logins.add()
        server.metrics.replacements.add()
        send(.goAway(reason: .replaced, retryAfter: 0))
        close(.replaced, reason: "a newer login took over")
    }

    /// The log's name of a session.
    static func hex(_ session: [UInt8]) -> String {
        session.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// Milliseconds since 1970.
    private static var milliseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1000 + UInt64(max(0, time.tv_nsec)) / 1_000_000
    }
}
