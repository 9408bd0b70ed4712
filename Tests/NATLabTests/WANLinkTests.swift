import NATLab
import Testing

/// A direction of a long link in virtual time.
struct WANLinkTests {
    /// Packets in, all of one size, and what comes out when somebody asks at every moment.
    struct Run {
        var link: WANLink
        var fates: [WANLink.Fate] = []
        var arrivals: [WANLink.Arrival] = []

        init(_ settings: WANSettings, seed: UInt64 = 1) {
            link = WANLink(settings, seed: seed)
        }

        mutating func send(_ count: Int, bytes: Int = 1_000, every interval: WANTime, from start: WANTime = 0) {
            for number in 0..<count {
                let now = start + WANTime(number) * interval
                collect(until: now)
                fates.append(link.accept(fates.count, bytes: bytes, at: now))
            }
        }

        mutating func collect(until end: WANTime = .max) {
            while let next = link.nextTime, next <= end {
                while let arrival = link.next(at: next) { arrivals.append(arrival) }
            }
        }

        func count(_ fate: WANLink.Fate) -> Int { fates.count { $0 == fate } }
    }

    static let millisecond: WANTime = 1_000_000

    @Test func delaysEachPacketByTheSameTime() {
        var run = Run(WANSettings(delay: .milliseconds(25)))
        run.send(100, every: 7 * Self.millisecond)
        run.collect()
        #expect(run.arrivals.map(\.packet) == Array(0..<100))
        #expect(run.arrivals.map(\.time) == (0..<100).map { (7 * $0 + 25) * Self.millisecond })
        #expect(run.link.statistics.mishandled == 0)
    }

    @Test func sendsAtTheRateOfTheBottleneck() {
        // 1,000 bytes at 8 Mbit/s take a millisecond.
        var run = Run(WANSettings(delay: .milliseconds(10), rate: 8_000_000, queue: 1_000_000))
        run.send(500, every: 0)
        #expect(run.link.statistics.queued == 499_000)
        run.collect()
        #expect(run.arrivals.map(\.time) == (1...500).map { (10 + $0) * Self.millisecond })
        #expect(run.link.statistics.longestQueue == 499_000)
        #expect(run.link.statistics.deliveredBytes == 500_000)
    }

    @Test func dropsWhatFindsTheQueueFull() {
        var run = Run(WANSettings(delay: .zero, rate: 8_000_000, queue: 10_500))
        run.send(20, every: 0)
        #expect(run.fates == Array(repeating: .accepted, count: 11) + Array(repeating: .dropped, count: 9))
        run.send(3, every: 0, from: 2 * Self.millisecond)
        #expect(run.fates.suffix(3) == [.accepted, .accepted, .dropped])
        run.collect()
        #expect(run.arrivals.count == 13)
        #expect(run.link.statistics.dropped == 10)
    }

    @Test func letsAPacketThroughThatIsLargerThanTheQueue() {
        var run = Run(WANSettings(delay: .zero, rate: 8_000_000, queue: 0))
        run.send(3, every: Self.millisecond)
        run.collect()
        #expect(run.arrivals.count == 3)
    }

    @Test func keepsTheOrderWhenTheDelayVaries() {
        var settings = WANSettings(delay: .milliseconds(20))
        settings.jitter = .milliseconds(8)
        var run = Run(settings)
        run.send(5_000, every: Self.millisecond / 4)
        run.collect()
        #expect(run.arrivals.map(\.packet) == Array(0..<5_000))
        let delays = run.arrivals.map { $0.time - WANTime($0.packet) * Self.millisecond / 4 }
        #expect(delays.allSatisfy { (20 * Self.millisecond...28 * Self.millisecond).contains($0) })
        #expect(Set(delays).count > 1_000)
    }

    @Test(arguments: [0.001, 0.01, 0.2], [1, 77] as [UInt64])
    func losesTheShareThatWasAskedFor(share: Double, seed: UInt64) {
        var settings = WANSettings(delay: .milliseconds(1))
        settings.loss = share
        var run = Run(settings, seed: seed)
        run.send(100_000, every: 1_000)
        run.collect()
        let loss = Double(run.count(.lost)) / 100_000
        // Four standard deviations of the binomial distribution.
        #expect(abs(loss - share) < 4 * (share * (1 - share) / 100_000).squareRoot())
        #expect(run.arrivals.count == run.count(.accepted))
        #expect(run.link.statistics.lost == run.count(.lost))
    }

    @Test func losesInBursts() {
        var settings = WANSettings(delay: .milliseconds(1))
        settings.burstLoss = .bursts(of: 8, share: 0.02)
        #expect(abs((settings.burstLoss?.share ?? 0) - 0.02) < 0.000_1)
        var run = Run(settings, seed: 5)
        run.send(200_000, every: 1_000)
        let loss = Double(run.count(.lost)) / 200_000
        #expect((0.015...0.025).contains(loss))
        let bursts = run.fates.indices.count { run.fates[$0] == .lost && ($0 == 0 || run.fates[$0 - 1] != .lost) }
        #expect((7...9).contains(Double(run.count(.lost)) / Double(max(1, bursts))))
    }

    @Test func letsPacketsPassThoseHeldBack() {
        var settings = WANSettings(delay: .milliseconds(10))
        settings.reordering = 0.05
        settings.reorderingDelay = .milliseconds(3)
        var run = Run(settings)
        run.send(20_000, every: Self.millisecond)
        run.collect()
        #expect(run.arrivals.map(\.packet).sorted() == Array(0..<20_000))
        #expect(zip(run.arrivals, run.arrivals.dropFirst()).allSatisfy { $0.time <= $1.time })
        let late = run.arrivals.count { $0.time - WANTime($0.packet) * Self.millisecond > 10 * Self.millisecond }
        #expect((850...1_150).contains(late))
        #expect(late == run.link.statistics.heldBack)
    }

    @Test func deliversSomePacketsTwice() {
        var settings = WANSettings(delay: .milliseconds(10), rate: 80_000_000)
        settings.duplication = 0.1
        var run = Run(settings)
        run.send(10_000, every: Self.millisecond)
        run.collect()
        let copies = run.arrivals.count { !$0.isLast }
        #expect((850...1_150).contains(copies))
        #expect(run.arrivals.count == 10_000 + copies)
        #expect(run.arrivals.filter(\.isLast).map(\.packet) == Array(0..<10_000), "the last of each comes once")
    }

    @Test func losesTheSamePacketsWithTheSameSeed() {
        var settings = WANSettings(delay: .milliseconds(10))
        (settings.loss, settings.reordering) = (0.05, 0.02)
        settings.burstLoss = .bursts(of: 4, share: 0.05)
        var more = settings
        (more.jitter, more.duplication, more.rate) = (.milliseconds(4), 0.1, 1_000_000_000)
        var fates: [[WANLink.Fate]] = []
        for (settings, seed) in [(settings, 9), (settings, 9), (more, 9), (settings, 10)] as [(WANSettings, UInt64)] {
            var run = Run(settings, seed: seed)
            run.send(5_000, every: Self.millisecond)
            fates.append(run.fates)
        }
        #expect(fates[0] == fates[1])
        #expect(fates[0] == fates[2], "what else the link does changes nothing about loss")
        #expect(fates[0] != fates[3])
    }

    @Test func followsChangesWhilePacketsAreUnderWay() {
        var run = Run(WANSettings(delay: .milliseconds(10), rate: 8_000_000, queue: 1_000_000))
        run.send(30, every: 0)
        run.collect(until: 20 * Self.millisecond)
        #expect(run.arrivals.count == 10)
        // The packet being sent keeps its time, those behind it take half.
        run.link.settings.rate = 16_000_000
        run.link.settings.delay = .milliseconds(40)
        run.collect()
        #expect(run.arrivals.count == 30)
        #expect(run.arrivals.map(\.packet) == Array(0..<30))
        #expect(run.arrivals.last?.time == 21 * Self.millisecond + 9 * Self.millisecond / 2 + 40 * Self.millisecond)
        // A shorter way lets nothing overtake what is on the longer one.
        run.link.settings.delay = .milliseconds(1)
        run.link.settings.rate = nil
        run.send(1, every: 0, from: 26 * Self.millisecond)
        run.collect()
        #expect(run.arrivals.map(\.packet) == Array(0..<31))
    }

    @Test func computesTheSameHoweverRarelySomebodyAsks() {
        var settings = WANSettings(delay: .milliseconds(30), rate: 20_000_000, queue: 40_000)
        (settings.loss, settings.jitter, settings.reordering) = (0.02, .milliseconds(2), 0.01)
        var often = Run(settings)
        var once = WANLink(settings, seed: 1)
        for number in 0..<5_000 {
            let now = WANTime(number) * 350_000
            often.send(1, every: 0, from: now)
            _ = once.accept(number, bytes: 1_000, at: now)
        }
        often.collect()
        var arrivals: [WANLink.Arrival] = []
        while let arrival = once.next(at: .max) { arrivals.append(arrival) }
        #expect(arrivals == often.arrivals)
        #expect(once.statistics == often.link.statistics)
        #expect(once.statistics.dropped > 0)
        #expect(once.nextTime == nil)
    }
}
