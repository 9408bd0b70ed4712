import Testing

@testable import Wire

@Suite struct RendezvousTests {
    static let idHex = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"

    static func credentials() throws -> ICECredentials {
        try ICECredentials(ufrag: "ab+/", password: "0123456789abcdefghijkl")
    }

    static func candidates() throws -> [Candidate] {
        [
            try Candidate(
                type: .host, endpoint: Endpoint("192.0.2.1:4660"), priority: 0x7E00_00FF, foundation: "1"),
            try Candidate(
                type: .relayed, endpoint: Endpoint("[2001:db8::1]:1"), priority: 1, foundation: "ab",
                related: Endpoint("0.0.0.0:0")),
        ]
    }

    static func table() throws -> [(Rendezvous, String)] {
        let id = hex(idHex)
        let header = "\(idHex) 000001020304a1b2"
        let time: UInt64 = 0x0000_0102_0304_A1B2
        let credentialsHex = "0004 61622b2f 0016 303132333435363738396162636465666768696a6b6c"
        let hostHex = "0f 01 04 c0000201 1234 7e0000ff 01 31 00"
        let relayedHex = "23 04 06 20010db8000000000000000000000001 0001 00000001 02 6162 01 04 00000000 0000"
        return [
            (
                try Rendezvous(connectionID: id, time: time, body: .offer(credentials(), candidates())),
                "01 \(header) \(credentialsHex) 02 \(hostHex) \(relayedHex)"
            ),
            (
                try Rendezvous(connectionID: id, time: time, body: .answer(credentials(), [])),
                "02 \(header) \(credentialsHex) 00"
            ),
            (
                try Rendezvous(connectionID: id, time: time, body: .candidates([candidates()[0]])),
                "03 \(header) 01 \(hostHex)"
            ),
            (try Rendezvous(connectionID: id, time: time, body: .endOfCandidates), "04 \(header)"),
            (try Rendezvous(connectionID: id, time: time, body: .restart), "05 \(header)"),
            (try Rendezvous(connectionID: id, time: time, body: .bye), "06 \(header)"),
            (
                try Rendezvous(connectionID: id, time: time, body: .searchOffer(searchTerms(.endpointDependent))),
                "07 \(header) 02 04 c6336409 9c40 \(secretHex)"
            ),
            (
                try Rendezvous(connectionID: id, time: time, body: .searchAnswer(searchTerms(.endpointIndependent))),
                "08 \(header) 01 04 c6336409 9c40 \(secretHex)"
            ),
        ]
    }

    private static let secretHex = String(repeating: "5a", count: 32)

    private static func searchTerms(_ mapping: NATMapping) throws -> SearchTerms {
        try SearchTerms(
            mapping: mapping, endpoint: Endpoint("198.51.100.9:40000"), secret: [UInt8](repeating: 0x5A, count: 32))
    }

    @Test func refusesTermsThatNoSearchCanHave() throws {
        let head = "07 \(Self.idHex) 0000000000000000"
        for body in [
            "00 04 c6336409 9c40", "04 04 c6336409 9c40", "ff 04 c6336409 9c40", "01 04 c6336409 0000",
            "01 04 e0000001 9c40", "01 04 ffffffff 9c40", "01 04 00000000 9c40",
        ] {
            #expect(throws: WireError.invalidValue) { try Rendezvous.decode(hex("\(head) \(body) \(Self.secretHex)")) }
        }
        for count in [0, 31, 33] {
            #expect(throws: WireError.lengthOutOfRange) {
                try SearchTerms(
                    mapping: .unknown, endpoint: Endpoint("198.51.100.9:40000"),
                    secret: [UInt8](repeating: 0, count: count))
            }
        }
    }

    @Test func writesAndReadsTheBytesOfTheLayout() throws {
        for (payload, bytes) in try Self.table() {
            #expect(payload.encode() == hex(bytes))
            #expect(try Rendezvous.decode(hex(bytes)) == payload)
        }
    }

    @Test func survivesPerturbation() throws {
        for (payload, _) in try Self.table() {
            try perturb(payload.encode()) { bytes throws(WireError) in
                try Rendezvous.decode(bytes)
            } encode: {
                $0.encode()
            }
        }
    }

    @Test func everyPrefixIsTruncated() throws {
        for (payload, _) in try Self.table() {
            let bytes = payload.encode()
            for count in bytes.indices {
                #expect(throws: WireError.truncated) { try Rendezvous.decode(Array(bytes.prefix(count))) }
            }
            #expect(throws: WireError.trailingBytes) { try Rendezvous.decode(bytes + [0]) }
        }
    }

    @Test func leavesOutCandidatesOfUnknownTypes() throws {
        let known = "0f 01 04 c0000201 1234 7e0000ff 01 31 00"
        let bytes = hex("03 \(Self.idHex) 0000000000000000 03 02 09 ff \(known) 01 05")
        #expect(try Rendezvous.decode(bytes).body == .candidates([Self.candidates()[0]]))
    }

    @Test func namesKindsThatItDoesNotKnow() {
        #expect(throws: WireError.unsupported(9)) {
            try Rendezvous.decode(hex("09 \(Self.idHex) 0000000000000000"))
        }
    }

    @Test func carriesAtMost64Candidates() throws {
        let many = [Candidate](repeating: try Self.candidates()[1], count: 65)
        let full = try Rendezvous(
            connectionID: hex(Self.idHex), time: 0, body: .offer(Self.credentials(), Array(many.dropLast())))
        #expect(try Rendezvous.decode(full.encode()) == full)
        #expect(throws: WireError.lengthOutOfRange) {
            try Rendezvous(connectionID: hex(Self.idHex), time: 0, body: .candidates(many))
        }
        #expect(throws: WireError.lengthOutOfRange) {
            try Rendezvous.decode(hex("03 \(Self.idHex) 0000000000000000 41") + [UInt8](repeating: 0, count: 9999))
        }
    }

    @Test func theLargestPayloadFitsSIGNALWhenSealed() throws {
        let longest = String(repeating: "a", count: 256)
        let candidate = try Candidate(
            type: .host, endpoint: Endpoint("[2001:db8::1]:1"), priority: 1,
            foundation: String(repeating: "f", count: 32), related: Endpoint("[::]:0"))
        let payload = try Rendezvous(
            connectionID: hex(Self.idHex), time: 0,
            body: .offer(ICECredentials(ufrag: longest, password: longest), Array(repeating: candidate, count: 64)))
        #expect(payload.encode().count == Rendezvous.maximumByteCount)
        #expect(payload.encode().count + 96 <= SignalingFrame.maximumSignalPayload)
    }

    @Test func connectionIDsHave16Bytes() {
        for count in [0, 15, 17] {
            #expect(throws: WireError.lengthOutOfRange) {
                try Rendezvous(connectionID: counting(from: 0, count), time: 0, body: .bye)
            }
        }
    }

    @Test(arguments: [
        "224.0.0.1:1", "0.0.0.0:1", "255.255.255.255:1", "192.0.2.1:0", "[::]:1", "[ff02::1]:1", "[::ffff:192.0.2.1]:1",
    ])
    func refusesCandidatesThatNobodyCanBeReachedAt(endpoint: String) {
        #expect(throws: WireError.invalidValue) {
            try Candidate(type: .host, endpoint: Endpoint(endpoint), priority: 1, foundation: "1")
        }
    }

    @Test func refusesCandidatesOutsideTheirLimits() throws {
        let endpoint = try Endpoint("192.0.2.1:1")
        for priority in [0, 0x8000_0000, UInt32.max] {
            #expect(throws: WireError.invalidValue) {
                try Candidate(type: .host, endpoint: endpoint, priority: priority, foundation: "1")
            }
        }
        for foundation in ["", String(repeating: "a", count: 33)] {
            #expect(throws: WireError.lengthOutOfRange) {
                try Candidate(type: .host, endpoint: endpoint, priority: 1, foundation: foundation)
            }
        }
        for foundation in ["a b", "é", "a\u{0}", "a-b"] {
            #expect(throws: WireError.invalidText) {
                try Candidate(type: .host, endpoint: endpoint, priority: 1, foundation: foundation)
            }
        }
    }

    @Test func credentialsKeepTheLengthsOfRFC8445AndHideThePassword() throws {
        let password = String(repeating: "p", count: 22)
        for (ufrag, password) in [
            ("abc", password), (String(repeating: "a", count: 257), password), ("abcd", String(password.dropLast())),
            ("abcd", String(repeating: "p", count: 257)),
        ] {
            #expect(throws: WireError.lengthOutOfRange) { try ICECredentials(ufrag: ufrag, password: password) }
        }
        #expect(throws: WireError.invalidText) { try ICECredentials(ufrag: "ab:d", password: password) }
        #expect(throws: WireError.invalidText) { try ICECredentials(ufrag: "abcd", password: password + "\n") }
        #expect(!String(describing: try ICECredentials(ufrag: "abcd", password: password)).contains(password))
        #expect(!String(reflecting: try ICECredentials(ufrag: "abcd", password: password)).contains(password))
    }
}
