import CNGTCP2
import CSodium
import Noise
import Paths

/// One QUIC connection over ngtcp2 0.12.1, with Noise for its handshake. Its files are the only code that calls ngtcp2.
///
/// Sans-IO: packets and the time go in, packets and events come out. QUIC sees one constant path; what really carries a
/// packet is decided above. Callbacks of the library only record; nothing of the caller's runs inside them.
///
/// Ownership: everything belongs to whoever holds the object, one thread at a time. `ngtcp2` lives from `init` to
/// `deinit` and holds an unretained pointer to this object, valid for exactly that time.
final class QUICConnection {
    /// Where a connection is. It only ever moves down this list.
    enum Phase: Int, Comparable {
        /// Keys are being agreed.
        case handshaking
        /// Both ends have proved themselves; streams may be opened.
        case established
        /// `close` was called or an error found: the close packet is to be sent, then repeated to a peer that goes on.
        case closing
        /// Nothing is sent or read any more.
        case closed

        static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
    }

    let configuration: SessionConfiguration
    let role: Role
    /// First 8 bytes of our connection ids.
    let tag: ConnectionTag
    /// The destination connection id that the client made up for its first Initial.
    let firstConnectionID: [UInt8]

    // Safety: the pointers below are made in `init` and freed in `deinit`, ngtcp2 first, which refers to the others.
    var ngtcp2: OpaquePointer?
    /// The made-up path that both ends of every connection have. Its address must not change: ngtcp2 is given pointers.
    let path: UnsafeMutablePointer<sotto_quic_path>
    let counters: UnsafeMutablePointer<PacketCounters>
    /// ngtcp2's allocator, the same for all connections.
    let memory = sotto_wiping_mem()
    let vectors: UnsafeMutableBufferPointer<ngtcp2_vec>

    var phase = Phase.handshaking
    var handshake: NoiseHandshake
    /// Client: the server has confirmed the handshake. Server: it is complete. Only then may keys be updated.
    var isConfirmed = false
    /// Client: ngtcp2 has written the end of the handshake. A 1-RTT packet before that, with HANDSHAKE_DONE in it, would
    /// take away from ngtcp2 what it is about to write (docs/decisions/002), and no honest peer has one to send.
    var hasSentConfirmation = false
    /// Set once by the handshake; the session takes it from here.
    var probeSecrets: DirectionalSecrets?
    /// Server: the secret for 1-RTT packets from the client, installed with the confirmation.
    var pendingReceiveSecret: SecretBytes?
    var keyUpdates = 0

    /// ngtcp2's congestion control, once the handshake is finished.
    var congestion: sotto_ngtcp2_congestion?

    /// Client: the datagrams of message 1, until something was heard.
    var firstFlight = FirstFlight()

    var events = EventQueue()
    private(set) var streams: [StreamID: QUICStream] = [:]
    /// The stream asked for last: mostly it is the next one too, and is found without a look-up.
    private var recentStream: QUICStream?
    let chunkPool = ChunkPool()
    /// Streams with something to send, first to be served first.
    var sendQueue: [StreamID] = []
    /// Streams that the peer's flow control holds back.
    var blockedStreams: Set<StreamID> = []
    /// Retry the blocked ones at the next write: the peer may have asked to stop them, which ngtcp2 does not tell.
    var retriesBlocked = false
    var outgoingDatagrams: [[UInt8]] = []
    var incomingDatagrams = 0
    /// `openStream` was refused.
    var wantsStream = false

    /// Never goes backwards, which ngtcp2 asserts.
    private(set) var clock: UInt64
    var closing = ClosingState()

    private init(
        role: Role, tag: ConnectionTag, firstConnectionID: [UInt8], handshake: NoiseHandshake,
        configuration: SessionConfiguration, now: UInt64
    ) {
        self.role = role
        self.tag = tag
        self.firstConnectionID = firstConnectionID
        self.handshake = handshake
        self.configuration = configuration
        clock = now
        path = .allocate(capacity: 1)
        sotto_quic_path_init(path)
        counters = .allocate(capacity: 1)
        counters.initialize(to: PacketCounters())
        vectors = .allocate(capacity: 8)
        vectors.initialize(repeating: ngtcp2_vec())
    }

    deinit {
        // Frees all keys through the callbacks, which still find `counters`.
        if let ngtcp2 { ngtcp2_conn_del(ngtcp2) }
        vectors.deallocate()
        counters.deallocate()
        path.deallocate()
    }

    /// The client's end. Nothing is sent before the first `writePacket`.
    static func client(
        handshake: NoiseHandshake, firstConnectionID: [UInt8], configuration: SessionConfiguration, now: UInt64
    ) throws(TransportError) -> QUICConnection {
        let connection = QUICConnection(
            role: .initiator, tag: .random(), firstConnectionID: firstConnectionID, handshake: handshake,
            configuration: configuration, now: now)
        var destination = connectionID(firstConnectionID)
        try connection.create(destination: &destination, originalDestination: nil)
        return connection
    }

    /// The server's end for a client whose Initial has these connection ids. The packet is still to be `receive`d.
    static func server(
        handshake: NoiseHandshake, header: LongHeader, configuration: SessionConfiguration, now: UInt64
    ) throws(TransportError) -> QUICConnection {
        let connection = QUICConnection(
            role: .responder, tag: .random(), firstConnectionID: header.destination, handshake: handshake,
            configuration: configuration, now: now)
        var destination = connectionID(header.source)
        try connection.create(destination: &destination, originalDestination: connectionID(header.destination))
        return connection
    }

    private static func connectionID(_ bytes: [UInt8]) -> ngtcp2_cid {
        var id = ngtcp2_cid()
        ngtcp2_cid_init(&id, bytes, bytes.count)
        return id
    }

    /// A connection id of ours: tag, then random bytes.
    func writeConnectionID(to id: UnsafeMutablePointer<ngtcp2_cid>) {
        let bytes = tag.bytes + Sodium.randomBytes(count: PacketHeader.connectionIDLength - ConnectionTag.byteCount)
        ngtcp2_cid_init(id, bytes, bytes.count)
    }

    private func create(
        destination: UnsafeMutablePointer<ngtcp2_cid>, originalDestination: ngtcp2_cid?
    ) throws(TransportError) {
        var source = ngtcp2_cid()
        writeConnectionID(to: &source)
        var settings = makeSettings()
        var parameters = makeTransportParameters()
        var callbacks = Self.makeCallbacks()
        let user = Unmanaged.passUnretained(self).toOpaque()
        let status: CInt
        if let originalDestination {
            parameters.original_dcid = originalDestination
            parameters.initial_scid = source
            status = sotto_ngtcp2_conn_server_new(
                &ngtcp2, destination, &source, &path.pointee.path, &callbacks, &settings, &parameters, memory,
                user)
        } else {
            status = sotto_ngtcp2_conn_client_new(
                &ngtcp2, destination, &source, &path.pointee.path, &callbacks, &settings, &parameters, memory,
                user)
        }
        guard status == 0, let ngtcp2 else { throw .internalFailure }
        ngtcp2_conn_set_keep_alive_timeout(ngtcp2, configuration.keepAliveInterval)
    }

    private func makeSettings() -> ngtcp2_settings {
        var settings = ngtcp2_settings()
        sotto_ngtcp2_settings_default(&settings)
        settings.initial_ts = clock
        settings.initial_rtt = configuration.initialRTT
        settings.handshake_timeout = configuration.handshakeTimeout
        settings.max_tx_udp_payload_size = configuration.maximumPacketSize
        // The buffer given to `writePacket` bounds each packet: sizes are the path manager's business.
        settings.no_tx_udp_payload_size_shaping = 1
        settings.no_pmtud = 1
        settings.cc_algo = congestionAlgorithm
        settings.max_window = configuration.maximumSessionWindow
        // Streams' windows grow here, not there: see `growth(of:read:)`.
        settings.max_stream_window = 0
        return settings
    }

    private func makeTransportParameters() -> ngtcp2_transport_params {
        var parameters = ngtcp2_transport_params()
        sotto_ngtcp2_transport_params_default(&parameters)
        parameters.initial_max_stream_data_bidi_local = configuration.initialStreamWindow
        parameters.initial_max_stream_data_bidi_remote = configuration.initialStreamWindow
        parameters.initial_max_data = configuration.initialSessionWindow
        parameters.initial_max_streams_bidi = configuration.maximumRemoteStreams
        // ngtcp2 0.12.1 frees no unidirectional stream of the peer's before the connection ends, nor what it keeps for it (docs/decisions/002).
        parameters.initial_max_streams_uni = 0
        parameters.max_idle_timeout = configuration.idleTimeout
        parameters.max_datagram_frame_size = 65535
        parameters.disable_active_migration = 1
        return parameters
    }

    /// A stream that is not through.
    func stream(_ id: StreamID) -> QUICStream? {
        if let recentStream, recentStream.id == id { return recentStream }
        recentStream = streams[id]
        return recentStream
    }

    func addStream(_ id: StreamID) {
        streams[id] = QUICStream(id: id, window: configuration.initialStreamWindow, pool: chunkPool)
    }

    /// Returns whether there was one.
    func removeStream(_ id: StreamID) -> Bool {
        if recentStream?.id == id { recentStream = nil }
        return streams.removeValue(forKey: id) != nil
    }

    /// Moves the clock to `now`, or leaves it where it is if that were backwards.
    func advanceClock(_ now: UInt64) {
        clock = max(clock, now)
    }

    /// The peer's tag: the first 8 bytes of the connection ids that it issues; nil until they are known. Authenticated
    /// once the handshake is finished (its transport parameters name the id, and Noise protects those).
    var remoteTag: ConnectionTag? {
        guard role == .responder || phase != .handshaking, let ngtcp2, let id = ngtcp2_conn_get_dcid(ngtcp2),
            id.pointee.datalen == PacketHeader.connectionIDLength
        else { return nil }
        return withUnsafeBytes(of: id.pointee.data) { ConnectionTag(connectionID: $0) }
    }
}

/// Events, in the order in which they happened.
struct EventQueue {
    private var events: [SessionEvent] = []
    private var next = 0
    private var hasEnded = false

    /// Adds an event. `closed` stays the last: what comes after it goes before it, or nowhere if it was taken already.
    mutating func append(_ event: SessionEvent) {
        guard !hasEnded else {
            if next < events.count { events.insert(event, at: events.count - 1) }
            return
        }
        if case .closed = event { hasEnded = true }
        events.append(event)
    }

    mutating func popFirst() -> SessionEvent? {
        guard next < events.count else { return nil }
        defer {
            next += 1
            if next == events.count {
                events.removeAll(keepingCapacity: events.count <= 64)
                next = 0
            }
        }
        return events[next]
    }

    /// Removes the first event for which `matches` is true.
    mutating func removeFirst(where matches: (SessionEvent) -> Bool) {
        guard let index = events[next...].firstIndex(where: matches) else { return }
        events.remove(at: index)
    }
}
