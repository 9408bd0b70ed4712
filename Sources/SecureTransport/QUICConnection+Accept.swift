import Noise

extension QUICConnection {
    /// A server's connection made from the client's first datagram, up to Noise message 1 being read. What is still
    /// missing is the decision, and `answer`.
    ///
    /// Throws `notForUs` before any public-key work: only who knows our public key can make an Initial that opens.
    static func accept(
        _ packet: UnsafeRawBufferPointer, keys: consuming KeyPair, configuration: SessionConfiguration, now: UInt64
    ) throws(TransportError) -> QUICConnection {
        guard packet.count >= PacketHeader.minimumInitialDatagram,
            let header = LongHeader(packet, at: 0), header.type == .initial,
            header.destination.count == PacketHeader.connectionIDLength,
            header.source.count == PacketHeader.connectionIDLength
        else { throw .notForUs }
        let handshake: NoiseHandshake
        do {
            handshake = try NoiseHandshake(
                responder: keys, firstConnectionID: header.destination, ciphers: configuration.ciphers)
        } catch {
            throw .internalFailure
        }
        let connection = try server(
            handshake: handshake, header: header, configuration: configuration, now: now)
        _ = connection.receive(packet, now: now)
        guard connection.phase == .handshaking else {
            throw connection.hasOpenedInitial ? .handshakeFailed : .notForUs
        }
        guard handshake.remoteStatic != nil else { throw .handshakeFailed }
        return connection
    }

    /// Whether any CRYPTO data has come: the Initial opened.
    private var hasOpenedInitial: Bool { closing.message != nil }
}
