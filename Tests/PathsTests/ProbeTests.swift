import Testing

@testable import Paths

/// The probe format, its keys and its replay window.
@Suite struct ProbeTests {
    static let tag = ConnectionTag(rawValue: 0x0102_0304_0506_0708)

    static func keys(isFirst: Bool) throws -> ProbeKeys {
        let first = [UInt8](0..<32)
        let second = [UInt8](32..<64)
        return isFirst ? try ProbeKeys(send: first, receive: second) : try ProbeKeys(send: second, receive: first)
    }

    static func pair() throws -> (Channel, Channel) {
        try (Channel(keys(isFirst: true)), Channel(keys(isFirst: false)))
    }

    /// A channel that can be captured.
    final class Channel {
        private var channel: ProbeChannel

        func open(_ packet: [UInt8]) -> ProbeChannel.Opened {
            channel.open(packet)
        }

        init(_ keys: consuming ProbeKeys) {
            channel = ProbeChannel(keys: keys, remoteTag: ProbeTests.tag)
        }

        func seal(_ probe: Probe, size: Int = 0) throws -> [UInt8] {
            let sealed = channel.seal(probe, packetSize: size)
            return try #require(sealed?.packet)
        }
    }

    @Test func hasTheWrittenLayout() throws {
        let (alice, _) = try Self.pair()
        _ = try alice.seal(Probe(kind: .ping, path: 1))
        let packet = try alice.seal(Probe(kind: .pong, path: 7, number: 9))
        #expect(packet.count == 47)
        #expect(packet[..<17] == [0x80, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1])
        let probe = Probe(kind: .pong, flags: 1, path: 0x0A0B_0C0D, number: 0x0102_0304_0506_0708)
        #expect(probe.body(packetSize: 49) == [2, 1, 10, 11, 12, 13, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0])
    }

    /// Computed with another implementation (PyCA cryptography): the format is what the page says.
    @Test func matchesAnotherImplementation() throws {
        let (alice, _) = try Self.pair()
        let packet = try alice.seal(Probe(kind: .ping, flags: 1, path: 5))
        let text = packet.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(
            text == "800102030405060708000000000000000019b94231ade3a6d113615c61af43c74acb35d53de6fab49bcbba3f72fc2e")
    }

    @Test(arguments: [0, 47, 48, 1200, 1280, 1400, 1452, 9000])
    func roundTrips(size: Int) throws {
        let (alice, bob) = try Self.pair()
        let probe = Probe(kind: .notice, flags: Probe.notHeard, path: .max, number: .max)
        let packet = try alice.seal(probe, size: size)
        #expect(packet.count == min(max(size, 47), 1452))
        #expect(bob.open(packet) == .probe(probe, counter: 0))
    }

    @Test func refusesEveryFlippedBit() throws {
        let (alice, bob) = try Self.pair()
        let packet = try alice.seal(Probe(kind: .ping, path: 1), size: 60)
        for bit in 0..<packet.count * 8 {
            var damaged = packet
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(bob.open(damaged) == .refused)
        }
        #expect(bob.open(packet) == .probe(Probe(kind: .ping, path: 1), counter: 0))
    }

    @Test func refusesOtherLengths() throws {
        let (alice, bob) = try Self.pair()
        let packet = try alice.seal(Probe(kind: .ping, path: 1), size: 100)
        for length in 0..<packet.count { #expect(bob.open([UInt8](packet[..<length])) == .refused) }
        for extra in [1, 100, 1353, 100_000] {
            #expect(bob.open(packet + [UInt8](repeating: 0, count: extra)) == .refused)
        }
    }

    @Test func refusesRepetitionReflectionAndOtherKeys() throws {
        let (alice, bob) = try Self.pair()
        let packet = try alice.seal(Probe(kind: .ping, path: 1))
        #expect(alice.open(packet) == .refused)
        let stranger = Channel(try ProbeKeys(send: [UInt8](64..<96), receive: [UInt8](96..<128)))
        #expect(stranger.open(packet) == .refused)
        #expect(bob.open(packet) != .refused)
        #expect(bob.open(packet) == .refused)
    }

    @Test func wantsKeysOf32Bytes() {
        for (send, receive) in [(0, 32), (32, 31), (33, 32)] {
            #expect(throws: ProbeKeyError.wrongSize) {
                _ = try ProbeKeys(
                    send: [UInt8](repeating: 0, count: send), receive: [UInt8](repeating: 0, count: receive))
            }
        }
    }

    @Test func ignoresBodiesItDoesNotKnow() {
        #expect(Probe(body: []) == nil)
        #expect(Probe(body: [1] + [UInt8](repeating: 0, count: 12)) == nil)
        #expect(Probe(body: [0] + [UInt8](repeating: 0, count: 13)) == nil)
        #expect(Probe(body: [4] + [UInt8](repeating: 0, count: 13)) == nil)
    }

    @Test func theWindowAcceptsEachCounterOnce() {
        var window = ProbeReplayWindow()
        var dice = Dice(state: 3)
        var seen: Set<UInt64> = []
        var highest: UInt64 = 0
        for _ in 0..<20_000 {
            let jump = UInt64.random(in: 0..<100, using: &dice) == 0 ? 5_000 : 40 as UInt64
            let counter = UInt64.random(in: (highest > 1_500 ? highest - 1_500 : 0)...(highest + jump), using: &dice)
            let isTooOld = highest >= 1024 && counter <= highest - 1024
            let isNew = !isTooOld && !seen.contains(counter)
            if window.isNew(counter) != isNew { Issue.record("counter \(counter) after \(highest)") }
            if isNew {
                window.insert(counter)
                seen.insert(counter)
                highest = max(highest, counter)
            }
        }
    }

    @Test func theWindowBearsTheLargestNumbers() {
        var window = ProbeReplayWindow()
        window.insert(.max)
        #expect(window.isNew(0))
        #expect(!window.isNew(.max))
        window.insert(.max - 1)
        #expect(!window.isNew(.max - 1))
        #expect(window.isNew(.max - 2))
        #expect(!window.isNew(0))
    }

    @Test func tagsAreEightBytes() throws {
        #expect(ConnectionTag([1, 2, 3, 4, 5, 6, 7, 8]) == Self.tag)
        #expect(Self.tag.bytes == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(ConnectionTag([1, 2, 3, 4, 5, 6, 7]) == nil)
        #expect(ConnectionTag([1, 2, 3, 4, 5, 6, 7, 8, 9]) == nil)
    }
}
