// Path probes. Integers are big-endian.
//
//   offset  size  field
//        0     1  0x80: never the first byte of a QUIC version 1 packet (RFC 9000, section 17: the fixed bit is clear)
//        1     8  connection tag of the receiver
//        9     8  counter: starts at 0 and grows by one with each probe of this direction, whatever its path
//       17     n  body, sealed with ChaCha20-Poly1305 (RFC 8439); nonce = 4 zero bytes ‖ counter;
//                 associated data = the 17 bytes above
//   17 + n    16  authentication tag
//
// Body, 14 bytes and padding:
//
//        0     1  type: 1 ping, 2 pong, 3 notice; others are ignored
//        1     1  flags: bit 0 notHeard; others are ignored
//        2     4  path. ping: the sender's id of the path; pong: as in the ping;
//                 notice: the receiver's id of the path it is about, 0xFFFFFFFF if the sender never learned it
//        6     8  number. pong: the counter of the ping; else 0
//       14     …  padding: zeros, up to 1452 bytes for the whole packet; ignored by the receiver
//
// A pong is sent on the path that the ping came by, and is not padded: the size of a ping measures one direction.

/// Sizes and fixed values of the probe format.
enum ProbeFormat {
    static let firstByte: UInt8 = 0x80
    static let headerSize = 17
    static let bodySize = 14
    static let tagSize = 16
    static let minimumSize = headerSize + bodySize + tagSize
    static let maximumSize = 1452
    static let unknownPath: UInt32 = .max

    static func nonce(_ counter: UInt64) -> [UInt8] {
        [0, 0, 0, 0] + bytes(counter)
    }

    static func bytes(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }
    }

    static func number(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// What one probe says.
struct Probe: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        case ping = 1
        case pong = 2
        case notice = 3
    }

    /// Set by a side that sends on a path but gets no answer there.
    static let notHeard: UInt8 = 1

    var kind: Kind
    var flags: UInt8 = 0
    var path: UInt32
    var number: UInt64 = 0

    /// The body, padded so that the sealed probe has `packetSize` bytes (at least the minimum, at most 1452).
    func body(packetSize: Int) -> [UInt8] {
        let size = min(max(packetSize, ProbeFormat.minimumSize), ProbeFormat.maximumSize)
        let body = [kind.rawValue, flags] + ProbeFormat.bytes(path) + ProbeFormat.bytes(number)
        return body + [UInt8](repeating: 0, count: size - ProbeFormat.minimumSize)
    }

    init(kind: Kind, flags: UInt8 = 0, path: UInt32, number: UInt64 = 0) {
        self.kind = kind
        self.flags = flags
        self.path = path
        self.number = number
    }

    /// Reads a body; nil if it is too short or its type is not known.
    init?(body: [UInt8]) {
        guard body.count >= ProbeFormat.bodySize, let kind = Kind(rawValue: body[0]) else { return nil }
        self.init(
            kind: kind, flags: body[1], path: UInt32(truncatingIfNeeded: ProbeFormat.number(body[2..<6])),
            number: ProbeFormat.number(body[6..<14]))
    }
}

/// Remembers which counters of one direction were seen, the newest 1024 of them (the idea of RFC 4303, section 3.4.3).
///
/// So many because one counter runs over all paths, and a probe on a slow path is overtaken by those on a fast one.
struct ProbeReplayWindow: Sendable {
    static let size: UInt64 = 1024

    private var words = [UInt64](repeating: 0, count: Int(size / 64))
    /// One more than the highest counter seen.
    private var next: UInt64 = 0

    /// Whether a probe with this counter would be new. The highest number of all is never used, nor accepted.
    func isNew(_ counter: UInt64) -> Bool {
        if counter == .max { return false }
        if counter >= next { return true }
        if next - counter > ProbeReplayWindow.size { return false }
        return words[word(counter)] & bit(counter) == 0
    }

    /// Marks a counter as seen. Only for probes that were proven genuine.
    mutating func insert(_ counter: UInt64) {
        guard isNew(counter) else { return }
        if counter >= next {
            if counter - next >= ProbeReplayWindow.size {
                words = [UInt64](repeating: 0, count: words.count)
            } else {
                for skipped in next...counter { words[word(skipped)] &= ~bit(skipped) }
            }
            next = counter + 1
        }
        words[word(counter)] |= bit(counter)
    }

    private func word(_ counter: UInt64) -> Int {
        Int(counter / 64 % (ProbeReplayWindow.size / 64))
    }

    private func bit(_ counter: UInt64) -> UInt64 {
        1 << (counter % 64)
    }
}

/// Seals and opens the probes of one connection: its keys, the counter, the replay window.
struct ProbeChannel: ~Copyable {
    private let keys: ProbeKeys
    private let remoteTag: ConnectionTag
    private var counter: UInt64 = 0
    private var window = ProbeReplayWindow()

    init(keys: consuming ProbeKeys, remoteTag: ConnectionTag) {
        self.keys = keys
        self.remoteTag = remoteTag
    }

    /// Seals a probe padded to `packetSize` bytes. Returns it with its counter; nil when the counters are used up.
    mutating func seal(_ probe: Probe, packetSize: Int = 0) -> (packet: [UInt8], counter: UInt64)? {
        guard counter < .max else { return nil }
        let used = counter
        counter += 1
        let header = [ProbeFormat.firstByte] + remoteTag.bytes + ProbeFormat.bytes(used)
        return (keys.seal(probe.body(packetSize: packetSize), header: header, counter: used), used)
    }

    /// What became of a packet that looked like a probe.
    enum Opened: Hashable {
        /// Forged, damaged, too short or long, or seen before.
        case refused
        /// Genuine, but of a type that this version does not know.
        case unknown
        /// A genuine new probe and its counter.
        case probe(Probe, counter: UInt64)
    }

    /// Opens a packet. One that is refused leaves no trace.
    mutating func open(_ packet: [UInt8]) -> Opened {
        guard (ProbeFormat.minimumSize...ProbeFormat.maximumSize).contains(packet.count),
            packet[0] == ProbeFormat.firstByte
        else { return .refused }
        let number = ProbeFormat.number(packet[9..<17])
        guard window.isNew(number),
            let body = keys.open(packet, headerSize: ProbeFormat.headerSize, counter: number)
        else { return .refused }
        window.insert(number)
        guard let probe = Probe(body: body) else { return .unknown }
        return .probe(probe, counter: number)
    }
}
