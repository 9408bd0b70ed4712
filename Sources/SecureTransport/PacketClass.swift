import Noise
package import Paths

extension ConnectionTag {
    /// A new tag from the system's randomness.
    package static func random() -> ConnectionTag {
        ConnectionTag(rawValue: Sodium.randomBytes(count: byteCount).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The tag at the start of a connection id; nil if that is too short.
    init?(connectionID: some Collection<UInt8>) {
        guard connectionID.count >= ConnectionTag.byteCount else { return nil }
        self.init(connectionID.prefix(ConnectionTag.byteCount))
    }
}

/// What a packet is, as far as can be said without keys.
package enum PacketClass: Equatable, Sendable {
    /// A QUIC v1 Initial. The destination connection id is one that the client made up (then it starts a session, or
    /// repeats the start of one: compare with `SecureSession.firstConnectionID`) or one whose first 8 bytes are the
    /// tag of a session here.
    case initial(destination: [UInt8])
    /// For the session with this tag, if there is one.
    case tagged(ConnectionTag)
    /// Nothing of ours.
    case other
}

/// QUIC packet headers (RFC 9000 §17, RFC 8999), read just far enough to know what to let near the QUIC library.
enum PacketHeader {
    /// First byte of a path probe: a long header without the fixed bit, which QUIC v1 never sends.
    static let probe: UInt8 = 0x80
    /// Every connection id of this protocol has this length.
    static let connectionIDLength = 16
    /// A datagram that carries an Initial has at least this many bytes (RFC 9000 §14.1).
    static let minimumInitialDatagram = 1200

    static func classify(_ packet: UnsafeRawBufferPointer) -> PacketClass {
        guard let first = packet.first else { return .other }
        if first == probe {
            return tag(packet, at: 1).map(PacketClass.tagged) ?? .other
        }
        guard first & 0x40 != 0 else { return .other }
        guard first & 0x80 != 0 else {
            guard packet.count > connectionIDLength else { return .other }
            return tag(packet, at: 1).map(PacketClass.tagged) ?? .other
        }
        guard let header = LongHeader(packet, at: 0) else { return .other }
        switch header.type {
        case .initial: return .initial(destination: header.destination)
        case .handshake: return ConnectionTag(connectionID: header.destination).map(PacketClass.tagged) ?? .other
        }
    }

    /// What the first of several packets is, and how many bytes follow each other that carry its tag. Others stand alone.
    static func classifyRun(_ packets: UnsafeRawBufferPointer, segmentSize: Int) -> (kind: PacketClass, length: Int) {
        func packet(at start: Int) -> UnsafeRawBufferPointer {
            let room = packets.count - start
            return UnsafeRawBufferPointer(
                rebasing: packets[start..<start + (segmentSize > 0 ? min(segmentSize, room) : room)])
        }
        let kind = classify(packet(at: 0))
        var length = packet(at: 0).count
        guard case .tagged(let tag) = kind else { return (kind, length) }
        while length < packets.count, case .tagged(tag) = classify(packet(at: length)) {
            length += packet(at: length).count
        }
        return (kind, length)
    }

    private static func tag(_ packet: UnsafeRawBufferPointer, at offset: Int) -> ConnectionTag? {
        guard packet.count >= offset + ConnectionTag.byteCount else { return nil }
        return ConnectionTag(rawValue: UInt64(bigEndian: packet.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
    }

    /// How many bytes at the start of a datagram are packets that this protocol has: Initial and Handshake packets of
    /// QUIC v1, then at most one 1-RTT packet. The rest (Retry, 0-RTT, version negotiation, other versions, rubbish)
    /// never reaches the QUIC library, so that nobody on the way can make use of it.
    static func acceptablePrefix(_ datagram: UnsafeRawBufferPointer) -> Int {
        acceptablePrefix(datagram, takingShort: true)
    }

    /// As above; without `takingShort` a 1-RTT packet does not count either.
    static func acceptablePrefix(_ datagram: UnsafeRawBufferPointer, takingShort: Bool) -> Int {
        var offset = 0
        while offset < datagram.count {
            let first = datagram[offset]
            guard first & 0x40 != 0 else { return offset }
            if first & 0x80 == 0 { return takingShort ? datagram.count : offset }
            guard let header = LongHeader(datagram, at: offset) else { return offset }
            offset = header.end
        }
        return offset
    }
}

/// A QUIC v1 long header of a type that carries handshake messages.
struct LongHeader {
    enum PacketType: UInt8 {
        case initial = 0
        case handshake = 2
    }

    let type: PacketType
    let destination: [UInt8]
    let source: [UInt8]
    /// Offset of the first byte after this packet.
    let end: Int

    /// The header at `offset`, if it is well formed, of version 1, without a token, and the packet lies inside.
    init?(_ datagram: UnsafeRawBufferPointer, at offset: Int) {
        var reader = HeaderReader(datagram, offset)
        guard let first = reader.byte(), first & 0xC0 == 0xC0,
            let type = PacketType(rawValue: first >> 4 & 0x03),
            let version = reader.bytes(4), version == [0, 0, 0, 1],
            let destinationLength = reader.byte(), destinationLength <= 20,
            let destination = reader.bytes(Int(destinationLength)),
            let sourceLength = reader.byte(), sourceLength <= 20,
            let source = reader.bytes(Int(sourceLength))
        else { return nil }
        if type == .initial {
            guard let token = reader.variableInteger(), token == 0 else { return nil }
        }
        guard let length = reader.variableInteger(), length <= UInt64(reader.left) else { return nil }
        self.type = type
        self.destination = destination
        self.source = source
        end = reader.offset + Int(length)
    }
}

/// Bounds-checked reading of header fields.
private struct HeaderReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var offset: Int

    init(_ bytes: UnsafeRawBufferPointer, _ offset: Int) {
        self.bytes = bytes
        self.offset = offset
    }

    var left: Int { bytes.count - offset }

    mutating func byte() -> UInt8? {
        guard left >= 1 else { return nil }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard left >= count else { return nil }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// RFC 9000 §16.
    mutating func variableInteger() -> UInt64? {
        guard let first = byte() else { return nil }
        guard let rest = bytes((1 << Int(first >> 6)) - 1) else { return nil }
        return rest.reduce(UInt64(first & 0x3F)) { $0 << 8 | UInt64($1) }
    }
}
