package import Noise
package import Paths

/// A call that somebody makes to us, from its first datagram until message 1 is complete. Holds no secret key, does no public-key work, and
/// sends nothing. Not Sendable: it belongs to one event loop.
package final class IncomingCall {
    /// The destination connection id that the caller made up: its packets carry it until they are answered.
    package let firstConnectionID: [UInt8]
    private let responder: PublicKey
    private let configuration: SessionConfiguration
    private(set) var connection: QUICConnection
    /// Datagrams that opened before the one with the beginning of message 1 was there, which ngtcp2 must see first.
    private var early: [[UInt8]] = []
    /// Datagrams taken in, whether they opened or not.
    private var looked = 0
    private(set) var packets = 0
    private(set) var bytes = 0

    /// Most datagrams kept while the beginning of message 1 is missing.
    private static let maximumEarly = 3
    /// Most bytes of such a datagram.
    private static let maximumEarlyLength = 1500
    /// Most datagrams looked at. More than a caller sends in the time of a handshake; what rubbish costs without a new call ends here.
    private static let maximumLooked = 32

    /// Begins with any datagram of a call. Only who knows our public key can make one that opens: another costs a key derivation with BLAKE2b
    /// and one failed AEAD call.
    ///
    /// - Throws: `notForUs`, or `handshakeFailed` when it opens but does not belong to a handshake.
    package init(
        _ packet: UnsafeRawBufferPointer, to responder: PublicKey,
        configuration: SessionConfiguration = SessionConfiguration(), now: MonotonicTime
    ) throws(TransportError) {
        let header = try Self.header(of: packet)
        firstConnectionID = header.destination
        self.responder = responder
        self.configuration = configuration
        connection = try Self.connection(header, to: responder, configuration, now: now)
        receive(packet, now: now)
        guard isAlive else { throw hasOpened ? .handshakeFailed : .notForUs }
    }

    private static func header(of packet: UnsafeRawBufferPointer) throws(TransportError) -> LongHeader {
        guard packet.count >= PacketHeader.minimumInitialDatagram,
            let header = LongHeader(packet, at: 0), header.type == .initial,
            header.destination.count == PacketHeader.connectionIDLength,
            header.source.count == PacketHeader.connectionIDLength
        else { throw .notForUs }
        return header
    }

    private static func connection(
        _ header: LongHeader, to responder: PublicKey, _ configuration: SessionConfiguration, now: MonotonicTime
    ) throws(TransportError) -> QUICConnection {
        let handshake = NoiseHandshake(
            responder: responder, firstConnectionID: header.destination, suites: configuration.suites,
            ciphers: configuration.ciphers)
        return try QUICConnection.server(
            handshake: handshake, header: header, configuration: configuration, now: now.nanoseconds)
    }

    /// Takes in another datagram with the same first connection id. What does not open changes nothing.
    package func receive(_ packet: UnsafeRawBufferPointer, now: MonotonicTime) {
        guard !isComplete, isAlive else { return }
        looked += 1
        // A connection that was dropped for want of the beginning begins once more with this one.
        if connection.phase == .closed {
            guard let header = try? Self.header(of: packet), header.destination == firstConnectionID,
                let fresh = try? Self.connection(header, to: responder, configuration, now: now)
            else { return }
            connection = fresh
        }
        _ = connection.receive(packet, now: now.nanoseconds)
        guard hasOpened else { return }
        packets += 1
        bytes += packet.count
        if connection.phase == .closed {
            if early.count < Self.maximumEarly, packet.count <= Self.maximumEarlyLength { early.append(Array(packet)) }
        } else {
            for packet in early { packet.withUnsafeBytes { _ = connection.receive($0, now: now.nanoseconds) } }
            early = []
        }
    }

    /// Whether anything of the last datagram opened, or of those before that the connection knows.
    private var hasOpened: Bool { connection.counters.pointee.openedInitial > 0 }

    /// Whether message 1 is there as a whole: the call can be answered.
    package var isComplete: Bool { connection.phase == .handshaking && connection.handshake.initiatorMessage != nil }

    /// Whether it can still become a session.
    package var isAlive: Bool {
        if isComplete { return true }
        guard looked < Self.maximumLooked else { return false }
        return connection.phase == .handshaking || connection.phase == .closed && !early.isEmpty
    }

    /// Reads message 1 and, when `authorize` gives a greeting, writes message 2. Once only.
    func answer(
        keys: consuming KeyPair, authorize: (PublicKey, [UInt8]) -> [UInt8]?
    ) throws(TransportError) {
        let handshake = connection.handshake
        guard isComplete else { throw .handshakeFailed }
        do {
            try handshake.readInitiatorMessage(keys: keys)
        } catch {
            throw .handshakeFailed
        }
        guard let caller = handshake.remoteStatic else { throw .handshakeFailed }
        guard let greeting = authorize(caller, handshake.remoteGreeting) else { throw .refused }
        guard greeting.count <= HandshakeLimits.greeting else { throw .greetingTooLong }
        handshake.greeting = greeting
        try connection.answer()
    }
}
