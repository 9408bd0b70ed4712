/// Reads big-endian fields from the front of bytes. Every read is bounds-checked; a failing read throws
/// `WireError.truncated` and consumes nothing.
package struct ByteReader: Sendable {
    /// The bytes not yet read.
    package private(set) var rest: ArraySlice<UInt8>

    /// Reads from the start of `bytes`.
    package init(_ bytes: [UInt8]) {
        self.rest = bytes[...]
    }

    /// Reads from the start of `bytes`, whatever its first index.
    package init(_ bytes: ArraySlice<UInt8>) {
        self.rest = bytes
    }

    /// How many bytes are left.
    package var remaining: Int { rest.count }

    /// The next `count` bytes. Throws `truncated` when fewer are left.
    package mutating func readBytes(_ count: Int) throws(WireError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= rest.count else { throw .truncated }
        let taken = rest.prefix(count)
        rest = rest.dropFirst(count)
        return taken
    }

    /// All bytes that are left, possibly none.
    package mutating func readRest() -> ArraySlice<UInt8> {
        let taken = rest
        rest = rest.suffix(0)
        return taken
    }

    /// One byte.
    package mutating func readUInt8() throws(WireError) -> UInt8 {
        guard let byte = rest.first else { throw .truncated }
        rest = rest.dropFirst()
        return byte
    }

    /// Two bytes, big-endian.
    package mutating func readUInt16() throws(WireError) -> UInt16 {
        try readInteger()
    }

    /// Four bytes, big-endian.
    package mutating func readUInt32() throws(WireError) -> UInt32 {
        try readInteger()
    }

    /// Eight bytes, big-endian.
    package mutating func readUInt64() throws(WireError) -> UInt64 {
        try readInteger()
    }

    /// A peer id: 32 bytes.
    package mutating func readPeerKey() throws(WireError) -> PeerKey {
        try PeerKey(readBytes(PeerKey.byteCount))
    }

    /// `count` bytes of UTF-8. Throws `invalidText` when they are not, or when they hold a control character
    /// (U+0000 to U+001F and U+007F) and those are not allowed.
    package mutating func readText(_ count: Int, allowingControls: Bool = false) throws(WireError) -> String {
        let bytes = try readBytes(count)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalidText }
        guard allowingControls || !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { throw .invalidText }
        return text
    }

    /// A length of one byte, then that much UTF-8 without control characters.
    package mutating func readShortText() throws(WireError) -> String {
        let count = try readUInt8()
        return try readText(Int(count))
    }

    /// Throws `trailingBytes` unless everything has been read.
    package func finish() throws(WireError) {
        guard rest.isEmpty else { throw .trailingBytes }
    }

    private mutating func readInteger<T: FixedWidthInteger & UnsignedInteger>() throws(WireError) -> T {
        let bytes = try readBytes(T.bitWidth / 8)
        return bytes.reduce(0) { $0 << 8 | T($1) }
    }
}
