import Testing

@testable import Wire

@Suite struct SignalingFrameTests {
    static let peer = try? PeerKey(counting(from: 0x20, 32))
    static let peerHex = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"

    static func frames() throws -> [(SignalingFrame, String)] {
        let peer = try PeerKey(counting(from: 0x20, 32))
        let servers = [
            ICEServer(kind: .stun, port: 3478),
            ICEServer(
                kind: .turnUDP, host: try HostName("turn.example"), port: 0x1234, username: "u", credential: "pw",
                expiry: 86_400),
        ]
        let welcome = Welcome(
            session: counting(from: 0xA0, 16), maximumSignal: 16_384, maximumRelay: 65_471, heartbeat: 15,
            iceServers: servers)
        return [
            (
                .challenge(nonce: counting(from: 0, 32), serverTime: 0x0102_0304_0506_0708, serverName: "Zoë"),
                "01 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 0102030405060708 04 5a6fc3ab"
            ),
            (
                .auth(peer: peer, signature: [UInt8](repeating: 0xEE, count: 64), features: 0x8000_0001),
                "02 \(peerHex) \(String(repeating: "ee", count: 64)) 80000001"
            ),
            (
                .welcome(welcome),
                """
                03 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 00004000 0000ffbf 000f 02
                01 00 0d96 00 00 00000000
                02 0c 7475726e2e6578616d706c65 1234 01 75 02 7077 00015180
                """
            ),
            (.signal(peer: peer, payload: [1, 2, 3]), "04 \(peerHex) 010203"),
            (.relay(peer: peer, segmentSize: 2, packets: [1, 2, 3]), "05 \(peerHex) 0002 010203"),
            (.unreachable(peer: peer, reason: .overloaded), "06 \(peerHex) 01"),
            (.goAway(reason: .replaced, retryAfter: 1500), "07 01 000005dc"),
        ]
    }

    @Test func aPeerKeyOfFourNumbersIsThatOfTheirBytes() throws {
        let numbers = PeerKey(
            0x2021_2223_2425_2627, 0x2829_2A2B_2C2D_2E2F, 0x3031_3233_3435_3637, 0x3839_3A3B_3C3D_3E3F)
        #expect(try numbers == PeerKey(counting(from: 0x20, 32)))
    }

    @Test func writesAndReadsTheBytesOfTheLayout() throws {
        for (frame, bytes) in try Self.frames() {
            #expect(try frame.encode() == hex(bytes))
            #expect(try SignalingFrame.decode(hex(bytes)) == frame)
            #expect(frame.type == hex(bytes).first)
        }
    }

    @Test func survivesPerturbation() throws {
        for (frame, _) in try Self.frames() {
            try perturb(frame.encode()) { bytes throws(WireError) in
                try SignalingFrame.decode(bytes)
            } encode: {
                try $0.encode()
            }
        }
    }

    @Test func everyPrefixOfAFixedFrameIsTruncated() throws {
        for (frame, _) in try Self.frames() {
            let bytes = try frame.encode()
            let fixed =
                switch frame {
                case .signal: 34
                case .relay: 36
                default: bytes.count
                }
            for count in 0..<fixed {
                #expect(throws: WireError.truncated) { try SignalingFrame.decode(Array(bytes.prefix(count))) }
            }
        }
    }

    @Test func ignoresUnknownTypes() throws {
        for type in [0x00, 0x08, 0x09, 0x7F, 0xFF] as [UInt8] {
            #expect(try SignalingFrame.decode([type]) == nil)
            #expect(try SignalingFrame.decode([type, 1, 2, 3]) == nil)
        }
        #expect(throws: WireError.truncated) { try SignalingFrame.decode([]) }
    }

    @Test func keepsReasonsThatItDoesNotKnow() throws {
        let frame = try #require(try SignalingFrame.decode(hex("07 63 00000000")))
        #expect(frame == .goAway(reason: GoAwayReason(rawValue: 0x63), retryAfter: 0))
    }

    @Test func refusesPayloadsAboveTheirLimits() throws {
        let peer = try PeerKey(counting(from: 0x20, 32))
        let largest = SignalingFrame.signal(peer: peer, payload: [UInt8](repeating: 0, count: 16_384))
        let bytes = try largest.encode()
        #expect(try SignalingFrame.decode(bytes) == largest)
        #expect(throws: WireError.lengthOutOfRange) { try SignalingFrame.decode(bytes + [0]) }
        for payload in [[], [UInt8](repeating: 0, count: 16_385)] {
            #expect(throws: WireError.lengthOutOfRange) {
                try SignalingFrame.signal(peer: peer, payload: payload).encode()
            }
        }
    }

    @Test(arguments: [
        (1, 1, true), (1, 128, true), (1, 129, false), (0, 1, false), (1200, 0, false), (65535, 65471, true),
        (65535, 65472, false), (512, 65471, true), (511, 65471, false),
    ])
    func relayCarriesAtMost128PacketsAnd65471Bytes(segment: UInt16, count: Int, isValid: Bool) throws {
        let peer = try PeerKey(counting(from: 0x20, 32))
        let packets = [UInt8](repeating: 7, count: count)
        let frame = SignalingFrame.relay(peer: peer, segmentSize: segment, packets: packets)
        let bytes = [0x05] + peer.bytes + [UInt8(segment >> 8), UInt8(segment & 0xFF)] + packets
        if isValid {
            #expect(try frame.encode() == bytes)
            #expect(try SignalingFrame.decode(bytes) == frame)
            #expect(bytes.count <= SignalingFrame.maximumFrame)
        } else {
            #expect(throws: WireError.lengthOutOfRange) { try frame.encode() }
            #expect(throws: WireError.self) { try SignalingFrame.decode(bytes) }
        }
    }

    @Test func refusesTextThatDoesNotFit() throws {
        let nonce = counting(from: 0, 32)
        let long = String(repeating: "é", count: 128)
        #expect(throws: WireError.lengthOutOfRange) {
            try SignalingFrame.challenge(nonce: nonce, serverTime: 0, serverName: long).encode()
        }
        #expect(throws: WireError.invalidText) {
            try SignalingFrame.challenge(nonce: nonce, serverTime: 0, serverName: "a\u{1B}[2J").encode()
        }
        #expect(throws: WireError.lengthOutOfRange) {
            try SignalingFrame.challenge(nonce: [1], serverTime: 0, serverName: "").encode()
        }
        let front = [0x01] + nonce + [UInt8](repeating: 0, count: 8)
        for name in [[0x01, 0x1B], [0x01, 0xFF], [0x02, 0xC0, 0x80], [0x01, 0x7F], [0x03, 0xED, 0xA0, 0x80]]
            as [[UInt8]]
        {
            #expect(throws: WireError.invalidText) { try SignalingFrame.decode(front + name) }
        }
    }

    @Test func refusesHostsOfICEServersThatAreNotInNormalForm() throws {
        let front = hex("03 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 00004000 0000ffbf 000f 01")
        func frame(host: String, port: String = "0d96") -> [UInt8] {
            front + [0x01, UInt8(host.utf8.count)] + Array(host.utf8) + hex(port) + hex("00 00 00000000")
        }
        #expect(try SignalingFrame.decode(frame(host: "a.example")) != nil)
        for host in ["A.example", "a.example.", "[::1]", "a b", "0:0:0:0:0:0:0:1"] {
            #expect(throws: WireError.invalidText) { try SignalingFrame.decode(frame(host: host)) }
        }
        #expect(throws: WireError.invalidValue) { try SignalingFrame.decode(frame(host: "a", port: "0000")) }
    }

    @Test func transcriptNamesHostAndNonce() throws {
        let transcript = SignalingFrame.authenticationTranscript(
            host: try HostName("Example.ORG."), nonce: counting(from: 0, 32))
        #expect(transcript == Array("sotto-auth-v1\u{0B}example.org".utf8) + counting(from: 0, 32))
    }

    @Test func closeCodesAreThoseOfTheProtocol() {
        #expect(SignalingCloseCode.allCases.map(\.rawValue) == [1001] + Array(4000...4008))
    }
}

@Suite struct PeerAddressedFrameTests {
    @Test func readsTheHeaderOfRelayInPlace() throws {
        let peer = try PeerKey(counting(from: 0x20, 32))
        let bytes = try SignalingFrame.relay(peer: peer, segmentSize: 2, packets: [1, 2, 3, 4, 5]).encode()
        let header = try RelayHeader(([9, 9] + bytes)[2...])
        #expect(header.peer == peer)
        #expect(header.segmentSize == 2)
        #expect(header.packetBytes == 5)
        #expect(header.packetRanges.map { Array(bytes[$0]) } == [[1, 2], [3, 4], [5]])
        #expect(header.bytes == Array(bytes.prefix(35)))
        for count in 0..<36 {
            #expect(throws: WireError.truncated) { try RelayHeader(bytes.prefix(count)) }
        }
        #expect(throws: WireError.unsupported(0x04)) { try RelayHeader([0x04] + bytes.dropFirst()) }
    }

    @Test func replacesThePeerInPlace() throws {
        let (from, to) = (try PeerKey(counting(from: 0x20, 32)), try PeerKey(counting(from: 0x80, 32)))
        for frame in [SignalingFrame.signal(peer: to, payload: [7]), .relay(peer: to, segmentSize: 9, packets: [7])] {
            var bytes = try frame.encode()
            #expect(try PeerAddressedFrame.peer(of: bytes) == to)
            try PeerAddressedFrame.replacePeer(of: &bytes, with: from)
            #expect(try PeerAddressedFrame.peer(of: bytes) == from)
            #expect(bytes[PeerAddressedFrame.peerRange].elementsEqual(from.bytes))
            for count in 0..<33 {
                var short = bytes.prefix(count)
                #expect(throws: WireError.truncated) { try PeerAddressedFrame.peer(of: short) }
                #expect(throws: WireError.truncated) { try PeerAddressedFrame.replacePeer(of: &short, with: to) }
            }
        }
        #expect(throws: WireError.unsupported(0x06)) { try PeerAddressedFrame.peer(of: [0x06]) }
    }

    @Test func peerKeysCompareAsTheirBytes() throws {
        let low = try PeerKey([UInt8](repeating: 0, count: 31) + [1])
        let high = try PeerKey([1] + [UInt8](repeating: 0, count: 31))
        #expect(low < high)
        #expect(low.bytes.last == 1)
        #expect(high.description.hasPrefix("0100"))
        for count in [0, 31, 33] {
            #expect(throws: WireError.lengthOutOfRange) { try PeerKey([UInt8](repeating: 0, count: count)) }
        }
    }
}
