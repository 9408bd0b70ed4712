import Noise
import Wire

/// Writes a stored state. The same code runs twice, first to count and then to write into wiped memory of that size, so
/// that no part of a secret is left behind by growing.
struct StateWriter {
    private let target: UnsafeMutableRawBufferPointer?
    private(set) var count = 0

    static func encode(_ body: (inout StateWriter) -> Void) -> SecretBytes {
        var counter = StateWriter(target: nil)
        body(&counter)
        return SecretBytes(count: counter.count) { buffer in
            var writer = StateWriter(target: buffer)
            body(&writer)
        }
    }

    private init(target: UnsafeMutableRawBufferPointer?) {
        self.target = target
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        if let target {
            UnsafeMutableRawBufferPointer(rebasing: target[count...]).copyMemory(from: bytes)
        }
        count += bytes.count
    }

    mutating func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { write($0) }
    }

    mutating func write(_ secret: borrowing SecretBytes) {
        secret.withUnsafeBytes { write($0) }
    }

    mutating func write(_ secret: Secret) {
        write(secret.bytes)
    }

    /// Big-endian.
    mutating func write<T: FixedWidthInteger>(integer: T) {
        withUnsafeBytes(of: integer.bigEndian) { write($0) }
    }
}

/// Reads a stored state. Bounds-checked; throws `malformed` and nothing else.
struct StateReader {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        rest = bytes
    }

    private mutating func take(_ count: Int) throws(RatchetError) -> UnsafeRawBufferPointer {
        guard count <= rest.count else { throw .malformed }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<count])
    }

    mutating func bytes(_ count: Int) throws(RatchetError) -> [UInt8] {
        Array(try take(count))
    }

    mutating func secretBytes(_ count: Int) throws(RatchetError) -> SecretBytes {
        SecretBytes(copying: try take(count))
    }

    mutating func secret() throws(RatchetError) -> Secret {
        Secret(try secretBytes(Secret.byteCount))
    }

    mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type) throws(RatchetError) -> T {
        try take(T.bitWidth / 8).reduce(0) { $0 << 8 | T($1) }
    }

    /// A number of things of at least `size` bytes each that follow. Throws when there are more than `limit`, or more than
    /// there can be.
    mutating func count<T: FixedWidthInteger & UnsignedInteger>(
        _ type: T.Type, limit: Int, size: Int
    ) throws(RatchetError) -> Int {
        let count = Int(try integer(type))
        guard count <= limit, count <= rest.count / size else { throw .malformed }
        return count
    }

    /// Throws unless everything has been read.
    func finish() throws(RatchetError) {
        guard rest.isEmpty else { throw .malformed }
    }
}

extension ByteReader {
    /// As `readBytes`, with the error of this module.
    mutating func take(_ count: Int) throws(RatchetError) -> [UInt8] {
        guard count >= 0, let bytes = try? readBytes(count) else { throw .malformed }
        return Array(bytes)
    }

    mutating func takeUInt32() throws(RatchetError) -> UInt32 {
        guard let value = try? readUInt32() else { throw .malformed }
        return value
    }
}
