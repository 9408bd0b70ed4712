import CNGTCP2

/// One stream of a connection, both directions.
final class QUICStream {
    let id: StreamID

    // Sending. `outgoing` holds what is not acknowledged; ngtcp2 keeps pointers into it until it is, or until the
    // stream is closed: it is emptied nowhere else.
    var outgoing: ByteQueue
    /// Offset of the first byte not yet given to ngtcp2.
    var sentOffset: UInt64 = 0
    /// The application has written its last byte.
    var isFinishing = false
    /// The FIN is with ngtcp2.
    var isFinishSent = false
    /// We reset it, or the peer asked to stop: nothing more can be sent.
    var isSendingStopped = false
    /// In the connection's queue of streams with something to send.
    var isQueued = false
    /// More than half of the buffer was filled: the application will be told when it is half empty again.
    var wantsRoom = false

    // Receiving.
    var incoming: ByteQueue
    var isFinishReceived = false
    /// The application knows the end of the stream: it read the last byte, was told of a reset, or stopped reading.
    var isReceivingDone = false
    /// A `streamReadable` event is on its way or not yet answered by a read.
    var isReadableAnnounced = false

    /// Flow-control window in bytes, what of it was read, and when that began.
    var window: UInt64
    var readOfWindow: UInt64 = 0
    var windowBegan: UInt64 = 0

    /// ngtcp2 has forgotten the stream.
    var isClosed = false

    init(id: StreamID, window: UInt64, pool: ChunkPool) {
        self.id = id
        outgoing = ByteQueue(pool: pool)
        incoming = ByteQueue(pool: pool)
        self.window = window
    }

    /// Whether there is something that ngtcp2 has not seen.
    var hasUnsent: Bool {
        !isSendingStopped && !isFinishSent && (sentOffset < outgoing.end || isFinishing)
    }

    /// Nothing is left to do or to tell on either side.
    var isDisposable: Bool { isClosed && isReceivingDone }

    /// Fills `vectors` with what comes next, until it is more than the `room` of a packet. Returns how many are filled and whether they reach the end.
    func nextPieces(_ vectors: UnsafeMutableBufferPointer<ngtcp2_vec>, room: Int) -> (count: Int, reachesEnd: Bool) {
        var count = 0
        var offset = sentOffset
        let enough = sentOffset + UInt64(room)
        outgoing.forEachPiece(from: sentOffset) { piece in
            vectors[count] = ngtcp2_vec(
                base: UnsafeMutableRawPointer(mutating: piece.baseAddress)?.assumingMemoryBound(to: UInt8.self),
                len: piece.count)
            count += 1
            offset += UInt64(piece.count)
            return count < vectors.count && offset < enough
        }
        return (count, offset == outgoing.end)
    }
}
