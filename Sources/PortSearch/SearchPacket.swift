// Layout, 32 bytes always, so that no answer is larger than what it answers:
//
//   offset  size  field
//        0     1  0x10: neither QUIC, a path probe, STUN nor TURN (RFC 7983 has it for ZRTP)
//        1     8  first bytes of the search's connection id
//        9     1  kind: 1 opening, 2 probe, 3 reply, 4 confirmation
//       10     2  port of the opening side's NAT. opening: 0; probe: where it is sent; reply, confirmation: as in the probe
//       12     4  number. opening: 0; probe: the prober's random number of this search; reply, confirmation: the same
//       16    16  BLAKE2b-128 of the bytes before, keyed for the direction

/// One packet of a port search.
struct SearchPacket: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        /// Makes a mapping in the NAT of its sender, and is dropped by the receiver's.
        case opening = 1
        /// A try at a port.
        case probe = 2
        /// The opening side has received a probe.
        case reply = 3
        /// The probing side has received the reply: the way is open in both directions.
        case confirmation = 4
    }

    static let byteCount = 32
    static let tagByteCount = 16
    static let firstByte: UInt8 = 0x10

    var kind: Kind
    var port: UInt16 = 0
    var number: UInt32 = 0

    /// The bytes that stand before the tag.
    func header(search: [UInt8]) -> [UInt8] {
        var bytes = [Self.firstByte]
        bytes.append(contentsOf: search.prefix(8))
        bytes.append(kind.rawValue)
        withUnsafeBytes(of: port.bigEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Reads 16 bytes whose tag was right; nil for a kind that this version does not know.
    init?(header: ArraySlice<UInt8>) {
        let bytes = Array(header)
        guard bytes.count == Self.byteCount - Self.tagByteCount, let kind = Kind(rawValue: bytes[9]) else { return nil }
        self.init(
            kind: kind, port: UInt16(bytes[10]) << 8 | UInt16(bytes[11]),
            number: bytes[12..<16].reduce(0) { $0 << 8 | UInt32($1) })
    }

    init(kind: Kind, port: UInt16 = 0, number: UInt32 = 0) {
        self.kind = kind
        self.port = port
        self.number = number
    }
}
