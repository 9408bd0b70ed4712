import Peering
import Wire

/// A benchmark that a contact asked for. Nothing it asks for takes longer than a minute, and there is an end to how often it may ask.
///
/// Lives on the messenger's event loop.
final class BenchmarkService {
    /// Phases of one stream.
    private static let mostPhases = 8
    /// Bytes of one phase.
    private static let mostBytes: UInt64 = 1 << 40
    /// Nanoseconds that may pass between two phases, and beyond the time of one.
    private static let grace: UInt64 = 20_000_000_000

    private enum State: Equatable {
        /// Neither kind nor version is known.
        case opening
        /// Nothing more may come.
        case refused
        case waiting
        case running(BenchmarkPhase)
        /// The download is over, and not all of it is with the asker.
        case draining
        case over
    }

    private let channel: BenchmarkChannel
    private let tell: (BenchmarkNews) -> Void
    private var state = State.opening
    private var isKindKnown = false
    private var phases = 0
    private var began: UInt64
    private var ends: UInt64 = 0
    private var deadline: UInt64
    private var bytes: UInt64 = 0
    private var total: UInt64 = 0
    private var usage = ProcessUsage.now()

    /// - Parameter tell: called on the loop.
    init(_ stream: any BenchmarkStream, now: UInt64, tell: @escaping (BenchmarkNews) -> Void) {
        channel = BenchmarkChannel(stream)
        self.tell = tell
        began = now
        deadline = now &+ Self.grace
    }

    var isOver: Bool { state == .over }

    // MARK: What happens

    func handle(_ event: PeerStreamEvent, now: UInt64) {
        guard !isOver else { return }
        switch event {
        case .readable: read(now: now)
        case .writable: channel.fill(now: now)
        case .ended: end()
        case .opened: break
        }
    }

    /// To be called every 20 ms.
    func tick(now: UInt64) {
        guard !isOver else { return }
        channel.tick(now: now)
        if state == .running(.download), now >= ends {
            bytes = channel.endBulk()
            state = .draining
        }
        if state == .draining, channel.isDrained { sendReport(now: now) }
        if now > deadline { end() }
    }

    /// Gives it up. Idempotent.
    func end() {
        guard !isOver else { return }
        let hadBegun = state != .opening && state != .refused
        state = .over
        channel.stream.abandon()
        if hadBegun { tell(.ended(bytes: total)) }
    }

    // MARK: Frames

    private func read(now: UInt64) {
        do {
            if !isKindKnown {
                guard let kind = channel.kind() else { return }
                guard kind == BenchmarkFrame.streamKind else { return end() }
                isKindKnown = true
            }
            while !isOver, let frame = try channel.next() { try take(frame, now: now) }
        } catch {
            end()
        }
    }

    private func take(_ frame: BenchmarkFrame, now: UInt64) throws(WireError) {
        switch (state, frame) {
        case (.opening, .open(let version)):
            guard version == BenchmarkFrame.version else {
                channel.send(.refused(.version))
                channel.stream.finish()
                state = .refused
                return
            }
            state = .waiting
            deadline = now &+ Self.grace
            channel.send(.ready)
            tell(.began)
        case (.waiting, .begin(let phase, let milliseconds)):
            try begin(phase, milliseconds, now: now)
        case (.running(.upload), .data(let count)):
            try add(count)
        case (.running(.echo), .echo(let content)):
            try add(content.count)
            // Who asks without reading the answers is not measuring.
            guard channel.hasRoom else { throw .lengthOutOfRange }
            channel.send(.echoed(content))
        case (.running(.upload), .end), (.running(.echo), .end):
            sendReport(now: now)
        default:
            throw .invalidValue
        }
    }

    private func begin(_ phase: BenchmarkPhase, _ milliseconds: UInt32, now: UInt64) throws(WireError) {
        guard phases < Self.mostPhases else { throw .lengthOutOfRange }
        phases += 1
        state = .running(phase)
        began = now
        ends = now &+ UInt64(milliseconds) * 1_000_000
        deadline = ends &+ Self.grace
        bytes = 0
        usage = ProcessUsage.now()
        if phase == .download { channel.beginBulk(now: now) }
    }

    private func add(_ count: Int) throws(WireError) {
        bytes &+= UInt64(count)
        guard bytes <= Self.mostBytes else { throw .lengthOutOfRange }
    }

    private func sendReport(now: UInt64) {
        let used = ProcessUsage.now()
        channel.send(
            .report(
                BenchmarkCount(
                    bytes: bytes, elapsed: now &- began, processor: used.processor &- usage.processor,
                    memory: used.memory)))
        total &+= bytes
        state = .waiting
        deadline = now &+ Self.grace
    }
}
