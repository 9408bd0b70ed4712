package import Noise
package import Paths

/// An encrypted session with one peer: a QUIC connection whose handshake is Noise, carried by whatever paths there are.
///
/// Sans-IO and not Sendable: it belongs to one event loop. Packets, timeouts and calls go in; `transmit` gives packets
/// out and `pollEvent` says what happened. After any other call, call `transmit` once, take all events, and arrange for
/// `handleTimeout` at `nextTimeout`. Nothing here calls back, except `transmit` its argument, which may not call into the
/// session (such a `transmit` does nothing).
package final class SecureSession {
    /// Longest datagram in bytes.
    package static let maximumDatagramLength = PacketBudget.maximumDatagram
    /// Longest greeting in bytes.
    package static let maximumGreetingLength = HandshakeLimits.greeting

    let connection: QUICConnection
    var paths: PathManager
    /// Paths added; the relay counts like any other. At most sixteen, so searching is quickest.
    var ends: [PathEnd] = []
    var pathEvents = EventQueue()
    /// The path chosen last: congestion control knows this one.
    var carrier: PathID?
    var pendingProbes: [(packet: [UInt8], path: PathID)] = []
    var isTransmitting = false
    var hasProbeKeys = false
    var sentPackets: UInt64 = 0
    var sentBytes: UInt64 = 0
    /// When something last came that only the peer can have made and that was not a copy of what had come by that path before: a packet or a probe. Nil
    /// before that.
    package private(set) var heardAt: MonotonicTime?
    private var receivedPackets: UInt64 = 0
    private var receivedBytes: UInt64 = 0
    // Safety: this object's own from `init` to `deinit`; `transmit`, which does not nest, is its only user.
    let burst: UnsafeMutableRawBufferPointer

    init(connection: QUICConnection, pathConfiguration: PathConfiguration, now: MonotonicTime) {
        self.connection = connection
        paths = PathManager(configuration: pathConfiguration, now: now)
        burst = .allocate(byteCount: BurstLimits.bytes, alignment: 16)
    }

    deinit {
        burst.deallocate()
    }

    /// One path as the session sees it.
    struct PathEnd {
        let id: PathID
        /// One more than the highest 1-RTT packet number that came by it: only what is new there shows that it is alive.
        /// Copies of old packets prove nothing.
        var nextNumber: UInt64 = 0
        var heardAt: MonotonicTime?
    }

    func end(of path: PathID) -> Int? {
        ends.firstIndex { $0.id == path }
    }

    // MARK: Making one

    /// `connect(identity:to:greeting:)` with bare keys.
    package static func connect(
        keys: consuming KeyPair, to peer: PublicKey, greeting: [UInt8],
        configuration: SessionConfiguration = SessionConfiguration(),
        pathConfiguration: PathConfiguration = PathConfiguration(), now: MonotonicTime
    ) throws(TransportError) -> SecureSession {
        guard greeting.count <= maximumGreetingLength else { throw .greetingTooLong }
        let id = Sodium.randomBytes(count: PacketHeader.connectionIDLength)
        let handshake: NoiseHandshake
        do {
            handshake = try NoiseHandshake(
                initiator: keys, responder: peer, firstConnectionID: id, greeting: greeting,
                suites: configuration.suites, ciphers: configuration.ciphers)
        } catch {
            throw .internalFailure
        }
        let connection = try QUICConnection.client(
            handshake: handshake, firstConnectionID: id, configuration: configuration, now: now.nanoseconds)
        return SecureSession(connection: connection, pathConfiguration: pathConfiguration, now: now)
    }

    /// `accept(_:identity:on:)` with a bare key pair.
    package static func accept(
        _ call: IncomingCall, keys: consuming KeyPair, on path: PathID, kind: PathKind = .relay,
        pathConfiguration: PathConfiguration = PathConfiguration(),
        authorize: (PublicKey, [UInt8]) -> [UInt8]?, now: MonotonicTime
    ) throws(TransportError) -> SecureSession {
        try call.answer(keys: keys, authorize: authorize)
        let session = SecureSession(connection: call.connection, pathConfiguration: pathConfiguration, now: now)
        session.receivedPackets = UInt64(call.packets)
        session.receivedBytes = UInt64(call.bytes)
        session.addPath(path, kind: kind, now: now)
        return session
    }

    /// Says what a packet is without keys: enough to find the session that it is for.
    package static func classify(_ packet: UnsafeRawBufferPointer) -> PacketClass {
        PacketHeader.classify(packet)
    }

    /// The same for packets that came together, all of `segmentSize` bytes but the last, which may be shorter: what the first one is, and how many bytes
    /// belong to the same session. A segment size of 0 means one packet.
    package static func classifyRun(
        _ packets: UnsafeRawBufferPointer, segmentSize: Int
    ) -> (kind: PacketClass, length: Int) {
        PacketHeader.classifyRun(packets, segmentSize: segmentSize)
    }

    // MARK: What it is

    /// First 8 bytes of every connection id that this end issues, and of the probes addressed to it.
    package var tag: ConnectionTag { connection.tag }

    /// The peer's ``tag``, once its first packet has come.
    package var remoteTag: ConnectionTag? { connection.remoteTag }

    /// The destination connection id of the caller's first packets, 16 bytes, until it knows ours. Repeats of the
    /// first packet carry it too: the answering end gives those to `receive`.
    package var firstConnectionID: [UInt8] { connection.firstConnectionID }

    /// The peer's static X25519 key. Proven when `handshakeCompleted` has come.
    package var peer: PublicKey { connection.handshake.remoteStatic ?? connection.handshake.responder }

    /// Whether this end called.
    package var isInitiator: Bool { connection.role == .initiator }

    /// Both ends have proved themselves, and nobody has closed.
    package var isEstablished: Bool { connection.phase == .established }

    /// Nothing will happen any more: let go of it.
    package var isFinished: Bool { connection.phase == .closed }

    /// How the keys were agreed.
    package var suite: HandshakeSuite { connection.handshake.suite ?? .classical }

    /// The AEAD in use.
    package var cipher: PacketCipher { connection.handshake.cipher }

    /// What the session has done so far.
    package var statistics: SessionStatistics {
        let quic = connection.estimates
        return SessionStatistics(
            roundTrip: quic.roundTrip.map { .nanoseconds(Int64(clamping: $0)) }, congestionWindow: quic.window,
            bytesInFlight: quic.inFlight,
            packetsSent: sentPackets, bytesSent: sentBytes, packetsReceived: receivedPackets,
            bytesReceived: receivedBytes, packetsRejected: connection.counters.pointee.rejected,
            keyUpdates: connection.keyUpdates,
            openStreams: connection.streams.count)
    }

    // MARK: Packets and time

    /// Takes in one packet (one datagram, or one segment of a RELAY frame) that came by `path`.
    package func receive(_ packet: UnsafeRawBufferPointer, on path: PathID, now: MonotonicTime) {
        receive(packet, segmentSize: packet.count, on: path, now: now)
    }

    /// Takes in packets that came together by `path`: one after the other, each of `segmentSize` bytes and the last maybe shorter, as the kernel (GRO)
    /// and RELAY frames deliver them. Better than one by one: what they have in common is done once, and the next `transmit` acknowledges them together.
    /// A segment size of 0, or one larger than all of it, means one packet.
    package func receive(
        _ packets: UnsafeRawBufferPointer, segmentSize: Int, on path: PathID, now: MonotonicTime
    ) {
        let end = end(of: path)
        let size = segmentSize > 0 ? segmentSize : packets.count
        var isNews = false
        var position = 0
        while position < packets.count {
            let next = min(size, packets.count - position)
            let packet = UnsafeRawBufferPointer(rebasing: packets[position..<position + next])
            position += next
            if packet[0] == PacketHeader.probe {
                receiveProbe(packet, on: path, isKnown: end != nil, now: now)
            } else if receiveOne(packet, end: end, now: now) {
                isNews = true
            }
        }
        guard isNews, let end else { return }
        heardAt = now
        // Once is enough for all packets of one moment.
        if ends[end].heardAt != now {
            ends[end].heardAt = now
            paths.packetReceived(on: path, now: now)
        }
        pollPathsIfDue(now: now)
    }

    private func receiveProbe(_ packet: UnsafeRawBufferPointer, on path: PathID, isKnown: Bool, now: MonotonicTime) {
        guard connection.phase < .closing, isKnown else { return }
        if paths.receiveProbe(Array(packet), on: path, now: now) { heardAt = now }
        pollPaths(now: now)
    }

    /// Returns whether the packet shows that its path is alive.
    private func receiveOne(_ packet: UnsafeRawBufferPointer, end: Int?, now: MonotonicTime) -> Bool {
        let received = connection.receive(packet, now: now.nanoseconds)
        receivedPackets += 1
        receivedBytes += UInt64(packet.count)
        if !hasProbeKeys { installProbeKeys(now: now) }
        guard received.isAuthentic, let end else { return false }
        if let number = received.number {
            guard number >= ends[end].nextNumber else { return false }
            ends[end].nextNumber = number + 1
        }
        return true
    }

    /// Does what is due. Harmless when nothing is.
    package func handleTimeout(now: MonotonicTime) {
        if connection.handleTimeout(now: now.nanoseconds) {
            paths.probeTimeoutFired(now: now)
        }
        pollPathsIfDue(now: now)
    }

    /// When `handleTimeout` is due; nil when there is nothing to wait for. May lie in the past: then it is due at once.
    package var nextTimeout: MonotonicTime? {
        let quic = connection.nextTimeout.map(MonotonicTime.init(nanoseconds:))
        guard connection.phase < .closing, let path = paths.nextTimeout else { return quic }
        return quic.map { min($0, path) } ?? path
    }

    /// What happened, oldest first.
    package func pollEvent() -> SessionEvent? {
        pathEvents.popFirst() ?? connection.pollEvent()
    }

    /// Ends the session in whatever state it is; later calls do nothing. The peer gets the code (below 2^62) and the
    /// reason (at most 256 bytes; not before the handshake is finished). Unsent data is given up: to be sure that it
    /// arrived, wait until `unacknowledgedBytes` is 0. `closed` is the last event; `transmit` once more to tell the
    /// peer, and keep the session until `isFinished` to repeat it if need be.
    package func close(code: UInt64, reason: String, now: MonotonicTime) {
        connection.close(code: code, reason: reason, now: now.nanoseconds)
        pendingProbes = []
    }
}
