import CNGTCP2
import Noise

// Streams and datagrams: what the application does, and what ngtcp2 reports.

extension QUICConnection {
    func openStream() throws(TransportError) -> StreamID {
        let ngtcp2 = try open()
        var number: Int64 = -1
        let status = ngtcp2_conn_open_bidi_stream(ngtcp2, &number, nil)
        guard status == 0 else {
            guard status == NGTCP2_ERR_STREAM_ID_BLOCKED else { throw .internalFailure }
            wantsStream = true
            throw .streamLimit
        }
        let id = StreamID(rawValue: number)
        addStream(id)
        return id
    }

    /// Takes as much as the stream's send buffer has room for, and says how much.
    func write(_ bytes: UnsafeRawBufferPointer, to id: StreamID, finish: Bool) throws(TransportError) -> Int {
        _ = try open()
        let stream = try existing(id)
        guard !stream.isFinishing, !stream.isSendingStopped else { throw .streamNotWritable }
        let accepted = min(bytes.count, max(0, sendBuffer - stream.outgoing.count))
        stream.outgoing.append(UnsafeRawBufferPointer(rebasing: bytes[..<accepted]))
        if accepted == bytes.count, finish { stream.isFinishing = true }
        stream.wantsRoom = stream.outgoing.count > sendBuffer / 2 && !stream.isFinishing
        queue(stream)
        return accepted
    }

    /// What a stream may hold for sending: four windows where that is more than the least. What follows a lost packet is kept until that has arrived, which takes
    /// a second round trip, and meanwhile there has to be something to send. On a local network that is soon over, and two windows stay in the processor's cache.
    private var sendBuffer: Int {
        let (base, maximum) = (configuration.streamSendBuffer, configuration.maximumStreamSendBuffer)
        let (roundTrip, window, _) = estimates
        let windows = (roundTrip ?? .max) < Self.localRoundTrip ? 2 : 4
        return base >= maximum || window <= base / windows ? base : min(maximum, window * windows)
    }

    /// Room in the stream's send buffer; 0 when nothing can be written.
    func writableBytes(_ id: StreamID) -> Int {
        guard phase == .established, let stream = self.stream(id), !stream.isFinishing, !stream.isSendingStopped
        else { return 0 }
        return max(0, sendBuffer - stream.outgoing.count)
    }

    /// Reads up to `output.count` bytes, and lets the peer send as many more.
    func read(from id: StreamID, into output: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
        let stream = try existing(id)
        let count = stream.incoming.read(into: output)
        stream.isReadableAnnounced = false
        credit(stream, UInt64(count))
        announceFinish(stream)
        return count
    }

    /// Bytes that `read` would return.
    func readableBytes(_ id: StreamID) -> Int {
        stream(id)?.incoming.count ?? 0
    }

    /// Bytes written but not yet acknowledged by the peer.
    func unacknowledgedBytes(_ id: StreamID) -> Int {
        stream(id)?.outgoing.count ?? 0
    }

    func reset(_ id: StreamID, code: UInt64) throws(TransportError) {
        let ngtcp2 = try open()
        let stream = try existing(id)
        guard !stream.isSendingStopped else { return }
        guard ngtcp2_conn_shutdown_stream_write(ngtcp2, id.rawValue, code.asVariableInteger) == 0 else {
            throw .internalFailure
        }
        stopSending(stream)
    }

    func stopSending(_ id: StreamID, code: UInt64) throws(TransportError) {
        let ngtcp2 = try open()
        let stream = try existing(id)
        guard !stream.isReceivingDone else { return }
        guard ngtcp2_conn_shutdown_stream_read(ngtcp2, id.rawValue, code.asVariableInteger) == 0 else {
            throw .internalFailure
        }
        stopReceiving(stream)
        dispose(stream)
    }

    /// Queues a datagram; when too many wait, the oldest is dropped.
    func sendDatagram(_ bytes: [UInt8]) throws(TransportError) {
        let ngtcp2 = try open()
        let limit = ngtcp2_conn_get_remote_transport_params(ngtcp2)?.pointee.max_datagram_frame_size ?? 0
        guard bytes.count <= PacketBudget.maximumDatagram, UInt64(bytes.count) + 3 <= limit else {
            throw .datagramTooLarge
        }
        if outgoingDatagrams.count >= configuration.maximumQueuedDatagrams { outgoingDatagrams.removeFirst() }
        outgoingDatagrams.append(bytes)
    }

    private func open() throws(TransportError) -> OpaquePointer {
        guard phase != .handshaking else { throw .notReady }
        guard phase == .established, let ngtcp2 else { throw .closed }
        return ngtcp2
    }

    private func existing(_ id: StreamID) throws(TransportError) -> QUICStream {
        guard let stream = self.stream(id) else { throw .unknownStream }
        return stream
    }

    func queue(_ stream: QUICStream) {
        guard stream.hasUnsent, !stream.isQueued, !blockedStreams.contains(stream.id) else { return }
        stream.isQueued = true
        sendQueue.append(stream.id)
    }

    /// Nothing more can be sent. The buffer stays until ngtcp2 has closed the stream: it may still point into it.
    func stopSending(_ stream: QUICStream) {
        stream.isSendingStopped = true
        stream.wantsRoom = false
        blockedStreams.remove(stream.id)
    }

    /// Nothing more will be read; what was not read counts as read for flow control.
    private func stopReceiving(_ stream: QUICStream) {
        let unread = UInt64(stream.incoming.count)
        stream.incoming.removeAll()
        stream.isReceivingDone = true
        if let ngtcp2 { ngtcp2_conn_extend_max_offset(ngtcp2, unread) }
    }

    private func credit(_ stream: QUICStream, _ count: UInt64) {
        guard count > 0, let ngtcp2, phase <= .established else { return }
        ngtcp2_conn_extend_max_offset(ngtcp2, count)
        guard !stream.isClosed else { return }
        _ = ngtcp2_conn_extend_max_stream_offset(ngtcp2, stream.id.rawValue, count + growth(of: stream, read: count))
    }

    /// How much larger a stream's window becomes: twice as large when half of it was read within two round trips.
    ///
    /// ngtcp2 could do this by itself, but 0.12.1 forgets what it advertised when the larger limit does not fit the
    /// packet, and later takes a peer that believed it for one that breaks flow control.
    ///
    /// All windows together grow no larger than the session's. That one does not see to it: ngtcp2 gives back what comes on a stream that is to stop, but
    /// keeps what came there out of order until both ends have given the stream up, which the peer need not do.
    private func growth(of stream: QUICStream, read count: UInt64) -> UInt64 {
        stream.readOfWindow += count
        guard stream.readOfWindow >= stream.window / 2 else { return 0 }
        let isQuick = clock - stream.windowBegan < 2 * (estimates.roundTrip ?? configuration.initialRTT)
        stream.readOfWindow = 0
        stream.windowBegan = clock
        guard isQuick, stream.window < configuration.maximumStreamWindow else { return 0 }
        let windows = streams.values.reduce(0) { $0 + $1.window }
        let room = configuration.maximumSessionWindow - min(windows, configuration.maximumSessionWindow)
        let extra = min(stream.window, configuration.maximumStreamWindow - stream.window, room)
        stream.window += extra
        return extra
    }

    private func announceFinish(_ stream: QUICStream) {
        guard stream.isFinishReceived, stream.incoming.isEmpty, !stream.isReceivingDone else { return }
        stream.isReceivingDone = true
        events.append(.streamFinished(stream.id))
        dispose(stream)
    }

    /// Forgets a stream when both ngtcp2 and the application are through with it, and lets the peer open another.
    private func dispose(_ stream: QUICStream) {
        guard stream.isDisposable, removeStream(stream.id) else { return }
        blockedStreams.remove(stream.id)
        let isRemote = stream.id.isClientInitiated == (role == .responder)
        guard isRemote, let ngtcp2, phase <= .established else { return }
        ngtcp2_conn_extend_max_streams_bidi(ngtcp2, 1)
    }
}

// Called by ngtcp2 in the middle of its work: only record.

extension QUICConnection {
    func opened(stream id: StreamID) {
        addStream(id)
        events.append(.streamOpened(id))
    }

    func received(_ bytes: UnsafeBufferPointer<UInt8>, on id: StreamID, isLast: Bool) {
        guard let stream = self.stream(id), !stream.isReceivingDone else {
            if let ngtcp2 { ngtcp2_conn_extend_max_offset(ngtcp2, UInt64(bytes.count)) }
            return
        }
        stream.incoming.append(UnsafeRawBufferPointer(bytes))
        if isLast { stream.isFinishReceived = true }
        if !stream.incoming.isEmpty, !stream.isReadableAnnounced {
            stream.isReadableAnnounced = true
            events.append(.streamReadable(id))
        }
        announceFinish(stream)
    }

    func acknowledged(stream id: StreamID, through offset: UInt64) {
        guard let stream = self.stream(id) else { return }
        stream.outgoing.drop(through: offset)
        if stream.wantsRoom, stream.outgoing.count <= sendBuffer / 2 {
            stream.wantsRoom = false
            events.append(.streamWritable(id))
        }
    }

    func received(reset id: StreamID, code: UInt64) {
        // A stream that was reset before anything else of it arrived was never announced.
        guard let stream = self.stream(id), !stream.isReceivingDone else { return }
        stopReceiving(stream)
        events.append(.streamReset(id, code: code))
        dispose(stream)
    }

    func closed(stream id: StreamID, code: UInt64?) {
        guard let stream = self.stream(id) else { return }
        stream.isClosed = true
        if !stream.isSendingStopped, !stream.isFinishSent || !stream.outgoing.isEmpty {
            stopSending(stream)
            events.append(.streamStopped(id, code: code))
        }
        stream.outgoing.removeAll()
        dispose(stream)
    }

    func unblocked(stream id: StreamID) {
        guard blockedStreams.remove(id) != nil, let stream = self.stream(id) else { return }
        queue(stream)
    }

    func streamsAvailable() {
        guard wantsStream else { return }
        wantsStream = false
        events.append(.streamsAvailable)
    }

    /// Keeps a datagram for the application; when too many wait, the oldest is dropped.
    func received(datagram bytes: UnsafeBufferPointer<UInt8>) {
        if incomingDatagrams >= configuration.maximumQueuedDatagrams {
            events.removeFirst { if case .datagram = $0 { true } else { false } }
            incomingDatagrams -= 1
        }
        events.append(.datagram(Array(bytes)))
        incomingDatagrams += 1
    }

    /// The next event.
    func pollEvent() -> SessionEvent? {
        let event = events.popFirst()
        if case .datagram = event { incomingDatagrams -= 1 }
        return event
    }
}

extension UInt64 {
    /// Application error codes are at most 2^62-1 (RFC 9000 §16).
    var asVariableInteger: UInt64 { Swift.min(self, 1 << 62 - 1) }
}
