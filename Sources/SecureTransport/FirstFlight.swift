/// The client's first datagrams, to be sent again as a whole when nothing is heard. The server says nothing before it has all of them; ngtcp2,
/// left to itself, sends one again with each probe timeout, not knowing which is missing.
///
/// The same bytes are sent: the server tells copies by their packet numbers.
struct FirstFlight {
    /// Message 1 with the longest greeting takes two.
    private static let maximumPackets = 4

    private var packets: [[UInt8]] = []
    private var repeats: ArraySlice<[UInt8]> = []
    private var isRecording = true

    /// Whether it was sent more than once.
    var wasRepeated: Bool { !isRecording && !packets.isEmpty }

    /// Keeps a packet written, until the first timeout.
    mutating func record(_ packet: UnsafeRawBufferPointer) {
        guard isRecording, packets.count < Self.maximumPackets, !packet.isEmpty else { return }
        packets.append(Array(packet))
    }

    /// A probe timeout fired: all of it is to be sent again.
    mutating func repeatAll() {
        isRecording = false
        repeats = packets[...]
    }

    /// The server has answered: none of this is needed any more.
    mutating func forget() {
        self = FirstFlight()
        isRecording = false
    }

    /// Copies the next packet to be sent again, and returns its length; 0 when there is none. One that does not fit is dropped.
    mutating func next(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while let packet = repeats.popFirst() {
            guard packet.count <= buffer.count else { continue }
            buffer.copyBytes(from: packet)
            return packet.count
        }
        return 0
    }
}
