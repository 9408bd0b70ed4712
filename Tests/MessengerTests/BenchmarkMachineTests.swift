import Testing
import Wire

@testable import Messenger
@testable import Peering

/// A stream in memory: what is written to one end can be read at the other.
private final class Pipe: BenchmarkStream {
    /// What `write` takes in all before it is read.
    var capacity = 1 << 20
    var outgoing: [UInt8] = []
    var isFinished = false
    var isAbandoned = false
    /// The kind of the stream was read.
    var hasKind = false
    weak var other: Pipe?
    var unacknowledged: Int { outgoing.count }

    static func pair() -> (Pipe, Pipe) {
        let pair = (Pipe(), Pipe())
        pair.0.other = pair.1
        pair.1.other = pair.0
        return pair
    }

    func write(_ bytes: ArraySlice<UInt8>) -> Int {
        guard !isFinished, !isAbandoned else { return 0 }
        let count = min(bytes.count, capacity - outgoing.count)
        outgoing += bytes.prefix(count)
        return count
    }

    func read(into buffer: inout [UInt8]) -> Int {
        guard let other else { return 0 }
        let count = min(buffer.count, other.outgoing.count)
        buffer.replaceSubrange(0..<count, with: other.outgoing.prefix(count))
        other.outgoing.removeFirst(count)
        return count
    }

    func finish() { isFinished = true }
    func abandon() { isAbandoned = true }

    /// All that waits to be read here.
    func take() -> [UInt8] {
        defer { other?.outgoing = [] }
        return other?.outgoing ?? []
    }

    func write(_ frames: BenchmarkFrame...) { outgoing += frames.flatMap { $0.encode() } }
}

/// Both machines of a benchmark, in virtual time: what they find, and that they end whatever the other side does.
@Suite struct BenchmarkMachineTests {
    private static let millisecond: UInt64 = 1_000_000

    /// An asker against a pipe that the test holds.
    private final class Asker {
        let pipe: Pipe
        let peer: Pipe
        var news: [BenchmarkNews] = []
        private(set) var run: BenchmarkRun!
        var now: UInt64 = 1_000_000_000

        init(milliseconds: UInt32 = 1000) {
            (pipe, peer) = Pipe.pair()
            run = BenchmarkRun(
                pipe, milliseconds: milliseconds, now: now, describe: { $0.isHybrid = true },
                tell: { [unowned self] in self.news.append($0) })
        }

        /// Lets time pass, in the steps in which ticks come.
        func pass(milliseconds: Int, _ each: () -> Void = {}) {
            for _ in 0..<(milliseconds / 20) {
                now += 20 * BenchmarkMachineTests.millisecond
                each()
                run.handle(.readable, now: now)
                run.handle(.writable, now: now)
                run.tick(now: now)
            }
        }

        var failure: BenchmarkFailure? {
            for case .failed(let failure) in news { return failure }
            return nil
        }

        var report: BenchmarkReport? {
            for case .finished(let report) in news { return report }
            return nil
        }
    }

    /// An answerer against a pipe that the test holds.
    private final class Answerer {
        let pipe: Pipe
        let peer: Pipe
        var news: [BenchmarkNews] = []
        private(set) var service: BenchmarkService!
        var now: UInt64 = 1_000_000_000

        init() {
            (pipe, peer) = Pipe.pair()
            service = BenchmarkService(pipe, now: now) { [unowned self] in self.news.append($0) }
        }

        func hear(_ bytes: [UInt8]) {
            peer.outgoing += bytes
            service.handle(.readable, now: now)
        }

        func hear(_ frames: BenchmarkFrame...) { hear(frames.flatMap { $0.encode() }) }

        func open() { hear([BenchmarkFrame.streamKind] + BenchmarkFrame.open(version: 1).encode()) }

        func pass(milliseconds: Int, _ each: () -> Void = {}) {
            for _ in 0..<(milliseconds / 20) {
                now += 20 * BenchmarkMachineTests.millisecond
                each()
                service.handle(.readable, now: now)
                service.handle(.writable, now: now)
                service.tick(now: now)
            }
        }
    }

    @Test func measuresBothDirectionsAndRoundTrips() throws {
        let asker = Asker()
        var served: [UInt64?] = []
        let service = BenchmarkService(asker.peer, now: asker.now) { news in
            if case .ended(let bytes) = news { served.append(bytes) } else { served.append(nil) }
        }
        asker.pass(milliseconds: 6000) {
            service.handle(.readable, now: asker.now)
            service.handle(.writable, now: asker.now)
            service.tick(now: asker.now)
        }
        let report = try #require(asker.report)
        #expect(asker.failure == nil && asker.run.isOver && asker.pipe.isFinished && !asker.pipe.isAbandoned)
        #expect(report.isHybrid)
        for transfer in [report.upload, report.download] {
            #expect(transfer.bytes > 1 << 20)
            #expect((1000...1100).contains(transfer.nanoseconds / Self.millisecond))
            #expect(transfer.bitsPerSecond > 0)
        }
        #expect(report.roundTrips.count > 10)
        #expect(report.roundTrips == report.roundTrips.sorted())
        #expect(report.roundTrip(0.5) == 20 * Self.millisecond)
        #expect(report.memory > 0 && report.peerMemory > 0)
        service.handle(.ended, now: asker.now)
        let echoes = UInt64(report.roundTrips.count * BenchmarkReport.echoSize)
        #expect(served == [nil, report.upload.bytes + report.download.bytes + echoes])
        var phases: [BenchmarkPhase] = []
        for case .progress(let progress) in asker.news where phases.last != progress.phase {
            phases.append(progress.phase)
        }
        #expect(phases == [.upload, .download, .echo])
    }

    @Test func tellsTheLongestGapOfTheDownload() throws {
        let asker = Asker()
        let service = BenchmarkService(asker.peer, now: asker.now) { _ in }
        let start = asker.now
        asker.pass(milliseconds: 6000) {
            // In the upload a pause, and in the download.
            let elapsed = (asker.now - start) / Self.millisecond
            guard !(300..<900).contains(elapsed), !(1500..<1800).contains(elapsed) else { return }
            service.handle(.readable, now: asker.now)
            service.handle(.writable, now: asker.now)
            service.tick(now: asker.now)
        }
        let gap = try #require(asker.report).longestGap / Self.millisecond
        #expect((300...340).contains(gap), "\(gap)")
    }

    @Test func littleIsOnItsWayOnASlowPath() throws {
        let asker = Asker(milliseconds: 5000)
        asker.peer.write(.ready)
        var buffer = [UInt8](repeating: 0, count: 2500)
        // 1 Mbit/s.
        asker.pass(milliseconds: 5000) { _ = asker.peer.read(into: &buffer) }
        #expect(asker.pipe.outgoing.count <= 600 << 10)
    }

    // MARK: Answerers that are not what they should be

    @Test func anAnswererThatRefusesIsHeard() {
        for (refusal, failure) in [
            (BenchmarkRefusal.busy, BenchmarkFailure.busy), (.unwilling, .notOffered), (.version, .notOffered),
        ] {
            let asker = Asker()
            asker.peer.write(.refused(refusal))
            asker.pass(milliseconds: 20)
            #expect(asker.failure == failure && asker.pipe.isAbandoned)
        }
        let asker = Asker()
        asker.run.handle(.ended, now: asker.now)
        #expect(asker.failure == .notOffered)
    }

    @Test func anAnswererThatSaysNothingIsGivenUp() {
        let asker = Asker()
        asker.pass(milliseconds: 11_000)
        #expect(asker.failure == .silent && asker.pipe.isAbandoned)
        asker.pass(milliseconds: 1000)
        #expect(asker.news.count == 1)
    }

    @Test func anAnswererThatNeverReadsIsGivenUp() {
        let asker = Asker()
        asker.peer.write(.ready)
        asker.pass(milliseconds: 20_000)
        #expect(asker.failure == .silent)
        #expect(asker.pipe.outgoing.count <= 9 << 20)
    }

    @Test func anAnswererThatSendsForEverIsCutOff() {
        let asker = Asker()
        asker.peer.write(.ready)
        asker.pass(milliseconds: 1500) { _ = asker.peer.take() }
        asker.peer.write(.report(BenchmarkCount(bytes: 0, elapsed: 0, processor: 0, memory: 0)))
        asker.pass(milliseconds: 20)
        // The count was wrong: nothing of it is believed.
        #expect(asker.failure == .misbehaved)

        // This one is right about the upload, and never ends the download.
        let second = Asker()
        var decoder = BenchmarkFrameDecoder()
        var (heard, isFlooding) = (UInt64(0), false)
        second.peer.write(.ready)
        second.pass(milliseconds: 30_000) {
            if isFlooding { return second.peer.write(.data(60_000)) }
            var bytes = second.peer.take()[...].dropFirst(second.peer.hasKind ? 0 : 1)
            second.peer.hasKind = true
            while let frame = try? decoder.next(&bytes) {
                switch frame {
                case .data(let count): heard += UInt64(count)
                case .end:
                    second.peer.write(.report(BenchmarkCount(bytes: heard, elapsed: 0, processor: 0, memory: 0)))
                case .begin(.download, _): isFlooding = true
                default: break
                }
            }
        }
        #expect(isFlooding && second.failure == .silent && second.pipe.isAbandoned)
    }

    @Test(arguments: [
        [BenchmarkFrame.data(10)], [.end], [.echoed([1])],
        [.report(BenchmarkCount(bytes: 1, elapsed: 1, processor: 1, memory: 1))],
        [.open(version: 1)], [.ready, .ready], [.ready, .data(1)], [.ready, .end], [.ready, .echoed([1])],
        [.ready, .begin(.upload, milliseconds: 1)], [.ready, .refused(.busy)],
    ])
    func whatIsOutOfPlaceEndsIt(frames: [BenchmarkFrame]) {
        let asker = Asker()
        asker.peer.outgoing += frames.flatMap { $0.encode() }
        asker.pass(milliseconds: 20)
        #expect(asker.failure == .misbehaved && asker.pipe.isAbandoned)
    }

    @Test func rubbishEndsIt() {
        for byte in UInt8.min...UInt8.max {
            let asker = Asker()
            asker.peer.outgoing += [UInt8](repeating: byte, count: 300)
            asker.pass(milliseconds: 20)
            #expect(asker.failure == .misbehaved || asker.failure == nil)
            asker.pass(milliseconds: 30_000)
            #expect(asker.failure != nil)
        }
    }

    // MARK: Askers that are not what they should be

    @Test(
        arguments: [
            [], [BenchmarkFrame.data(1)], [.echo([1])], [.end], [.ready], [.open(version: 1)],
            [.begin(.upload, milliseconds: 100), .echo([1])], [.begin(.echo, milliseconds: 100), .data(1)],
            [.begin(.upload, milliseconds: 100), .begin(.download, milliseconds: 100)],
            [.begin(.download, milliseconds: 100), .end],
        ] as [[BenchmarkFrame]])
    func anAskerThatBreaksTheOrderIsCutOff(frames: [BenchmarkFrame]) {
        let answerer = Answerer()
        answerer.open()
        #expect(answerer.peer.take() == BenchmarkFrame.ready.encode())
        for frame in frames { answerer.hear(frame) }
        if frames.isEmpty { answerer.pass(milliseconds: 21_000) }
        #expect(answerer.service.isOver && answerer.pipe.isAbandoned)
        #expect(answerer.news.count == 2)
    }

    @Test func streamsOfOtherKindsAndVersionsAreNotServed() {
        for kind in UInt8.min...UInt8.max where kind != BenchmarkFrame.streamKind {
            let answerer = Answerer()
            answerer.hear([kind, 1, 2, 3])
            #expect(answerer.service.isOver && answerer.pipe.isAbandoned && answerer.news.isEmpty)
        }
        let later = Answerer()
        later.hear([BenchmarkFrame.streamKind] + BenchmarkFrame.open(version: 2).encode())
        #expect(later.peer.take() == BenchmarkFrame.refused(.version).encode() && later.pipe.isFinished)
        later.hear(.open(version: 1))
        #expect(later.service.isOver && later.news.isEmpty)
    }

    @Test func anAskerThatNeverReadsIsCutOff() {
        let download = Answerer()
        download.open()
        download.hear(.begin(.download, milliseconds: 1000))
        download.pass(milliseconds: 22_000)
        #expect(download.service.isOver)
        #expect(download.pipe.outgoing.count <= 9 << 20)

        let echo = Answerer()
        echo.pipe.capacity = 100_000
        echo.open()
        echo.hear(.begin(.echo, milliseconds: 60_000))
        for _ in 0..<200 where !echo.service.isOver { echo.hear(.echo([UInt8](repeating: 1, count: 1024))) }
        #expect(echo.service.isOver && echo.pipe.outgoing.count <= 100_000)
    }

    @Test func anAskerThatSendsForEverIsCutOff() {
        let answerer = Answerer()
        answerer.open()
        answerer.hear(.begin(.upload, milliseconds: 1000))
        answerer.pass(milliseconds: 22_000) { answerer.peer.write(.data(60_000)) }
        #expect(answerer.service.isOver)
    }

    @Test func thereIsAnEndToPhases() {
        let answerer = Answerer()
        answerer.open()
        for _ in 0..<8 { answerer.hear(.begin(.upload, milliseconds: 10), .end) }
        #expect(!answerer.service.isOver)
        answerer.hear(.begin(.upload, milliseconds: 10))
        #expect(answerer.service.isOver)
    }
}
