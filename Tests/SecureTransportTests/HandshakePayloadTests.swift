import Testing

@testable import SecureTransport

@Suite struct HandshakePayloadTests {
    private let first = InitiatorPayload(
        ciphers: [.aes256GCM, .chaCha20Poly1305], transportParameters: [9, 8, 7], greeting: [0x68, 0x69])
    private let firstBytes: [UInt8] = [2, 2, 2, 1, 0, 3, 9, 8, 7, 0, 2, 0x68, 0x69]
    private let second = ResponderPayload(cipher: .chaCha20Poly1305, transportParameters: [5], greeting: [])
    private let secondBytes: [UInt8] = [1, 0, 1, 5, 0, 0]

    @Test func payloadsHaveTheWrittenLayout() throws {
        #expect(first.encode() == firstBytes)
        #expect(try InitiatorPayload(decoding: firstBytes) == first)
        #expect(second.encode() == secondBytes)
        #expect(try ResponderPayload(decoding: secondBytes) == second)
    }

    @Test func payloadsCutAnywhereAreRefused() {
        for length in firstBytes.indices {
            #expect(throws: HandshakePayloadError.self) { try InitiatorPayload(decoding: Array(firstBytes[..<length])) }
        }
        for length in secondBytes.indices {
            #expect(throws: HandshakePayloadError.self) {
                try ResponderPayload(decoding: Array(secondBytes[..<length]))
            }
        }
    }

    @Test func laterFieldsAndUnknownCiphersAreIgnored() throws {
        #expect(try InitiatorPayload(decoding: firstBytes + [1, 2, 3]) == first)
        #expect(try ResponderPayload(decoding: secondBytes + [1]) == second)
        #expect(try InitiatorPayload(decoding: [2, 2, 99, 1, 0, 0, 0, 0]).ciphers == [.chaCha20Poly1305])
    }

    @Test(arguments: [0, 1, 3, 255] as [UInt8]) func otherVersionsAndTooLongFieldsAreRefused(version: UInt8) {
        #expect(throws: HandshakePayloadError.unsupportedVersion) {
            try InitiatorPayload(decoding: [version] + firstBytes.dropFirst())
        }
        #expect(throws: HandshakePayloadError.noCommonCipher) { try InitiatorPayload(decoding: [2, 0, 0, 0, 0, 0]) }
        #expect(throws: HandshakePayloadError.noCommonCipher) { try ResponderPayload(decoding: [7, 0, 0, 0, 0]) }
        #expect(throws: HandshakePayloadError.tooLong) {
            try InitiatorPayload(decoding: [2, 1, 1, 0, 0, 1, 1] + [UInt8](repeating: 0, count: 257))
        }
    }

    @Test func theListOfSuitesStandsBeforeTheMessage() throws {
        #expect(SuiteList.encode([2, 1]) == [2, 2, 1])
        let decoded = try SuiteList.decode([3, 2, 1, 77, 9, 9])
        #expect(decoded.suites == [2, 1, 77])
        #expect(decoded.message == [9, 9])
        for bytes in [[], [0], [0, 1], [1], [2, 1], [9, 1, 2, 3, 4, 5, 6, 7, 8, 9], [255]] as [[UInt8]] {
            #expect(throws: HandshakePayloadError.self) { try SuiteList.decode(bytes) }
        }
    }

    private func append(_ bytes: [UInt8], to assembler: inout HandshakeAssembler) throws -> [UInt8]? {
        try bytes.withUnsafeBufferPointer { try assembler.append($0)?.body }
    }

    @Test(arguments: [1, 2, 3, 100, 5000]) func messagesArePutTogetherFromPieces(size: Int) throws {
        let body = pattern(4096)
        let message = try HandshakeMessageType.responder.frame(body)
        #expect(message.prefix(3) == [2, 0x10, 0x00])
        var assembler = HandshakeAssembler()
        var result: [UInt8]?
        var rest = message[...]
        while !rest.isEmpty {
            #expect(result == nil)
            result = try append(Array(rest.prefix(size)), to: &assembler)
            rest = rest.dropFirst(size)
        }
        #expect(result == body)
    }

    @Test func aSecondOrTooLongOrUnknownMessageIsRefused() throws {
        var assembler = HandshakeAssembler()
        #expect(throws: HandshakePayloadError.unexpectedMessage) {
            try append([1, 0, 1, 5, 3, 0, 0], to: &assembler)
        }
        assembler = HandshakeAssembler()
        #expect(throws: HandshakePayloadError.tooLong) { try append([1, 0x10, 0x01], to: &assembler) }
        assembler = HandshakeAssembler()
        #expect(throws: HandshakePayloadError.unexpectedMessage) { try append([9, 0, 0], to: &assembler) }
        #expect(throws: HandshakePayloadError.tooLong) {
            try HandshakeMessageType.initiator.frame([UInt8](repeating: 0, count: 4097))
        }
    }
}
