import Testing

@testable import Wire

@Suite struct STUNTests {
    static let idHex = "b7e7a701bc34d686fa87dfae"  // of RFC 5769's test vectors
    static let modern = "0001 0000 2112a442 \(idHex)"
    static let classic = "0001 0000 00010203 04050607 08090a0b 0c0d0e0f"

    @Test func answersModernRequestsWithXORMappedAddress() throws {
        // Addresses and XORed values of RFC 5769 §2.2 and §2.3.
        let request = try STUNBindingRequest(hex(Self.modern))
        #expect(!request.isClassic)
        #expect(
            try request.response(mapped: Endpoint("192.0.2.1:32853"))
                == hex("0101 000c 2112a442 \(Self.idHex) 0020 0008 0001 a147 e112a643"))
        #expect(
            try request.response(mapped: Endpoint("[2001:db8:1234:5678:11:2233:4455:6677]:32853"))
                == hex("0101 0018 2112a442 \(Self.idHex) 0020 0014 0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9"))
    }

    @Test func answersClassicRequestsWithMappedAddress() throws {
        let request = try STUNBindingRequest(hex(Self.classic))
        #expect(request.isClassic)
        #expect(
            try request.response(mapped: Endpoint("192.0.2.1:32853"))
                == hex("0101 000c 00010203 04050607 08090a0b 0c0d0e0f 0001 0008 0001 8055 c0000201"))
        #expect(
            try request.response(mapped: Endpoint("[2001:db8::1]:1"))
                == hex(
                    "0101 0018 000102030405060708090a0b0c0d0e0f 0001 0014 0002 0001 20010db8000000000000000000000001"))
    }

    @Test func refusesUnknownComprehensionRequiredAttributes() throws {
        let request = try STUNBindingRequest(
            hex("0001 0014 2112a442 \(Self.idHex) 0003 0004 00000006 7fff 0000 0003 0000 8022 0000"))
        #expect(request.unknownAttributes == [0x0003, 0x7FFF])
        #expect(
            try request.response(mapped: Endpoint("192.0.2.1:1"))
                == hex("0111 0010 2112a442 \(Self.idHex) 0009 0004 00000414 000a 0004 0003 7fff"))
    }

    @Test func readsPastOptionalAndPaddedAttributes() throws {
        let request = try STUNBindingRequest(
            hex("0001 0014 2112a442 \(Self.idHex) 8022 0005 736f74746f 000000 8028 0004 01020304"))
        #expect(request.unknownAttributes.isEmpty)
    }

    @Test(arguments: [
        "0001 0008 000102030405060708090a0b0c0d0e0f 0003 0004 00000006",  // CHANGE-REQUEST
        "0001 000c 000102030405060708090a0b0c0d0e0f 0002 0008 0001 0050 c0000209",  // RESPONSE-ADDRESS
        "0101 0000 2112a442 b7e7a701bc34d686fa87dfae", "0011 0000 2112a442 b7e7a701bc34d686fa87dfae",
        "4001 0000 2112a442 b7e7a701bc34d686fa87dfae", "8001 0000 2112a442 b7e7a701bc34d686fa87dfae",
        "0001 0002 2112a442 b7e7a701bc34d686fa87dfae 0000", "0001 0004 2112a442 b7e7a701bc34d686fa87dfae",
        "0001 0000 2112a442 b7e7a701bc34d686fa87dfae 00000000",
        "0001 0004 2112a442 b7e7a701bc34d686fa87dfae 8022 0001", "", "0001",
    ])
    func doesNotAnswerAnythingElse(datagram: String) {
        #expect(throws: WireError.self) { try STUNBindingRequest(hex(datagram)) }
    }

    @Test func anAnswerIsNeverMuchLargerThanItsRequest() throws {
        for count in 1...300 {
            let attributes = (0..<count).flatMap { [0x40, 0x00, 0, 0].map { UInt8($0) }.replacing(1, with: $0) }
            let datagram =
                hex("0001") + [UInt8(attributes.count >> 8), UInt8(attributes.count & 0xFF)]
                + hex("2112a442 \(Self.idHex)") + attributes
            let answer = try STUNBindingRequest(datagram).response(mapped: Endpoint("[2001:db8::1]:1"))
            #expect(answer.count <= datagram.count + 24)
        }
    }

    @Test func refusesRequestsAbove1280Bytes() {
        let attribute = hex("8022 04ec") + [UInt8](repeating: 0, count: 1260)
        #expect(throws: WireError.lengthOutOfRange) {
            try STUNBindingRequest(hex("0001 04f0 2112a442 \(Self.idHex)") + attribute)
        }
    }

    @Test func survivesPerturbation() throws {
        for text in [Self.modern, Self.classic, "0001 000c 2112a442 \(Self.idHex) 8022 0005 736f74746f 000000"] {
            for bytes in perturbations(of: hex(text)) {
                if let request = try? STUNBindingRequest(bytes) {
                    #expect(try !request.response(mapped: Endpoint("192.0.2.1:1")).isEmpty)
                }
            }
        }
        let answer = hex("0101 0018 2112a442 \(Self.idHex) 0020 0014 0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9")
        for bytes in perturbations(of: answer) {
            _ = try? STUNBindingResponse(bytes, transactionID: hex(Self.idHex))
        }
    }

    @Test func clientsReadWhatServersWrite() throws {
        let id = hex(Self.idHex)
        let request = try STUNBindingRequest(STUN.bindingRequest(transactionID: id))
        for text in ["192.0.2.1:32853", "[2001:db8::7]:9"] {
            let endpoint = try Endpoint(text)
            let answer = request.response(mapped: endpoint)
            #expect(try STUNBindingResponse(answer, transactionID: id) == .mapped(endpoint))
            #expect(throws: WireError.invalidValue) {
                try STUNBindingResponse(answer, transactionID: counting(from: 0, 12))
            }
        }
        #expect(try STUN.bindingRequest(transactionID: id) == hex(Self.modern))
        #expect(throws: WireError.lengthOutOfRange) { try STUN.bindingRequest(transactionID: [1]) }
    }

    @Test func clientsReadRFC5769sAnswers() throws {
        // RFC 5769 §2.2, sample IPv4 response.
        let answer = hex(
            """
            0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643
            00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96
            """)
        #expect(try STUNBindingResponse(answer, transactionID: hex(Self.idHex)) == .mapped(Endpoint("192.0.2.1:32853")))
    }

    @Test(arguments: [
        ("0111 0008 2112a442 b7e7a701bc34d686fa87dfae 0009 0004 00000414", 420),
        ("0111 0008 2112a442 b7e7a701bc34d686fa87dfae 0009 0004 00000500", 500),
    ])
    func clientsReadRefusals(datagram: String, code: Int) throws {
        #expect(try STUNBindingResponse(hex(datagram), transactionID: hex(Self.idHex)) == .refused(code: code))
    }

    @Test(arguments: [
        "0111 0008 2112a442 b7e7a701bc34d686fa87dfae 0009 0004 00000714",
        "0111 0008 2112a442 b7e7a701bc34d686fa87dfae 0009 0004 00000464", "0101 0000 2112a442 b7e7a701bc34d686fa87dfae",
        "0101 000c 2112a442 b7e7a701bc34d686fa87dfae 0020 0008 0003 a147 e112a643",
        "0001 0000 2112a442 b7e7a701bc34d686fa87dfae",
    ])
    func clientsRefuseAnswersThatSayNothing(datagram: String) {
        #expect(throws: WireError.invalidValue) {
            try STUNBindingResponse(hex(datagram), transactionID: hex(Self.idHex))
        }
    }
}

extension Array {
    /// A copy with one element changed, by the low byte of `value`.
    fileprivate func replacing(_ index: Int, with value: Int) -> [UInt8] where Element == UInt8 {
        var copy = self
        copy[index] = UInt8(truncatingIfNeeded: value)
        return copy
    }
}
