// RELAY: 0x05 | peer 32 | segment size u16 | packets. The header is 35 bytes; packets follow to the end of the frame.

/// The fixed part of a RELAY frame, read without copying the packets behind it.
package struct RelayHeader: Hashable, Sendable {
    /// Size of the header, and offset of the first packet.
    package static let byteCount = 35

    /// To whom (on the way to the server) or from whom (on the way from it).
    package let peer: PeerKey
    /// Size of every packet but the last, which may be shorter; 1…65535.
    package let segmentSize: UInt16
    /// How many bytes of packets follow the header.
    package let packetBytes: Int

    /// A header for `packetBytes` bytes of packets. Throws `lengthOutOfRange` outside of the limits of RELAY.
    package init(peer: PeerKey, segmentSize: UInt16, packetBytes: Int) throws(WireError) {
        try RelayHeader.check(segmentSize: segmentSize, packetBytes: packetBytes)
        self.peer = peer
        self.segmentSize = segmentSize
        self.packetBytes = packetBytes
    }

    /// Reads the front of a whole RELAY frame and checks its limits. Throws `unsupported` for another type, `truncated`
    /// when the header is cut or no packet follows, `lengthOutOfRange` when the packets are too many.
    @inlinable
    package init<Bytes: RandomAccessCollection<UInt8>>(_ frame: Bytes) throws(WireError) {
        guard let type = frame.first else { throw .truncated }
        guard type == PeerAddressedFrame.relayType else { throw .unsupported(type) }
        guard frame.count > RelayHeader.byteCount else { throw .truncated }
        let size = frame.dropFirst(1 + PeerKey.byteCount).prefix(2).reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
        let peer = try PeerKey(frame.dropFirst().prefix(PeerKey.byteCount))
        try self.init(peer: peer, segmentSize: size, packetBytes: frame.count - RelayHeader.byteCount)
    }

    /// The 35 bytes of the header.
    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: RelayHeader.byteCount)
        writer.write(PeerAddressedFrame.relayType)
        writer.write(peer)
        writer.write(segmentSize)
        return writer.bytes
    }

    /// Where each packet lies, counted from the start of the frame.
    package var packetRanges: [Range<Int>] {
        let end = RelayHeader.byteCount + packetBytes
        return stride(from: RelayHeader.byteCount, to: end, by: Int(segmentSize)).map {
            $0..<min($0 + Int(segmentSize), end)
        }
    }

    /// Throws `lengthOutOfRange` unless 1…65,471 bytes in packets of `segmentSize` ≥ 1 are at most 128 packets.
    package static func check(segmentSize: UInt16, packetBytes: Int) throws(WireError) {
        guard segmentSize > 0, (1...SignalingFrame.maximumRelayPackets).contains(packetBytes),
            packetBytes <= Int(segmentSize) * SignalingFrame.maximumRelaySegments
        else { throw .lengthOutOfRange }
    }
}

/// What SIGNAL, RELAY and UNREACHABLE have in common: a peer at bytes 1 to 32. The server reads it to route a frame,
/// and writes the sender in its place.
package enum PeerAddressedFrame {
    /// Where the peer lies in the frame.
    package static let peerRange = 1..<(1 + PeerKey.byteCount)
    /// First byte of SIGNAL.
    package static let signalType: UInt8 = 0x04
    /// First byte of RELAY.
    package static let relayType: UInt8 = 0x05

    /// The peer of a SIGNAL or RELAY frame. Throws `unsupported` for other types and `truncated` for a cut frame.
    /// Checks nothing behind the peer.
    @inlinable
    package static func peer(of frame: some RandomAccessCollection<UInt8>) throws(WireError) -> PeerKey {
        guard let type = frame.first else { throw .truncated }
        guard type == signalType || type == relayType else { throw .unsupported(type) }
        guard frame.count > PeerKey.byteCount else { throw .truncated }
        return try PeerKey(frame.dropFirst().prefix(PeerKey.byteCount))
    }

    /// Writes `peer` in place of the one in `frame`. Throws as `peer(of:)` does.
    @inlinable
    package static func replacePeer<Bytes: MutableCollection<UInt8> & RandomAccessCollection>(
        of frame: inout Bytes, with peer: PeerKey
    ) throws(WireError) {
        guard let type = frame.first else { throw .truncated }
        guard type == signalType || type == relayType else { throw .unsupported(type) }
        guard frame.count > PeerKey.byteCount else { throw .truncated }
        var index = frame.index(after: frame.startIndex)
        for byte in peer.bytes {
            frame[index] = byte
            frame.formIndex(after: &index)
        }
    }
}
