import Testing

@testable import Wire

@Suite struct ByteReaderTests {
    @Test func readsBigEndianIntegers() throws {
        var reader = ByteReader(counting(from: 1, 15))
        #expect(try reader.readUInt8() == 0x01)
        #expect(try reader.readUInt16() == 0x0203)
        #expect(try reader.readUInt32() == 0x0405_0607)
        #expect(try reader.readUInt64() == 0x0809_0A0B_0C0D_0E0F)
        try reader.finish()
    }

    @Test func writesWhatItReads() {
        var writer = ByteWriter()
        writer.write(UInt8(0x01))
        writer.write(UInt16(0x0203))
        writer.write(UInt32(0x0405_0607))
        writer.write(UInt64(0x0809_0A0B_0C0D_0E0F))
        #expect(writer.bytes == counting(from: 1, 15))
    }

    @Test func failingReadsConsumeNothing() throws {
        var reader = ByteReader([1, 2, 3][...])
        #expect(throws: WireError.truncated) { try reader.readUInt32() }
        #expect(throws: WireError.truncated) { try reader.readUInt64() }
        #expect(throws: WireError.truncated) { try reader.readBytes(4) }
        #expect(throws: WireError.truncated) { try reader.readBytes(-1) }
        #expect(throws: WireError.trailingBytes) { try reader.finish() }
        #expect(reader.remaining == 3)
        #expect(Array(reader.readRest()) == [1, 2, 3])
        #expect(throws: WireError.truncated) { try reader.readUInt8() }
        try reader.finish()
    }

    @Test func readsSlicesFromTheirOwnStart() throws {
        var reader = ByteReader(counting(from: 0, 10)[4..<7])
        #expect(try reader.readUInt16() == 0x0405)
        #expect(try reader.readUInt8() == 6)
        #expect(reader.remaining == 0)
    }
}
