import Testing

@testable import Wire

@Suite struct ConversationFrameTests {
    static let table: [(ConversationFrame, String)] = [
        (.hello(name: "Ann", features: 0x0102_0304), "00000009 01 01020304 03 416e6e"),
        (.ping(0x0102_0304_0506_0708), "00000009 04 0102030405060708"),
        (.pong(UInt64.max), "00000009 05 ffffffffffffffff"),
        (.envelope([1, 2, 3]), "00000004 06 010203"),
        (
            .stored([counting(from: 0xB0, 16), counting(from: 0xC0, 16)]),
            "00000021 07 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
        ),
        (.prekeys([0xFF]), "00000002 08 ff"),
        (.prekeys([]), "00000001 08"),
        (.unreadable([counting(from: 0xB0, 16)]), "00000011 09 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
        (.typing(true), "00000002 0a 01"),
        (.typing(false), "00000002 0a 00"),
    ]

    @Test func writesAndReadsTheBytesOfTheLayout() throws {
        for (frame, bytes) in Self.table {
            #expect(try frame.encode() == hex(bytes))
            var decoder = ConversationFrameDecoder()
            decoder.append(hex(bytes))
            #expect(try decoder.next() == frame)
            #expect(try decoder.next() == nil)
            #expect(decoder.buffered == 0)
        }
    }

    @Test(arguments: [1, 2, 3, 5, 7, 64, 4096])
    func readsAStreamInPiecesOfAnySize(size: Int) throws {
        let stream = try Self.table.flatMap { try $0.0.encode() } + hex("00000003 63 0102") + Self.table[1].0.encode()
        var decoder = ConversationFrameDecoder()
        var frames: [ConversationFrame] = []
        for start in stride(from: 0, to: stream.count, by: size) {
            decoder.append(stream[start..<min(start + size, stream.count)])
            while let frame = try decoder.next() { frames.append(frame) }
        }
        #expect(frames == Self.table.map(\.0) + [Self.table[1].0])
        #expect(decoder.skipped == 1)
        #expect(decoder.buffered == 0)
    }

    @Test func survivesPerturbation() throws {
        for (frame, _) in Self.table {
            try perturb(frame.encode()) { bytes throws(WireError) in
                var decoder = ConversationFrameDecoder()
                decoder.append(bytes)
                return try decoder.next()
            } encode: {
                try $0.encode()
            }
        }
    }

    @Test func everyPrefixWaitsForMore() throws {
        for (frame, _) in Self.table {
            let bytes = try frame.encode()
            for count in bytes.indices {
                var decoder = ConversationFrameDecoder()
                decoder.append(bytes.prefix(count))
                #expect(try decoder.next() == nil)
                #expect(decoder.buffered == count)
            }
        }
    }

    @Test(arguments: ["00000000", "00040001", "ffffffff", "80000000"])
    func refusesLengthsOutsideTheirLimitsAtOnce(length: String) {
        var decoder = ConversationFrameDecoder()
        decoder.append(hex(length))
        #expect(throws: WireError.lengthOutOfRange) { try decoder.next() }
    }

    @Test func staysFailedAfterAnError() throws {
        var decoder = ConversationFrameDecoder()
        decoder.append(hex("00000001 04"))
        #expect(throws: WireError.truncated) { try decoder.next() }
        decoder.append(try Self.table[1].0.encode())
        #expect(throws: WireError.truncated) { try decoder.next() }
        #expect(decoder.buffered == 0)
    }

    @Test(arguments: [
        ("0000000a 04 0102030405060708 00", WireError.trailingBytes),
        ("00000007 01 01020304 01 ff", .invalidText), ("00000007 01 01020304 01 0a", .invalidText),
        ("00000007 01 01020304 02 41", .truncated), ("00000001 06", .lengthOutOfRange),
        ("00000001 07", .lengthOutOfRange), ("00000010 07 b0b1b2b3b4b5b6b7b8b9babbbcbdbe", .lengthOutOfRange),
        ("00000001 09", .lengthOutOfRange), ("00000002 0a 02", .invalidValue),
        ("00000003 0a 01 00", .trailingBytes),
    ])
    func refusesKnownTypesThatDoNotFollowTheirLayout(bytes: String, expected: WireError) {
        var decoder = ConversationFrameDecoder()
        decoder.append(hex(bytes))
        #expect(throws: expected) { try decoder.next() }
    }

    @Test func boundsNamesAndEnvelopes() throws {
        let longest = ConversationFrame.envelope([UInt8](repeating: 1, count: 73_728))
        var decoder = ConversationFrameDecoder()
        decoder.append(try longest.encode())
        #expect(try decoder.next() == longest)
        #expect(throws: WireError.lengthOutOfRange) {
            try ConversationFrame.hello(name: String(repeating: "é", count: 33), features: 0).encode()
        }
        #expect(throws: WireError.lengthOutOfRange) { try ConversationFrame.stored([[1]]).encode() }
        #expect(throws: WireError.lengthOutOfRange) {
            try ConversationFrame.envelope([UInt8](repeating: 0, count: 73_729)).encode()
        }
        #expect(throws: WireError.lengthOutOfRange) {
            try ConversationFrame.prekeys([UInt8](repeating: 0, count: 4_097)).encode()
        }
        let ids = [[UInt8]](repeating: counting(from: 0, 16), count: 129)
        #expect(throws: WireError.lengthOutOfRange) { try ConversationFrame.stored(ids).encode() }
        #expect(throws: WireError.lengthOutOfRange) { try ConversationFrame.unreadable([]).encode() }
        decoder.append(hex("00000047 01 00000000 41") + [UInt8](repeating: 0x61, count: 65))
        #expect(throws: WireError.lengthOutOfRange) { try decoder.next() }
    }
}
