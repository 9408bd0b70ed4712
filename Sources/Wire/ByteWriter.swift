/// Appends big-endian fields to bytes. What does not fit its field throws, so that nothing malformed leaves.
package struct ByteWriter: Sendable {
    /// What has been written.
    package private(set) var bytes: [UInt8] = []

    /// An empty writer with room for `capacity` bytes.
    package init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    /// Appends one byte.
    package mutating func write(_ value: UInt8) {
        bytes.append(value)
    }

    /// Appends two bytes, big-endian.
    package mutating func write(_ value: UInt16) {
        writeInteger(value)
    }

    /// Appends four bytes, big-endian.
    package mutating func write(_ value: UInt32) {
        writeInteger(value)
    }

    /// Appends eight bytes, big-endian.
    package mutating func write(_ value: UInt64) {
        writeInteger(value)
    }

    /// Appends bytes as they are.
    package mutating func write(_ value: some Sequence<UInt8>) {
        bytes.append(contentsOf: value)
    }

    /// Appends bytes that must be exactly `count` many. Throws `lengthOutOfRange`.
    package mutating func write(_ value: some Collection<UInt8>, exactly count: Int) throws(WireError) {
        guard value.count == count else { throw .lengthOutOfRange }
        bytes.append(contentsOf: value)
    }

    /// Appends the 32 bytes of a peer id.
    package mutating func write(_ peer: PeerKey) {
        bytes.append(contentsOf: peer.bytes)
    }

    /// Appends the text's length as one byte, then its UTF-8. Throws `lengthOutOfRange` above 255 bytes and
    /// `invalidText` for control characters.
    package mutating func writeShortText(_ text: String) throws(WireError) {
        let utf8 = Array(text.utf8)
        guard let count = UInt8(exactly: utf8.count) else { throw .lengthOutOfRange }
        guard !utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { throw .invalidText }
        bytes.append(count)
        bytes.append(contentsOf: utf8)
    }

    private mutating func writeInteger<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
        }
    }
}
