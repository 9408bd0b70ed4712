import Testing
import Wire

/// The layout in `Sources/Wire/BenchmarkFrame.swift`, byte by byte.
@Suite struct BenchmarkFrameTests {
    private static let count = BenchmarkCount(bytes: 1, elapsed: 2, processor: 3, memory: 0x0102_0304)
    private static let frames: [(BenchmarkFrame, [UInt8])] = [
        (.open(version: 1), [1, 0, 0, 0, 1, 1]),
        (.refused(.busy), [2, 0, 0, 0, 1, 2]),
        (.ready, [3, 0, 0, 0, 0]),
        (.begin(.download, milliseconds: 5000), [4, 0, 0, 0, 5, 2, 0, 0, 0x13, 0x88]),
        (.end, [6, 0, 0, 0, 0]),
        (
            .report(count),
            [7, 0, 0, 0, 32] + [0, 0, 0, 0, 0, 0, 0, 1] + [0, 0, 0, 0, 0, 0, 0, 2] + [0, 0, 0, 0, 0, 0, 0, 3]
                + [0, 0, 0, 0, 1, 2, 3, 4]
        ),
        (.echo([9, 8]), [8, 0, 0, 0, 2, 9, 8]),
        (.echoed([9, 8]), [9, 0, 0, 0, 2, 9, 8]),
    ]

    private func decoded(_ bytes: [UInt8], pieces size: Int = .max) throws -> [BenchmarkFrame] {
        var decoder = BenchmarkFrameDecoder()
        var frames: [BenchmarkFrame] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            var piece = rest.prefix(size)
            rest = rest.dropFirst(size)
            while let frame = try decoder.next(&piece) { frames.append(frame) }
        }
        return frames
    }

    @Test func everyFrameHasItsBytes() throws {
        for (frame, bytes) in Self.frames {
            #expect(frame.encode() == bytes)
            #expect(try decoded(bytes) == [frame])
        }
    }

    @Test func framesComeInAnyPieces() throws {
        let all = Self.frames.flatMap(\.1)
        for size in 1...all.count { #expect(try decoded(all, pieces: size) == Self.frames.map(\.0)) }
    }

    @Test func dataIsCountedAndNotKept() throws {
        let bytes = BenchmarkFrame.data(1000).encode() + BenchmarkFrame.data(0).encode() + BenchmarkFrame.end.encode()
        #expect(bytes.count == 1015)
        let amount = try decoded(bytes, pieces: 7).reduce(0) { sum, frame in
            if case .data(let count) = frame { sum + count } else { sum }
        }
        #expect(amount == 1000)
        #expect(try decoded(bytes, pieces: 7).last == .end)
    }

    @Test func laterVersionsMayAddFields() throws {
        #expect(try decoded([1, 0, 0, 0, 3, 1, 7, 7]) == [.open(version: 1)])
        #expect(try decoded([3, 0, 0, 0, 1, 7]) == [.ready])
        #expect(try decoded([2, 0, 0, 0, 1, 200]) == [.refused(.unwilling)])
    }

    @Test(
        arguments: [
            [0, 0, 0, 0, 0], [10, 0, 0, 0, 0], [255, 255, 255, 255, 255],
            // Too long, as soon as the length is there.
            [5, 0, 1, 0, 1], [8, 0, 0, 4, 1], [7, 0, 0, 1, 1], [1, 255, 255, 255, 255],
            // Too short.
            [1, 0, 0, 0, 0], [2, 0, 0, 0, 0], [4, 0, 0, 0, 4, 1, 0, 0, 1], [7, 0, 0, 0, 1, 0], [8, 0, 0, 0, 0],
            // No such phase, no time, more than a minute, more than there may be.
            [4, 0, 0, 0, 5, 9, 0, 0, 0, 1], [4, 0, 0, 0, 5, 1, 0, 0, 0, 0], [4, 0, 0, 0, 5, 1, 0, 0, 0xEA, 0x61],
            [4, 0, 0, 0, 6, 1, 0, 0, 0, 1, 0], [6, 0, 0, 0, 1, 0],
            [7, 0, 0, 0, 32] + [UInt8](repeating: 0xFF, count: 32),
        ] as [[UInt8]])
    func whatNoVersionMaySendIsRefused(bytes: [UInt8]) {
        #expect(throws: WireError.self) { try decoded(bytes) }
        #expect(throws: WireError.self) { try decoded(bytes, pieces: 1) }
    }
}
