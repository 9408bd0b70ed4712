import TestTools
import Testing

@testable import Wire

/// Port Control Protocol: the layouts of RFC 6887 §7, §11.1 and §14.1, byte by byte.
struct PCPTests {
    static let nonce = counting(from: 0xA0, 12)
    /// The answer to a request for a mapping of port 40,000: 203.0.113.5, port 50,000, for 600 s.
    static let mapped = hex(
        """
        02 81 00 00 00000258 00000e10 000000000000000000000000
        a0a1a2a3a4a5a6a7a8a9aaab 11 000000 9c40 c350 00000000000000000000ffff cb007105
        """)
    static let announced = hex("02 80 00 00 00000000 00000e10 000000000000000000000000")

    static func mapping(_ external: Endpoint) throws -> PCPMapping {
        PCPMapping(nonce: try PCPNonce(bytes: nonce), internalPort: 40_000, external: external)
    }

    @Test func writesTheseRequests() throws {
        let client = IPAddress.v4(192, 168, 1, 20)
        #expect(
            PCPRequest.announce.encode(client: client)
                == hex("02 00 0000 00000000 00000000000000000000ffff c0a80114"))
        #expect(
            PCPRequest.map(try Self.mapping(PCPMapping.noSuggestion), lifetime: 600).encode(client: client)
                == hex(
                    """
                    02 01 0000 00000258 00000000000000000000ffff c0a80114
                    a0a1a2a3a4a5a6a7a8a9aaab 11 000000 9c40 0000 00000000000000000000ffff 00000000
                    """))
        let suggested = try Endpoint("203.0.113.5:50000")
        #expect(
            PCPRequest.map(try Self.mapping(suggested), lifetime: .max).encode(client: client)
                == hex(
                    """
                    02 01 0000 ffffffff 00000000000000000000ffff c0a80114
                    a0a1a2a3a4a5a6a7a8a9aaab 11 000000 9c40 c350 00000000000000000000ffff cb007105
                    """))
    }

    @Test func readsEveryFieldOfAMapping() throws {
        let response = try PCPResponse(Self.mapped)
        #expect(response.result == .success)
        #expect(response.lifetime == 600)
        #expect(response.epoch == 3_600)
        #expect(try response.mapping == Self.mapping(Endpoint("203.0.113.5:50000")))
    }

    @Test func readsAnAnnouncement() throws {
        let response = try PCPResponse(Self.announced)
        #expect(response.result == .success && response.lifetime == 0 && response.epoch == 3_600)
        #expect(response.mapping == nil)
    }

    /// The codes of §7.4, those without a name included. What was asked for comes back with a refusal.
    @Test func readsEveryRefusalButThatOfTheVersion() throws {
        for code in UInt8.min...UInt8.max where code != PCPResult.unsupportedVersion.rawValue {
            var bytes = Self.mapped
            bytes[3] = code
            let response = try PCPResponse(bytes)
            #expect(response.result.rawValue == code)
            #expect((response.result == .success) == (code == 0))
            #expect(response.mapping?.internalPort == 40_000)
        }
    }

    @Test(arguments: [
        // NAT-PMP: an answer to another version (RFC 6886 §3.5).
        ("00 80 0001 00000e10", 0), ("00 81 0001 00000e10", 0), ("00 80 0001", 0),
        // A server of PCP that speaks an older or a newer version only.
        ("01 81 00 01 00000708 00000e10 000000000000000000000000", 1), ("03 80 00 01", 3),
        // One that says so although it is the same.
        ("02 81 00 01 00000708 00000e10 000000000000000000000000", 2),
    ])
    func anotherVersionIsToldFromRubbish(text: String, version: UInt8) {
        #expect(throws: WireError.unsupported(version)) { try PCPResponse(hex(text)) }
    }

    @Test func whatIsCutIsRefused() {
        for length in 0..<Self.mapped.count {
            #expect(throws: WireError.self) { try PCPResponse(Array(Self.mapped.prefix(length))) }
        }
        for length in 0..<Self.announced.count {
            #expect(throws: WireError.self) { try PCPResponse(Array(Self.announced.prefix(length))) }
        }
    }

    @Test func optionsArePassedOverUpToTheLongestMessage() throws {
        let plain = try PCPResponse(Self.mapped)
        for length in stride(from: Self.mapped.count, through: PCP.maximumMessage, by: 4) {
            let padded = Self.mapped + [UInt8](repeating: 0x80, count: length - Self.mapped.count)
            #expect(try PCPResponse(padded) == plain)
            #expect(throws: WireError.lengthOutOfRange) { try PCPResponse(padded + [0]) }
        }
        for length in [PCP.maximumMessage + 4, 65_507] {
            #expect(throws: WireError.lengthOutOfRange) {
                try PCPResponse(Self.mapped + [UInt8](repeating: 0, count: length - Self.mapped.count))
            }
        }
    }

    @Test func aRequestIsNoAnswer() throws {
        let mapping = try Self.mapping(PCPMapping.noSuggestion)
        for request in [PCPRequest.announce, .map(mapping, lifetime: 600)] {
            #expect(throws: WireError.invalidValue) { try PCPResponse(request.encode(client: .v4(192, 168, 1, 20))) }
        }
    }

    @Test func otherOpcodesAndProtocolsAreNotOurs() {
        for opcode in UInt8(2)...0x7F {
            var bytes = Self.mapped
            bytes[1] = 0x80 | opcode
            #expect(throws: WireError.invalidValue) { try PCPResponse(bytes) }
        }
        for number in UInt8.min...UInt8.max where number != 17 {
            var bytes = Self.mapped
            bytes[36] = number
            #expect(throws: WireError.invalidValue) { try PCPResponse(bytes) }
        }
    }

    /// All 96 bits before an IPv4 address count (§5).
    @Test func onlyAnIPv4AddressInDisguiseIsOne() throws {
        for index in 44..<56 {
            var bytes = Self.mapped
            bytes[index] ^= 1
            #expect(try PCPResponse(bytes).mapping?.external.address.isV6 == true)
        }
    }

    @Test func noncesAreOfThisLengthAndDiffer() throws {
        for count in 0..<32 where count != PCPNonce.byteCount {
            #expect(throws: WireError.lengthOutOfRange) { try PCPNonce(bytes: counting(from: 0, count)) }
        }
        var generator = SystemRandomNumberGenerator()
        let nonces = (0..<1_000).map { _ in PCPNonce(using: &generator) }
        #expect(Set(nonces).count == nonces.count)
        #expect(nonces.allSatisfy { $0.bytes.count == PCPNonce.byteCount })
    }

    /// Random bytes, and valid answers with some of their bytes replaced: refused, or read as they stand there.
    @Test func survivesRandomBytes() {
        var generator = SeededGenerator(seed: 6_887)
        var read = 0
        for round in 0..<50_000 {
            var bytes: [UInt8]
            if round.isMultiple(of: 2) {
                bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in generator.byte() }
                if bytes.count > 2, round.isMultiple(of: 4) { (bytes[0], bytes[1]) = (2, 0x81) }
            } else {
                bytes = Self.mapped
                for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &generator)] = generator.byte() }
            }
            guard let response = try? PCPResponse(bytes) else { continue }
            read += 1
            #expect(response.result.rawValue == bytes[3])
            #expect(response.lifetime == bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) })
            #expect(response.epoch == bytes[8..<12].reduce(0) { $0 << 8 | UInt32($1) })
            #expect((response.mapping == nil) == (bytes[1] == 0x80))
            guard let mapping = response.mapping else { continue }
            #expect(mapping.nonce.bytes == Array(bytes[24..<36]))
            #expect(mapping.internalPort == UInt16(bytes[40]) << 8 | UInt16(bytes[41]))
            #expect(mapping.external.port == UInt16(bytes[42]) << 8 | UInt16(bytes[43]))
        }
        #expect(read > 1_000)
    }
}

/// The server's clock beside ours (RFC 6887 §8.5).
struct PCPEpochTests {
    /// Server's and our seconds after the first answer, and whether the server still has what it had.
    @Test(
        arguments: [
            (0, 0, true), (600, 600, true), (600, 598, true), (598, 600, true), (600, 562, true), (562, 600, true),
            (600, 560, false), (560, 600, false), (-1, 0, true), (-2, 0, false), (-1_000, 600, false), (0, 600, false),
            (4_000_000_000, 0, false), (86_400, 86_400, true), (2, 0, true), (3, 0, false), (0, 3, false),
        ] as [(Int64, Int64, Bool)])
    func tellsWhetherTheServerWentOn(server: Int64, client: Int64, isContinued: Bool) throws {
        var epoch = PCPEpoch()
        let first = epoch.isContinued(server: 10_000, client: 77)
        #expect(first)
        let time = try #require(UInt32(exactly: 10_000 + server))
        let second = epoch.isContinued(server: time, client: 77 + client)
        #expect(second == isContinued)
        // Each answer is compared with the one before it.
        let third = epoch.isContinued(server: time, client: 77 + client)
        #expect(third)
    }

    @Test func noTimeTraps() {
        var epoch = PCPEpoch()
        for server in [0, 1, UInt32.max, 0, UInt32.max - 1, UInt32.max] {
            for client in [0, Int64(UInt32.max), 1] { _ = epoch.isContinued(server: server, client: client) }
        }
    }
}

extension SeededGenerator {
    fileprivate mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }
}
