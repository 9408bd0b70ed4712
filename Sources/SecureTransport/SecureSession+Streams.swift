// Streams and datagrams. All limits are those of `SessionConfiguration`.

extension SecureSession {
    /// Opens a stream, on which both ends may send: there are no others. Each end's are numbered in the order in which they are opened: the caller's first
    /// is 0.
    /// Throws `notReady`, `closed`, `streamLimit`.
    package func openStream() throws(TransportError) -> StreamID {
        try connection.openStream()
    }

    /// Writes to a stream and returns how many bytes were taken: fewer than offered when its buffer is full.
    /// `streamWritable` comes when the buffer, once more than half full, is half empty. `finish` ends the stream after
    /// these bytes, if all were taken.
    /// Throws `notReady`, `closed`, `unknownStream`, `streamNotWritable`.
    @discardableResult
    package func write(_ bytes: [UInt8], to stream: StreamID, finish: Bool = false) throws(TransportError) -> Int {
        try bytes.withUnsafeBytes { bytes in
            Result { () throws(TransportError) in try connection.write(bytes, to: stream, finish: finish) }
        }.get()
    }

    /// As above, from memory.
    @discardableResult
    package func write(
        _ bytes: UnsafeRawBufferPointer, to stream: StreamID, finish: Bool = false
    ) throws(TransportError) -> Int {
        try connection.write(bytes, to: stream, finish: finish)
    }

    /// How many bytes `write` would take now.
    package func writableBytes(of stream: StreamID) -> Int {
        connection.writableBytes(stream)
    }

    /// Bytes written to a stream that the peer has not acknowledged. The end of the stream is not counted.
    package func unacknowledgedBytes(of stream: StreamID) -> Int {
        connection.unacknowledgedBytes(stream)
    }

    /// Reads at most `maxLength` bytes; an empty array when there are none. The peer may send as many more.
    /// Throws `unknownStream`.
    package func read(from stream: StreamID, maxLength: Int) throws(TransportError) -> [UInt8] {
        let count = max(0, min(maxLength, connection.readableBytes(stream)))
        var bytes = [UInt8](repeating: 0, count: count)
        let read = try bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(TransportError) in try connection.read(from: stream, into: buffer) }
        }.get()
        return read == count ? bytes : Array(bytes.prefix(read))
    }

    /// As above, into memory; returns how many bytes were read.
    package func read(from stream: StreamID, into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
        try connection.read(from: stream, into: buffer)
    }

    /// How many bytes can be read now.
    package func readableBytes(of stream: StreamID) -> Int {
        connection.readableBytes(stream)
    }

    /// Gives up sending: the peer gets `streamReset` with the code (below 2^62).
    /// Throws `notReady`, `closed`, `unknownStream`.
    package func reset(_ stream: StreamID, code: UInt64) throws(TransportError) {
        try connection.reset(stream, code: code)
    }

    /// Asks the peer to stop sending: it gets `streamStopped`. What was not read is gone, and no more events come for
    /// the reading side.
    /// Throws `notReady`, `closed`, `unknownStream`.
    package func stopSending(_ stream: StreamID, code: UInt64) throws(TransportError) {
        try connection.stopSending(stream, code: code)
    }

    /// Sends a datagram once, encrypted, without order or retransmission (RFC 9221). When too many wait, the oldest
    /// is dropped.
    /// Throws `notReady`, `closed`, `datagramTooLarge`.
    package func sendDatagram(_ bytes: [UInt8]) throws(TransportError) {
        try connection.sendDatagram(bytes)
    }

    /// Starts a key update, for both directions; they also come by themselves. False when it is too early for one, and
    /// at the answering end, which follows the caller's.
    @discardableResult
    package func updateKeys() -> Bool {
        connection.updateKeys(now: connection.clock)
    }
}
