import Testing

@testable import Wire

@Suite struct MessageContentTests {
    static let id = counting(from: 0xA0, 16)
    static let other = counting(from: 0xB0, 16)
    static let header = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 0000019000000001 0000000000000007"

    static let table: [(MessageContent.Body, String, String)] = [
        (.text("hé", answers: nil, expiresAfter: nil), "01", "00000004 00 68c3a9"),
        (
            .text("x", answers: other, expiresAfter: 60), "01",
            "00000016 03 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf 0000003c 78"
        ),
        (.edit(id: other, text: "y"), "02", "00000011 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf 79"),
        (.delete(id: other), "03", "00000010 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
        (.reaction(id: other, text: "+"), "04", "00000011 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf 2b"),
        (.delivered(envelopes: [other]), "05", "00000012 01 01 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
        (.read(messages: [other]), "05", "00000012 02 01 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
        (
            .contactRequest(name: "A", greeting: "hi", capability: other), "06",
            "00000015 01 41 02 6869 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
        ),
        (
            .contactAccept(name: "A", capability: other), "07",
            "00000012 01 41 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
        ),
        (.capability(other), "08", "00000010 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
        (.retry(envelopes: [other]), "09", "00000011 01 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
        (.timer(seconds: 5), "0a", "00000004 00000005"),
        (.profile(name: "A"), "0b", "00000002 01 41"),
        (
            .introduction(name: "A", token: other, capability: id), "0c",
            "00000022 01 41 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
        ),
        (.unknown(version: 1, kind: 0x7F, bytes: [1, 2]), "7f", "00000002 0102"),
    ]

    private func content(_ body: MessageContent.Body) -> MessageContent {
        MessageContent(id: Self.id, sentAt: 0x0000_0190_0000_0001, sequence: 7, body: body)
    }

    @Test func writesAndReadsTheBytesOfTheLayout() throws {
        for (body, kind, bytes) in Self.table {
            let expected = hex("01 \(kind) \(Self.header) \(bytes)")
            let encoded = try content(body).encode()
            #expect(encoded == expected + [UInt8](repeating: 0, count: 256 - expected.count))
            #expect(try MessageContent(decoding: encoded) == content(body))
        }
    }

    @Test func survivesPerturbation() throws {
        for (body, _, _) in Self.table {
            let bytes = Array(try content(body).encode().prefix(80))
            try perturb(bytes) { bytes throws(WireError) in
                try MessageContent(decoding: bytes)
            } encode: {
                try $0.encode()
            }
        }
    }

    @Test func whatALaterVersionSaysIsKept() throws {
        let later = hex("02 01 \(Self.header) 00000002 0102")
        #expect(try MessageContent(decoding: later).body == .unknown(version: 2, kind: 1, bytes: [1, 2]))
        let flagged = hex("01 01 \(Self.header) 00000002 8041")
        #expect(try MessageContent(decoding: flagged).body == .unknown(version: 1, kind: 1, bytes: [0x80, 0x41]))
        let receipt = hex("01 05 \(Self.header) 00000002 0941")
        #expect(try MessageContent(decoding: receipt).body == .unknown(version: 1, kind: 5, bytes: [9, 0x41]))
    }

    @Test(arguments: [
        (0, 256), (256, 256), (257, 512), (512, 512), (2048, 2048), (2049, 4096), (4096, 4096), (4097, 8192),
        (65_536, 65_536), (65_600, 69_632),
    ])
    func padsToBuckets(count: Int, size: Int) {
        #expect(MessageContent.bucket(count) == size)
    }

    @Test func sizesTellOnlyTheBucket() throws {
        let one = try content(.text("a", answers: nil, expiresAfter: nil)).encode()
        let long = try content(.text(String(repeating: "a", count: 200), answers: nil, expiresAfter: nil)).encode()
        let receipt = try content(.delivered(envelopes: [Self.other])).encode()
        #expect(one.count == long.count && one.count == receipt.count)
        let request = MessageContent.Body.contactRequest(
            name: String(repeating: "n", count: 64), greeting: String(repeating: "g", count: 128), capability: Self.id)
        #expect(try content(request).encode().count == 256)
    }

    @Test func boundsWhatItTakes() throws {
        let longest = content(.text(String(repeating: "x", count: 65_536), answers: Self.other, expiresAfter: 1))
        #expect(try longest.encode().count == MessageContent.maximumSize)
        #expect(try MessageContent(decoding: longest.encode()) == longest)
        for body: MessageContent.Body in [
            .text(String(repeating: "x", count: 65_537), answers: nil, expiresAfter: nil),
            .edit(id: [1], text: ""), .reaction(id: Self.other, text: String(repeating: "x", count: 65)),
            .delivered(envelopes: []), .read(messages: [[UInt8]](repeating: Self.id, count: 129)),
            .profile(name: String(repeating: "n", count: 65)),
        ] {
            #expect(throws: WireError.lengthOutOfRange) { try content(body).encode() }
        }
        #expect(throws: WireError.lengthOutOfRange) {
            try MessageContent(decoding: [UInt8](repeating: 1, count: MessageContent.maximumSize + 1))
        }
    }
}
