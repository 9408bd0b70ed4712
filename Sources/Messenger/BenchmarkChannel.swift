import Peering
import Wire

/// What a benchmark needs of its stream; see ``PeerStream``.
protocol BenchmarkStream: AnyObject {
    var unacknowledged: Int { get }
    func write(_ bytes: ArraySlice<UInt8>) -> Int
    func read(into buffer: inout [UInt8]) -> Int
    func finish()
    func abandon()
}

extension PeerStream: BenchmarkStream {}

/// The stream of a benchmark as both sides use it: frames in, frames out, and bulk that keeps it full.
final class BenchmarkChannel {
    /// What is written ahead of the acknowledgements: at first, and at most, in bytes.
    private static let firstAhead = 512 << 10
    private static let mostAhead = 8 << 20
    /// How soon half of it must be acknowledged for it to grow, in nanoseconds. A slow path has little to drain at the end.
    private static let quick: UInt64 = 100_000_000

    private static let frameSize = BenchmarkFrame.headerSize + BenchmarkFrame.maximumData
    /// Sixteen DATA frames.
    private static let bulk: [UInt8] = (0..<16).flatMap { _ in BenchmarkFrame.data(BenchmarkFrame.maximumData).encode()
    }

    let stream: any BenchmarkStream
    private var decoder = BenchmarkFrameDecoder()
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    /// What of the buffer was not decoded yet.
    private var unread: Range<Int> = 0..<0

    /// Control frames, or the end of the bulk, that found no room.
    private var pending: [UInt8] = []
    private var isBulk = false
    private var written = 0
    private var ahead = BenchmarkChannel.firstAhead
    private var filledAt: UInt64 = 0

    init(_ stream: any BenchmarkStream) {
        self.stream = stream
    }

    // MARK: Out

    func send(_ frame: BenchmarkFrame) { send(frame.encode()) }

    func send(_ bytes: [UInt8]) {
        pending += bytes
        flush()
    }

    /// Whether what was sent found room.
    var hasRoom: Bool { pending.isEmpty }

    /// Whether everything that was sent is with the peer.
    var isDrained: Bool { pending.isEmpty && !isBulk && stream.unacknowledged == 0 }

    /// Bytes of the bulk that the peer has acknowledged, about.
    var acknowledged: UInt64 { UInt64(clamping: written - stream.unacknowledged) }

    /// Begins to send DATA.
    func beginBulk(now: UInt64) {
        isBulk = true
        written = 0
        ahead = Self.firstAhead
        fill(now: now)
    }

    /// Completes the frame that is being sent, sends END, and returns how many bytes of DATA that makes.
    func endBulk() -> UInt64 {
        isBulk = false
        let position = written % Self.bulk.count
        let rest = (Self.frameSize - position % Self.frameSize) % Self.frameSize
        let frames = (written + rest) / Self.frameSize
        send(Array(Self.bulk[position..<(position + rest)]) + BenchmarkFrame.end.encode())
        return UInt64(frames * BenchmarkFrame.maximumData)
    }

    /// Writes what there is room for.
    func fill(now: UInt64) {
        flush()
        while isBulk, pending.isEmpty {
            let position = written % Self.bulk.count
            let room = min(ahead - stream.unacknowledged, Self.bulk.count - position)
            guard room > 0 else { return }
            let count = stream.write(Self.bulk[position..<(position + room)])
            guard count > 0 else { return }
            written += count
            filledAt = now
        }
    }

    /// To be called now and then.
    func tick(now: UInt64) {
        if isBulk, stream.unacknowledged <= ahead / 2, now &- filledAt <= Self.quick {
            ahead = min(ahead * 2, Self.mostAhead)
        }
        fill(now: now)
    }

    private func flush() {
        guard !pending.isEmpty else { return }
        let count = stream.write(pending[...])
        pending.removeFirst(count)
    }

    // MARK: In

    /// The next frame, or `nil` when nothing more has come. Throws what ``BenchmarkFrameDecoder`` throws.
    func next() throws(WireError) -> BenchmarkFrame? {
        while true {
            if unread.isEmpty {
                unread = 0..<stream.read(into: &buffer)
                if unread.isEmpty { return nil }
            }
            var rest = buffer[unread]
            let frame = try decoder.next(&rest)
            unread = (unread.upperBound - rest.count)..<unread.upperBound
            if let frame { return frame }
        }
    }

    /// The first byte of the stream; `nil` when it has not come.
    func kind() -> UInt8? {
        if unread.isEmpty { unread = 0..<stream.read(into: &buffer) }
        guard let first = unread.popFirst() else { return nil }
        return buffer[first]
    }
}
