import Testing

@testable import Wire

@Suite struct MailFrameTests {
    private static let peerHex = SignalingFrameTests.peerHex
    private static let capabilityHex = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"

    /// A frame of each type, and its bytes.
    static func frames() throws -> [(MailFrame, String)] {
        let peer = try PeerKey(counting(from: 0x20, 32))
        let capability = counting(from: 0xA0, 16)
        let info = MailboxInfo(
            waiting: 3, oneTimeKeysLeft: 43, timeToLive: 2_592_000, quota: 8_388_608,
            generation: counting(from: 0xB0, 16))
        let digests = [try CapabilityDigest(counting(from: 0xC0, 16)), try CapabilityDigest(counting(from: 0xD0, 16))]
        return [
            (.mailbox(info), "10 00000003 002b 00278d00 00800000 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
            (
                .mail(request: 0x0102_0304, recipient: peer, capability: capability, envelope: [1, 2, 3]),
                "11 01020304 \(peerHex) \(capabilityHex) 010203"
            ),
            (.stored(request: 0xFFFF_FFFF), "12 ffffffff"),
            (.refused(request: 1, reason: .tooFast, retryAfter: 1500), "13 00000001 04 000005dc"),
            (
                .item(mail: 0x0102_0304_0506_0708, storedAt: 1_700_000_000_000, envelope: [9]),
                "14 0102030405060708 0000018bcfe56800 09"
            ),
            (.acknowledge(mails: [1, .max]), "15 0002 0000000000000001 ffffffffffffffff"),
            (.publishPrekeys(request: 2, publication: [7, 8]), "16 00000002 0708"),
            (
                .fetchPrekeys(request: 3, peer: peer, capability: MailFrame.noCapability),
                "17 00000003 \(peerHex) 00000000000000000000000000000000"
            ),
            (.prekeys(request: 3, bundle: [5, 6]), "18 00000003 0506"),
            (
                .capabilities(request: 4, operation: .remove, digests: digests),
                "19 00000004 02 0002 c0c1c2c3c4c5c6c7c8c9cacbcccdcecf d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
            ),
            (
                .requestMail(request: 5, recipient: peer, envelope: [1]),
                "1a 00000005 \(peerHex) 00000000000000000000000000000000 01"
            ),
            (.done(request: 6), "1b 00000006"),
        ]
    }

    @Test func writesAndReadsTheBytesOfTheLayout() throws {
        for (frame, bytes) in try Self.frames() {
            #expect(try frame.encode() == hex(bytes))
            #expect(try MailFrame.decode(hex(bytes)) == frame)
            #expect(frame.type == hex(bytes).first)
            #expect(MailFrame.isMail(type: frame.type))
        }
    }

    @Test func everyTypeIsTried() throws {
        #expect(try Self.frames().map(\.0.type) == Array(0x10...0x1B))
    }

    @Test func numbersRequestsAndKnowsWhoSpeaks() throws {
        let frames = try Self.frames().map(\.0)
        #expect(frames.filter(\.isFromServer).map(\.type) == [0x10, 0x12, 0x13, 0x14, 0x18, 0x1B])
        #expect(frames.map(\.request) == [nil, 0x0102_0304, .max, 1, nil, nil, 2, 3, 3, 4, 5, 6])
    }

    @Test func emptyListsAndBundlesAreFramesToo() throws {
        for (frame, bytes) in [
            (MailFrame.prekeys(request: 1, bundle: []), "18 00000001"),
            (.capabilities(request: 1, operation: .replace, digests: []), "19 00000001 00 0000"),
        ] {
            #expect(try frame.encode() == hex(bytes))
            #expect(try MailFrame.decode(hex(bytes)) == frame)
        }
    }

    @Test func survivesPerturbation() throws {
        for (frame, _) in try Self.frames() {
            try perturb(frame.encode()) { bytes throws(WireError) in
                try MailFrame.decode(bytes)
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
                case .mail, .requestMail: 54
                case .item: 18
                case .publishPrekeys: 6
                case .prekeys: 5
                default: bytes.count
                }
            for count in 0..<fixed {
                #expect(throws: WireError.truncated) { try MailFrame.decode(Array(bytes.prefix(count))) }
            }
        }
    }

    @Test func refusesBytesBehindAFrameOfFixedLength() throws {
        for (frame, _) in try Self.frames() {
            switch frame {
            case .mail, .requestMail, .item, .publishPrekeys, .prekeys: continue
            default:
                let bytes = try frame.encode()
                #expect(throws: WireError.trailingBytes) { try MailFrame.decode(bytes + [0]) }
            }
        }
    }

    @Test func passesOverTypesThatItDoesNotKnow() throws {
        for type in 0...UInt8.max {
            #expect(MailFrame.isMail(type: type) == (0x10...0x1F).contains(type))
            guard !(0x10...0x1B).contains(type) else { continue }
            #expect(try MailFrame.decode([type]) == nil)
            #expect(try MailFrame.decode([type, 1, 2, 3]) == nil)
        }
        #expect(throws: WireError.truncated) { try MailFrame.decode([]) }
        // And who does not know mail passes over it.
        for (frame, _) in try Self.frames() { #expect(try SignalingFrame.decode(frame.encode()) == nil) }
    }

    @Test func keepsReasonsThatItDoesNotKnow() throws {
        let frame = try MailFrame.decode(hex("13 00000001 63 00000000"))
        #expect(frame == .refused(request: 1, reason: MailRefusal(rawValue: 0x63), retryAfter: 0))
        #expect(throws: WireError.invalidValue) { try MailFrame.decode(hex("19 00000001 04 0000")) }
    }

    @Test func requestsShowNoCapability() throws {
        for index in 0..<16 {
            var bytes = hex("1a 00000005 \(Self.peerHex) 00000000000000000000000000000000 01")
            bytes[37 + index] = 1
            #expect(throws: WireError.invalidValue) { try MailFrame.decode(bytes) }
        }
    }

    // MARK: Limits

    /// Frames with a field of any length.
    private static func sized() throws -> [(limits: ClosedRange<Int>, make: @Sendable (Int) throws -> MailFrame)] {
        let peer = try PeerKey(counting(from: 0x20, 32))
        let digest = try CapabilityDigest(counting(from: 0xC0, 16))
        @Sendable func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0xEE, count: count) }
        return [
            (
                1...73_728,
                { .mail(request: 1, recipient: peer, capability: MailFrame.noCapability, envelope: bytes($0)) }
            ),
            (1...73_728, { .item(mail: 1, storedAt: 2, envelope: bytes($0)) }),
            (1...512, { .acknowledge(mails: [UInt64](repeating: 3, count: $0)) }),
            (1...57_344, { .publishPrekeys(request: 1, publication: bytes($0)) }),
            (0...4_096, { .prekeys(request: 1, bundle: bytes($0)) }),
            (
                0...512,
                {
                    .capabilities(
                        request: 1, operation: .add, digests: [CapabilityDigest](repeating: digest, count: $0))
                }
            ),
            (1...2_048, { .requestMail(request: 1, recipient: peer, envelope: bytes($0)) }),
            (16...16, { .fetchPrekeys(request: 1, peer: peer, capability: bytes($0)) }),
            (16...16, { .mail(request: 1, recipient: peer, capability: bytes($0), envelope: [1]) }),
            (
                16...16,
                {
                    .mailbox(
                        MailboxInfo(waiting: 1, oneTimeKeysLeft: 2, timeToLive: 3, quota: 4, generation: bytes($0)))
                }
            ),
        ]
    }

    @Test func takesWhatIsWithinTheLimitsAndNothingElse() throws {
        for (limits, make) in try Self.sized() {
            for count in [limits.lowerBound, limits.upperBound] {
                let frame = try make(count)
                let bytes = try frame.encode()
                #expect(bytes.count <= MailFrame.maximumFrame)
                #expect(try MailFrame.decode(bytes) == frame)
            }
            for count in [limits.lowerBound - 1, limits.upperBound + 1] where count >= 0 {
                #expect(throws: WireError.lengthOutOfRange) { try make(count).encode() }
            }
        }
    }

    @Test func readsNothingAboveTheLimits() throws {
        for (limits, make) in try Self.sized() where limits.lowerBound != limits.upperBound {
            let largest = try make(limits.upperBound)
            switch largest {
            case .acknowledge, .capabilities: continue
            default:
                let bytes = try largest.encode()
                #expect(throws: WireError.lengthOutOfRange) { try MailFrame.decode(bytes + [0]) }
            }
        }
        #expect(throws: WireError.lengthOutOfRange) { try MailFrame.decode(hex("15 0000")) }
        let mails = [UInt8](repeating: 1, count: 513 * 8)
        #expect(throws: WireError.lengthOutOfRange) { try MailFrame.decode(hex("15 0201") + mails) }
        let digests = [UInt8](repeating: 1, count: 513 * 16)
        #expect(throws: WireError.lengthOutOfRange) { try MailFrame.decode(hex("19 00000001 01 0201") + digests) }
    }

    @Test func theLargestFrameIsAMail() throws {
        #expect(MailFrame.maximumFrame == 73_781)
        #expect(MailFrame.maximumFrame >= SignalingFrame.maximumFrame)
    }

    @Test func randomBytesNeverGiveAFrameThatCannotBeWritten() throws {
        for _ in 0..<20_000 {
            let type = UInt8.random(in: 0x10...0x1F)
            let bytes = [type] + (0..<Int.random(in: 0...120)).map { _ in UInt8.random(in: 0...7) }
            guard let frame = try? MailFrame.decode(bytes) else { continue }
            #expect(try frame.encode() == bytes)
        }
    }
}

@Suite struct CapabilityDigestTests {
    @Test func keepsItsSixteenBytes() throws {
        let bytes = counting(from: 0xF8, 16)
        #expect(try CapabilityDigest(bytes).bytes == bytes)
        #expect(try CapabilityDigest(([0] + bytes).dropFirst()).bytes == bytes)
        #expect(try CapabilityDigest(bytes).description == "f8f9fafbfcfdfeff0001020304050607")
        for count in [0, 15, 17] {
            #expect(throws: WireError.lengthOutOfRange) { try CapabilityDigest([UInt8](repeating: 0, count: count)) }
        }
    }
}
