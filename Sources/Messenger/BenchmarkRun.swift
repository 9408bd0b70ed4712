import Peering
import Wire

/// A benchmark that we asked for: upload, download, round trips, one after the other on one stream.
///
/// Lives on the messenger's event loop. Whatever the answerer does, it ends: each phase has a deadline, and silence has one.
final class BenchmarkRun {
    /// Most round trips.
    private static let mostRoundTrips = 10_000
    /// Longest echo phase, in milliseconds.
    private static let longestEcho: UInt32 = 3_000
    /// Nanoseconds without a sign of life after which it is given up.
    private static let silence: UInt64 = 10_000_000_000
    /// What may take longer than a phase: what is on its way at its end, in nanoseconds.
    private static let grace: UInt64 = 15_000_000_000
    private static let progressInterval: UInt64 = 250_000_000

    private enum State: Equatable {
        case opening
        case running(BenchmarkPhase)
        /// The phase is over; its report is not there.
        case reporting(BenchmarkPhase)
        case over
    }

    private let channel: BenchmarkChannel
    private let milliseconds: UInt32
    private let tell: (BenchmarkNews) -> Void
    private let describe: (inout BenchmarkReport) -> Void
    private var state = State.opening
    private var report = BenchmarkReport()
    private var usage = ProcessUsage.now()
    private var began: UInt64
    private var transferred: UInt64 = 0
    private var heardAt: UInt64
    private var heardAmount: UInt64 = 0
    private var toldAt: UInt64 = 0
    /// When the last of the download came; nil before the first.
    private var arrivedAt: UInt64?
    private var echo: [UInt8] = []
    private var echoSentAt: UInt64 = 0

    /// - Parameters:
    ///   - milliseconds: how long each direction is measured.
    ///   - describe: adds to the report what is known of the session.
    ///   - tell: called on the loop.
    init(
        _ stream: any BenchmarkStream, milliseconds: UInt32, now: UInt64,
        describe: @escaping (inout BenchmarkReport) -> Void, tell: @escaping (BenchmarkNews) -> Void
    ) {
        channel = BenchmarkChannel(stream)
        self.describe = describe
        self.milliseconds = max(1, min(milliseconds, BenchmarkFrame.maximumMilliseconds))
        self.tell = tell
        began = now
        heardAt = now
        channel.send([BenchmarkFrame.streamKind] + BenchmarkFrame.open(version: BenchmarkFrame.version).encode())
    }

    var isOver: Bool { state == .over }

    // MARK: What happens

    func pathChanged() { report.pathChanges += 1 }

    func handle(_ event: PeerStreamEvent, now: UInt64) {
        guard !isOver else { return }
        switch event {
        case .readable: read(now: now)
        case .writable: channel.fill(now: now)
        case .ended: fail(state == .opening ? .notOffered : .silent)
        case .opened: break
        }
    }

    /// To be called every 20 ms.
    func tick(now: UInt64) {
        guard !isOver else { return }
        channel.tick(now: now)
        if case .running(.upload) = state { transferred = channel.acknowledged }
        let amount = channel.acknowledged &+ transferred
        if amount != heardAmount {
            heardAmount = amount
            heardAt = now
        }
        let elapsed = now &- began
        switch state {
        case .running(.upload) where elapsed >= UInt64(milliseconds) * 1_000_000:
            transferred = channel.endBulk()
            state = .reporting(.upload)
        default: break
        }
        if now &- heardAt > Self.silence || elapsed > UInt64(milliseconds) * 1_000_000 + Self.grace {
            return fail(.silent)
        }
        if now &- toldAt >= Self.progressInterval { tellProgress(now: now) }
    }

    private func tellProgress(now: UInt64) {
        guard case .running(let phase) = state else { return }
        toldAt = now
        report.memory = max(report.memory, ProcessUsage.now().memory)
        let seconds = Double(now &- began) / 1e9
        tell(
            .progress(
                BenchmarkProgress(
                    phase: phase, bitsPerSecond: seconds > 0 ? Double(transferred) * 8 / seconds : 0, seconds: seconds))
        )
    }

    /// Ends it without a result.
    func fail(_ failure: BenchmarkFailure) {
        guard !isOver else { return }
        state = .over
        channel.stream.abandon()
        tell(.failed(failure))
    }

    // MARK: Frames

    private func read(now: UInt64) {
        do {
            while !isOver, let frame = try channel.next() {
                // DATA shows life by its amount.
                if case .data = frame {} else { heardAt = now }
                try take(frame, now: now)
            }
        } catch {
            fail(.misbehaved)
        }
    }

    private func take(_ frame: BenchmarkFrame, now: UInt64) throws(WireError) {
        switch (state, frame) {
        case (.opening, .ready): begin(.upload, now: now)
        case (.opening, .refused(let reason)): fail(reason == .busy ? .busy : .notOffered)
        case (.running(.download), .data(let count)):
            transferred &+= UInt64(count)
            noteArrival(now: now)
        case (.running(.download), .end):
            noteArrival(now: now)
            report.download.nanoseconds = now &- began
            state = .reporting(.download)
        case (.running(.echo), .echoed(let bytes)) where bytes == echo: echoed(now: now)
        case (.reporting(let phase), .report(let count)): try reported(count, of: phase, now: now)
        default: throw .invalidValue
        }
    }

    private func noteArrival(now: UInt64) {
        if let arrivedAt { report.longestGap = max(report.longestGap, now &- arrivedAt) }
        arrivedAt = now
    }

    private var echoMilliseconds: UInt32 { min(milliseconds, Self.longestEcho) }

    private func begin(_ phase: BenchmarkPhase, now: UInt64) {
        state = .running(phase)
        began = now
        transferred = 0
        heardAmount = 0
        usage = ProcessUsage.now()
        channel.send(.begin(phase, milliseconds: phase == .echo ? echoMilliseconds : milliseconds))
        switch phase {
        case .upload: channel.beginBulk(now: now)
        case .download: break
        case .echo:
            report.roundTrips.reserveCapacity(Self.mostRoundTrips)
            sendEcho(now: now)
        }
    }

    private func reported(_ count: BenchmarkCount, of phase: BenchmarkPhase, now: UInt64) throws(WireError) {
        let used = ProcessUsage.now()
        report.memory = max(report.memory, used.memory)
        report.peerMemory = max(report.peerMemory, count.memory)
        switch phase {
        case .upload, .download:
            // Nothing may have been lost on the way.
            guard count.bytes == transferred else { throw .invalidValue }
            var transfer = phase == .upload ? report.upload : report.download
            transfer.bytes = transferred
            if phase == .upload { transfer.nanoseconds = now &- began }
            transfer.processor = used.processor &- usage.processor
            transfer.peerProcessor = count.processor
            if phase == .upload { report.upload = transfer } else { report.download = transfer }
            begin(phase == .upload ? .download : .echo, now: now)
        case .echo: finish()
        }
    }

    // MARK: Round trips

    private func sendEcho(now: UInt64) {
        let number = UInt64(report.roundTrips.count)
        echo = (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        echo += [UInt8](repeating: 0x5A, count: BenchmarkReport.echoSize - echo.count)
        echoSentAt = now
        channel.send(.echo(echo))
    }

    private func echoed(now: UInt64) {
        report.roundTrips.append(now &- echoSentAt)
        if report.roundTrips.count < Self.mostRoundTrips, now &- began < UInt64(echoMilliseconds) * 1_000_000 {
            sendEcho(now: now)
        } else {
            endEcho()
        }
    }

    private func endEcho() {
        echo = []
        state = .reporting(.echo)
        channel.send(.end)
    }

    private func finish() {
        state = .over
        report.roundTrips.sort()
        describe(&report)
        channel.stream.finish()
        tell(.finished(report))
    }
}
