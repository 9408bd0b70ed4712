package import Identity
import NIOCore
package import Paths
import SecureTransport

/// One Noise-QUIC session with one peer: the conversation stream, and what carries it.
///
/// Owned by the node's event loop, like everything in this module. Bytes written before ``close(code:reason:)`` are not waited for:
/// who wants an acknowledgement gets it from the peer.
package final class PeerSession {
    /// Whom the session is with; proven by the handshake.
    package let peer: PeerID
    /// Whether we dialed. The dialer is QUIC client, opens the conversation and offers ICE.
    package let isDialer: Bool
    /// When the session was dialed or answered.
    package let startedAt: MonotonicTime
    /// What the peer said in the handshake.
    package private(set) var greeting: [UInt8] = []
    /// What carries the session; known when ``PeerEvent/opened(_:)`` comes, and ``PeerEvent/path(_:_:)`` tells its changes.
    package private(set) var path: PathReport?

    private var pathID = PathID.relay

    enum State { case handshaking, open, closed }

    private(set) var state = State.handshaking
    let transport: SecureSession
    private let clock: NodeClock
    private unowned let link: PeerLink
    private var conversation: StreamID?
    private var timer: Scheduled<Void>?
    private var timerDue: MonotonicTime?
    private var isPumpScheduled = false
    private var refusedBytes = false
    /// Streams beside the conversation.
    private var streams: [StreamID: PeerStream] = [:]

    init(_ transport: SecureSession, peer: PeerID, isDialer: Bool, link: PeerLink, clock: NodeClock) {
        self.transport = transport
        self.peer = peer
        self.isDialer = isDialer
        self.link = link
        self.clock = clock
        self.startedAt = clock.now
    }

    // MARK: The conversation

    /// Whether the conversation stream is open, so that bytes can be written.
    package var isOpen: Bool { state == .open && conversation != nil }

    /// Writes all of `bytes` to the conversation stream, or nothing when its buffer has no room.
    ///
    /// - Returns: whether they were taken. After a refusal ``PeerEvent/writable(_:)`` tells when to try again.
    package func write(_ bytes: [UInt8]) -> Bool {
        guard state == .open, let conversation, transport.writableBytes(of: conversation) >= bytes.count else {
            refusedBytes = true
            return false
        }
        guard let count = try? transport.write(bytes, to: conversation), count == bytes.count else { return false }
        schedulePump()
        return true
    }

    /// Takes what has arrived on the conversation stream, in order; empty when there is nothing.
    package func read(maximum: Int = 64 << 10) -> [UInt8] {
        guard state == .open, let conversation else { return [] }
        guard let bytes = try? transport.read(from: conversation, maxLength: maximum), !bytes.isEmpty else { return [] }
        schedulePump()
        return bytes
    }

    /// Ends the session and tells the peer why. Idempotent.
    package func close(code: UInt64 = CloseCode.done, reason: String = "") {
        guard state != .closed else { return }
        transport.close(code: code, reason: reason, now: clock.now)
        flush()
        finish(.local)
    }

    /// Says how closely to watch the paths: each second while the user looks at the conversation, rarely otherwise.
    package func setOnScreen(_ isOnScreen: Bool) {
        transport.setActivity(isOnScreen ? .onScreen : .idle, now: clock.now)
        schedulePump()
    }

    /// The path in use with its round-trip time as measured by now.
    package var currentPath: PathReport? {
        guard state == .open, let path else { return nil }
        let measured = transport.status(of: pathID)?.roundTrip ?? transport.statistics.roundTrip
        return PathReport(
            kind: path.kind, roundTripMilliseconds: measured?.inMilliseconds ?? path.roundTripMilliseconds,
            local: path.local, remote: path.remote, dataPlane: link.dataPlane(of: pathID),
            sinceStartMilliseconds: path.sinceStartMilliseconds)
    }

    // MARK: Packets

    func receive(_ packets: UnsafeRawBufferPointer, segmentSize: Int, on path: PathID, now: MonotonicTime) {
        guard state != .closed else { return }
        transport.receive(packets, segmentSize: segmentSize, on: path, now: now)
        schedulePump()
    }

    /// Whether nothing was heard for so long of the peer itself: what others send in its name is not counted.
    func isSilent(for span: TimeSpan) -> Bool { clock.now - (transport.heardAt ?? startedAt) > span }

    /// The device's addresses changed.
    func networkChanged() {
        guard state != .closed else { return }
        transport.networkChanged(now: clock.now)
        schedulePump()
    }

    func addPath(_ id: PathID, kind: PathKind, isLocal: Bool = false) {
        guard state != .closed else { return }
        transport.addPath(id, kind: kind, isLocal: isLocal, now: clock.now)
        schedulePump()
    }

    func removePath(_ id: PathID) {
        guard state != .closed else { return }
        transport.removePath(id, now: clock.now)
        schedulePump()
    }

    func setRelayAvailable(_ isAvailable: Bool) {
        guard state != .closed else { return }
        transport.setRelayAvailable(isAvailable, now: clock.now)
        schedulePump()
    }

    /// Ends the session without a word to the peer.
    func abandon(_ end: SessionEnd) {
        guard state != .closed else { return }
        finish(end)
    }

    /// The link is gone: whoever still holds the session finds it closed.
    func release() {
        state = .closed
        timer?.cancel()
    }

    // MARK: The pump: timers in, packets and events out

    /// Flushes once per turn of the event loop, however many inputs came in it.
    func schedulePump() {
        guard !isPumpScheduled, state != .closed else { return }
        isPumpScheduled = true
        clock.soon { [weak self] in
            self?.isPumpScheduled = false
            self?.pump()
        }
    }

    func pump() {
        guard state != .closed else { return }
        flush()
        while let event = transport.pollEvent() {
            handle(event)
            if state == .closed { return }
        }
        flush()
        armTimer()
    }

    private func flush() {
        transport.transmit(now: clock.now) { bytes, segmentSize, path in
            link.transmit(bytes, segmentSize: segmentSize, on: path)
        }
    }

    private func armTimer() {
        guard let due = transport.nextTimeout else { return }
        // A timer that fires too early does no harm, while taking one back costs the event loop a search: with every packet the next
        // timeout moves on.
        if let timerDue, timer != nil, timerDue <= due { return }
        timer?.cancel()
        timerDue = due
        timer = clock.at(due) { [weak self] in
            guard let self, self.state != .closed else { return }
            self.timer = nil
            self.timerDue = nil
            self.timerFired()
        }
    }

    private func timerFired() {
        let now = clock.now
        guard let due = transport.nextTimeout, due <= now else { return armTimer() }
        transport.handleTimeout(now: now)
        pump()
    }

    private func handle(_ event: SessionEvent) {
        switch event {
        case .handshakeCompleted(let greeting):
            self.greeting = greeting
            if isDialer {
                do {
                    conversation = try transport.openStream()
                } catch {
                    return close(code: CloseCode.protocolError, reason: "no stream")
                }
                open()
            }
        case .streamOpened(let stream):
            guard conversation == nil, !isDialer else { return opened(stream) }
            conversation = stream
            open()
        case .streamReadable(let stream):
            if stream == conversation { link.sessionReadable(self) } else { tell(stream, .readable) }
        case .streamWritable(let stream):
            if stream == conversation, refusedBytes {
                refusedBytes = false
                link.sessionWritable(self)
            } else {
                tell(stream, .writable)
            }
        case .streamFinished(let stream), .streamReset(let stream, _), .streamStopped(let stream, _):
            // Nobody ends the conversation stream but by closing the session.
            guard stream != conversation else {
                return close(code: CloseCode.protocolError, reason: "the conversation stream ended")
            }
            tell(stream, .ended)
            streams[stream]?.abandon()
        case .streamsAvailable, .datagram, .mtuChanged, .pathSuspected, .pathRestored:
            break
        case .pathChosen(let id, let kind, let roundTrip):
            report(kind, id: id, roundTrip: roundTrip)
        case .pathLost(let id):
            link.pathLost(id, in: self)
        case .closed(let reason):
            finish(SessionEnd(reason))
        }
    }

    private func open() {
        if path == nil { report(.relay, id: .relay, roundTrip: nil) }
        state = .open
        link.sessionOpened(self)
    }

    private func report(_ kind: PathKind, id: PathID, roundTrip: TimeSpan?) {
        let endpoints = link.endpoints(of: id)
        let report = PathReport(
            kind: kind, roundTripMilliseconds: (roundTrip ?? transport.statistics.roundTrip)?.inMilliseconds,
            local: endpoints?.local, remote: endpoints?.remote, dataPlane: link.dataPlane(of: id),
            sinceStartMilliseconds: (clock.now - startedAt).inMilliseconds)
        path = report
        pathID = id
        if state == .open { link.sessionPath(self, report, id: id) }
    }

    /// A stream beside the conversation: whether it is wanted is the owner's decision.
    private func opened(_ stream: StreamID) {
        guard state == .open, streams.count < Self.maximumStreams else { return refuse(stream) }
        remember(PeerStream(stream, of: self))
        tell(stream, .opened)
    }

    /// A stream that nobody can want.
    private func refuse(_ stream: StreamID) {
        try? transport.stopSending(stream, code: CloseCode.protocolError)
        try? transport.reset(stream, code: CloseCode.protocolError)
    }

    @discardableResult
    func remember(_ stream: PeerStream) -> PeerStream {
        streams[stream.id] = stream
        return stream
    }

    func forget(_ stream: StreamID) { streams[stream] = nil }

    private func tell(_ id: StreamID, _ event: PeerStreamEvent) {
        if let stream = streams[id] { link.sessionStream(self, stream, event) }
    }

    private func finish(_ end: SessionEnd) {
        let wasOpen = state == .open
        state = .closed
        timer?.cancel()
        timer = nil
        streams = [:]
        link.sessionEnded(self, end, wasOpen: wasOpen)
    }
}

extension SessionEnd {
    init(_ reason: CloseReason) {
        switch reason {
        case .local: self = .local
        case .remote(let code, let text): self = .remote(code: code, reason: text)
        case .remoteTransport(let code), .transport(let code): self = .transport("QUIC error \(code)")
        case .idleTimeout, .handshakeTimeout: self = .timedOut
        }
    }
}
