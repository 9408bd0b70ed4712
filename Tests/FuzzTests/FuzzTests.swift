import Foundation
import FuzzTargets
import Testing

/// What the fuzzer runs for hours, for a moment and with fixed inputs: every seed, everything that was ever found, and
/// variations of both.
@Suite struct FuzzTests {
    private static let names = FuzzTarget.all.map(\.name)
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Corpus").path

    @Test(arguments: names)
    func holdsForSeedsCorpusAndVariations(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = try target.seeds() + Self.stored(name)
        #expect(!inputs.isEmpty)
        var random = Variation(seed: 1)
        let costly = ["noise", "envelope", "session"].contains(name)
        for input in inputs + [[]] {
            try target.run(input)
            for _ in 0..<(costly ? 40 : 400) {
                let variation = random.vary(input)
                do {
                    try target.run(variation)
                } catch {
                    Issue.record("\(name): \(error), for \(Data(variation).base64EncodedString())")
                    return
                }
            }
            // Cut everywhere.
            for length in input.indices where !costly || length.isMultiple(of: 16) {
                try target.run(Array(input[..<length]))
            }
        }
    }

    @Test func namesAreDistinctAndCorpusFoldersKnown() throws {
        #expect(Set(Self.names).count == Self.names.count)
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: Self.corpus)) ?? []
        #expect(Set(folders).isSubset(of: Self.names))
    }

    private static func stored(_ name: String) throws -> [[UInt8]] {
        let folder = "\(corpus)/\(name)"
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return try files.sorted().map { Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))) }
    }
}

/// Small changes to bytes, the same in every run.
private struct Variation {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private mutating func number(below limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(truncatingIfNeeded: state >> 33) % max(limit, 1)
    }

    mutating func vary(_ input: [UInt8]) -> [UInt8] {
        var bytes = input
        for _ in 0...number(below: 3) {
            let place = number(below: bytes.count)
            switch number(below: 6) {
            case 0 where !bytes.isEmpty: bytes[place] = UInt8(number(below: 256))
            case 1 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(number(below: 8))
            case 2 where !bytes.isEmpty: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][number(below: 5)]
            case 3 where !bytes.isEmpty: bytes.removeSubrange(place..<min(bytes.count, place + 1 + number(below: 8)))
            case 4: bytes.insert(contentsOf: bytes.prefix(number(below: 16)), at: min(place, bytes.count))
            default: bytes.insert(UInt8(number(below: 256)), at: min(place, bytes.count))
            }
        }
        return bytes
    }
}
