import CNGTCP2

// One way to close, from every state, any number of times.

/// What is left of a connection that is closing.
struct ClosingState {
    enum Message {
        case application(code: UInt64, reason: [UInt8])
        case transport(code: UInt64)
    }

    var message: Message?
    /// The packet that tells the peer; sent again, ever more rarely, to a peer that goes on sending.
    var packet: [UInt8] = []
    var isSendingDue = true
    /// When the connection may be forgotten, in nanoseconds: three probe timeouts after the packet was first sent.
    private var deadline: UInt64?
    /// When the packet is sent again unasked: one and two probe timeouts after the first time.
    private var repeats: [UInt64] = []
    private var heard: UInt64 = 0
    private var nextAnswer: UInt64 = 1

    /// Begins the closing period.
    mutating func begin(now: UInt64, probeTimeout: UInt64) {
        let times = (1...3).map { now.addingReportingOverflow($0 * probeTimeout) }
        repeats = times.prefix(2).map(\.partialValue)
        deadline = times.contains { $0.overflow } ? now : times[2].partialValue
    }

    /// When `advance` is due; nil before the packet was first sent.
    var nextTimeout: UInt64? {
        repeats.first ?? deadline
    }

    /// Returns whether the closing period is over.
    mutating func advance(now: UInt64) -> Bool {
        if let time = repeats.first, time <= now {
            repeats.removeFirst()
            isSendingDue = true
        }
        return deadline.map { $0 <= now } ?? false
    }

    /// A packet came in the closing period: it is answered with the close packet for the 1st, 2nd, 4th, 8th… of them.
    mutating func heardPacket() {
        heard += 1
        guard heard >= nextAnswer else { return }
        nextAnswer *= 2
        isSendingDue = true
    }
}

extension QUICConnection {
    /// Closes from whatever state; later calls do nothing. The `closed` event is the last. The peer is told by the next
    /// `writePacket`; unsent stream data is given up.
    func close(code: UInt64, reason: String, now: UInt64) {
        advanceClock(now)
        guard phase < .closing else { return }
        let text = Array(reason.utf8.prefix(PacketBudget.maximumReason))
        // Before the handshake is finished a reason would travel under keys that others can compute: RFC 9000 §10.2.3.
        closing.message =
            phase == .established
            ? .application(code: code.asVariableInteger, reason: text)
            : .transport(code: UInt64(NGTCP2_APPLICATION_ERROR))
        end(.closing, .local(code: code.asVariableInteger, reason: String(decoding: text, as: UTF8.self)))
    }

    /// Acts on what an ngtcp2 call returned.
    func handle(_ status: CInt) {
        guard phase < .closing, status != 0 else { return }
        switch status {
        case NGTCP2_ERR_DISCARD_PKT, NGTCP2_ERR_INVALID_ARGUMENT, NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
            break
        case NGTCP2_ERR_DRAINING, NGTCP2_ERR_CLOSING:
            end(.closed, remoteReason())
        case NGTCP2_ERR_IDLE_CLOSE:
            end(.closed, .idleTimeout)
        case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
            end(.closed, .handshakeTimeout)
        case NGTCP2_ERR_DROP_CONN, NGTCP2_ERR_RETRY:
            // Nothing of the packet was for us: the connection object never came to life.
            end(.closed, .transport(code: UInt64(NGTCP2_CONNECTION_REFUSED)))
        default:
            let code = ngtcp2_err_infer_quic_transport_error_code(status)
            closing.message = .transport(code: code)
            end(.closing, .transport(code: code))
        }
    }

    /// Ends without a word to the peer, before there was anything to end.
    func abandon() {
        phase = .closed
    }

    private func end(_ next: Phase, _ reason: CloseReason) {
        phase = next
        sendQueue = []
        blockedStreams = []
        outgoingDatagrams = []
        events.append(.closed(reason))
    }

    private func remoteReason() -> CloseReason {
        guard let ngtcp2 else { return .remoteTransport(code: 0) }
        var error = ngtcp2_connection_close_error()
        ngtcp2_conn_get_connection_close_error(ngtcp2, &error)
        guard error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION else {
            return .remoteTransport(code: error.error_code)
        }
        let text = UnsafeBufferPointer(start: error.reason, count: error.reason == nil ? 0 : error.reasonlen)
        return .remote(
            code: error.error_code,
            reason: String(decoding: text.prefix(PacketBudget.maximumReason), as: UTF8.self))
    }

    /// The close packet: made once, then repeated. Connection ids and keys live for three probe timeouts more.
    func writeClosePacket(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard closing.isSendingDue else { return 0 }
        closing.isSendingDue = false
        if closing.packet.isEmpty {
            guard let packet = makeClosePacket() else {
                phase = .closed
                return 0
            }
            closing.packet = packet
            closing.begin(now: clock, probeTimeout: probeTimeout)
        }
        buffer.copyBytes(from: closing.packet)
        return closing.packet.count
    }

    private var probeTimeout: UInt64 {
        guard let ngtcp2 else { return 0 }
        return min(ngtcp2_conn_get_pto(ngtcp2), 10_000_000_000)
    }

    private func makeClosePacket() -> [UInt8]? {
        guard let ngtcp2, let message = closing.message else { return nil }
        var packet = [UInt8](repeating: 0, count: PacketHeader.minimumInitialDatagram)
        let length: ngtcp2_ssize
        switch message {
        case .transport(let code):
            var error = ngtcp2_connection_close_error()
            ngtcp2_connection_close_error_set_transport_error(&error, code, nil, 0)
            length = sotto_ngtcp2_conn_write_connection_close(ngtcp2, &packet, packet.count, &error, clock)
        case .application(let code, let reason):
            length = reason.withUnsafeBufferPointer { text in
                var error = ngtcp2_connection_close_error()
                ngtcp2_connection_close_error_set_application_error(&error, code, text.baseAddress, text.count)
                return sotto_ngtcp2_conn_write_connection_close(ngtcp2, &packet, packet.count, &error, clock)
            }
        }
        return length > 0 ? Array(packet.prefix(length)) : nil
    }
}
