import ChaosLab
import Testing

/// What the proxy makes of a connection: mail comes twice and in another order, and everything else as it was.
@Suite struct ShufflerTests {
    private static let head = Array("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".utf8)

    private static func frame(_ payload: [UInt8], mask: [UInt8]? = nil, first: UInt8 = 0x82) -> [UInt8] {
        let flag: UInt8 = mask == nil ? 0 : 0x80
        var bytes = [first]
        if payload.count < 126 {
            bytes.append(flag | UInt8(payload.count))
        } else if payload.count < 65_536 {
            bytes += [flag | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        } else {
            bytes.append(flag | 127)
            bytes += (0..<8).reversed().map { UInt8(truncatingIfNeeded: payload.count >> (8 * $0)) }
        }
        guard let mask else { return bytes + payload }
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    private static func mail(_ number: UInt8, size: Int = 40) -> [UInt8] {
        frame([0x14, number] + [UInt8](repeating: 0, count: size))
    }

    private static func shuffler(repeats: Double = 0, swaps: Double = 0) -> FrameShuffler {
        FrameShuffler(mailType: 0x14, repeats: repeats, swaps: swaps, random: SeededRandom(seed: 4))
    }

    @Test(arguments: [1, 2, 7, 1_000, 1_000_000])
    func passesOnWhatIsNoMailHoweverItIsCut(size: Int) {
        let stream =
            Self.head + Self.frame([0x10, 1, 2]) + Self.frame([1], first: 0x89) + Self.frame([0x14, 1], first: 0x02)
            + Self.frame([UInt8](repeating: 5, count: 70_000)) + Self.frame([UInt8](repeating: 0x14, count: 200_000))
            + Self.frame([]) + Self.frame([9])
        var shuffler = Self.shuffler(repeats: 1, swaps: 1)
        var output: [UInt8] = []
        for start in stride(from: 0, to: stream.count, by: size) {
            output += shuffler.feed(Array(stream[start..<min(start + size, stream.count)]))
        }
        #expect(output == stream)
        #expect(shuffler.counts.mails == 0)
    }

    @Test func exchangesTwoMails() {
        var shuffler = Self.shuffler(swaps: 1)
        #expect(shuffler.feed(Self.head) == Self.head)
        #expect(shuffler.feed(Self.mail(1)) == [])
        #expect(shuffler.isHolding)
        #expect(shuffler.feed(Self.frame([0x10])) == Self.frame([0x10]))
        #expect(shuffler.feed(Self.mail(2, size: 60_000)) == Self.mail(2, size: 60_000) + Self.mail(1))
        #expect(shuffler.counts.swaps == 1)
    }

    @Test func letsGoOfWhatNothingCameFor() {
        var shuffler = Self.shuffler(swaps: 1)
        #expect(shuffler.feed(Self.head + Self.mail(1)) == Self.head)
        #expect(shuffler.release() == Self.mail(1))
        #expect(shuffler.release() == [])
        #expect(!shuffler.isHolding)
    }

    @Test func repeatsEachMailAtOnceOrLater() {
        var shuffler = Self.shuffler(repeats: 1)
        var output = shuffler.feed(Self.head)
        for number in 1...100 { output += shuffler.feed(Self.mail(UInt8(number))) }
        let rest = output.dropFirst(Self.head.count)
        let numbers = stride(from: rest.startIndex, to: rest.endIndex, by: 44).map { rest[$0 + 3] }
        #expect(Set(numbers) == Set(1...100))
        #expect(shuffler.counts.repeats > 90)
        #expect((190...200).contains(numbers.count))
        #expect(zip(numbers, numbers.dropFirst()).contains { $0 > $1 })
    }

    @Test func seesThroughTheClientsMask() {
        var shuffler = FrameShuffler(mailType: 0x11, repeats: 1, swaps: 0, random: SeededRandom(seed: 4))
        _ = shuffler.feed(Self.head)
        let mask: [UInt8] = [1, 2, 3, 4]
        for number in 1...20 { _ = shuffler.feed(Self.frame([0x11, UInt8(number)], mask: mask)) }
        _ = shuffler.feed(Self.frame([0x12, 1], mask: mask))
        #expect(shuffler.counts.mails == 20)
        #expect(shuffler.counts.repeats > 10)
    }

    @Test func whatIsNoWebSocketPasses() {
        var shuffler = Self.shuffler(repeats: 1, swaps: 1)
        let bytes = [UInt8](repeating: 0x14, count: 20_000)
        #expect(shuffler.feed(bytes) == bytes)
        #expect(shuffler.feed(Self.mail(1)) == Self.mail(1))
    }
}
