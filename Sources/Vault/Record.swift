import Wire

// Layout of what is sealed into a record: fields, each tag u8 (1…255) | length u32 | value, then a zero byte and zeros up
// to a multiple of 64 bytes, so that a cell's size says little about its content. A reader skips tags that it does not
// know: fields are only ever added.

/// Builds the content of a sealed record.
struct RecordWriter {
    private var writer = ByteWriter(capacity: 256)

    mutating func write(_ tag: UInt8, _ bytes: some Collection<UInt8>) {
        writer.write(tag)
        writer.write(UInt32(clamping: bytes.count))
        writer.write(bytes)
    }

    /// Nothing is written for `nil`.
    mutating func write(_ tag: UInt8, _ bytes: [UInt8]?) {
        if let bytes { write(tag, bytes[...]) }
    }

    mutating func write(_ tag: UInt8, _ value: UInt64?) {
        guard let value else { return }
        writer.write(tag)
        writer.write(UInt32(8))
        writer.write(value)
    }

    /// Only `true` is written.
    mutating func write(_ tag: UInt8, _ value: Bool) {
        if value { write(tag, [1][...]) }
    }

    /// The record, padded.
    func finish() -> [UInt8] {
        var bytes = writer.bytes
        bytes.append(0)
        bytes.append(contentsOf: repeatElement(0, count: (64 - bytes.count % 64) % 64))
        return bytes
    }
}

/// Reads the fields of a record one after the other.
struct RecordReader {
    private var reader: ByteReader

    init(_ bytes: [UInt8]) { reader = ByteReader(bytes) }

    /// The next field, or `nil` at the end.
    mutating func next() throws(VaultError) -> (tag: UInt8, value: ArraySlice<UInt8>)? {
        do throws(WireError) {
            let tag = try reader.readUInt8()
            if tag == 0 { return nil }
            let count = try reader.readUInt32()
            return (tag, try reader.readBytes(Int(count)))
        } catch {
            throw Self.malformed
        }
    }

    static let malformed = VaultError.damaged(detail: "a record that makes no sense")
}

extension ArraySlice<UInt8> {
    /// The field as an integer.
    func recordInteger() throws(VaultError) -> UInt64 {
        guard count == 8 else { throw RecordReader.malformed }
        return reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The field as a truth value.
    func recordFlag() -> Bool { first == 1 }

    /// The field as text.
    func recordText() throws(VaultError) -> String {
        guard let text = String(validating: self, as: UTF8.self) else { throw RecordReader.malformed }
        return text
    }

    /// The field as bytes of a fixed number.
    func recordBytes(_ expected: Int) throws(VaultError) -> [UInt8] {
        guard count == expected else { throw RecordReader.malformed }
        return Array(self)
    }
}
