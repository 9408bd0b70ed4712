@testable import Wire

/// The stream of `sotto bench`.
extension FuzzTarget {
    static let benchmark = FuzzTarget("benchmark", maximumLength: 2048) {
        let frames: [BenchmarkFrame] = [
            .open(version: 1), .refused(.busy), .ready, .begin(.download, milliseconds: 5_000), .data(7), .end,
            .report(BenchmarkCount(bytes: 1, elapsed: 2, processor: 3, memory: 4)), .echo([1, 2]), .echoed([1, 2]),
        ]
        return frames.map { [3] + $0.encode() } + [[7] + frames.flatMap { $0.encode() }]
    } run: { bytes in
        guard let seed = bytes.first else { return }
        var whole = BenchmarkReading()
        whole.take(bytes.dropFirst())
        var pieces = BenchmarkReading()
        var generator = SeededGenerator(seed: UInt64(seed))
        var rest = bytes.dropFirst()
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...(1 + Int(seed)), using: &generator))
            rest = rest.dropFirst(piece.count)
            pieces.take(piece)
        }
        try check(whole == pieces, "how the stream is cut does not matter")
        try check(whole.data <= bytes.count, "no more data than came")
        for frame in whole.frames {
            var again = BenchmarkReading()
            again.take(frame.encode()[...])
            try check(again.frames == [frame] && again.failure == nil, "decoding what was encoded gives the frame")
        }
    }
}

/// What a decoder of the benchmark stream made of it.
private struct BenchmarkReading: Equatable {
    private var decoder = BenchmarkFrameDecoder()
    private(set) var frames: [BenchmarkFrame] = []
    /// Bytes of DATA between the other frames do not depend on the pieces in which they come.
    private(set) var data = 0
    private(set) var failure: WireError?

    mutating func take(_ bytes: ArraySlice<UInt8>) {
        var bytes = bytes
        while failure == nil {
            do throws(WireError) {
                guard let frame = try decoder.next(&bytes) else { return }
                if case .data(let count) = frame { data += count } else { frames.append(frame) }
            } catch {
                failure = error
            }
        }
    }

    static func == (left: BenchmarkReading, right: BenchmarkReading) -> Bool {
        left.frames == right.frames && left.data == right.data && left.failure == right.failure
    }
}
