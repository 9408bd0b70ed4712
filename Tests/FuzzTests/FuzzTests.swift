import Foundation
import Testing

/// What the fuzzer runs for hours, for a moment: all that is kept of its corpus, and mutations of that. See
/// docs/fuzzing.md.
@Suite struct FuzzTests {
    private static let names = FuzzTarget.all.map(\.name)

    @Test(arguments: names)
    func holdsForSeedsAndCorpus(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = try target.seeds() + Corpus.inputs(of: name).map(\.bytes) + [[]]
        for input in inputs { try run(target, input) }
    }

    @Test(arguments: names)
    func holdsForMutationsOfSeedsAndCorpus(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = try target.seeds() + Corpus.inputs(of: name).map(\.bytes)
        var mutation = Mutation(seed: 1)
        for _ in 0..<target.cost.mutations {
            try run(target, mutation.mutated(inputs, maximumLength: target.maximumLength))
        }
    }

    @Test(arguments: names)
    func holdsForSeedsCutAnywhere(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let step = target.cost == .parser ? 1 : 16
        for seed in try target.seeds() {
            for length in stride(from: 0, to: seed.count, by: step) { try run(target, Array(seed.prefix(length))) }
        }
    }

    @Test func namesAreDistinctAndCorpusFoldersKnown() throws {
        #expect(Set(Self.names).count == Self.names.count)
        #expect(try Set(Corpus.targets()).isSubset(of: Self.names))
    }

    /// The corpus is part of every clone and of every test run: it stays small.
    @Test(arguments: names)
    func corpusIsSmall(name: String) throws {
        let inputs = try Corpus.inputs(of: name)
        #expect(!inputs.isEmpty, "scripts/fuzz --keep fills Tests/FuzzTests/Corpus/\(name)")
        #expect(inputs.count <= 100)
        for input in inputs { #expect(input.bytes.count <= 512, "\(input.name)") }
    }

    private func run(_ target: FuzzTarget, _ input: [UInt8]) throws {
        do {
            try target.run(input)
        } catch {
            Issue.record("\(target.name): \(error), for base64 \(Data(input).base64EncodedString())")
            throw error
        }
    }
}

extension FuzzTarget.Cost {
    /// How many mutations the ordinary tests can afford: about a second for each target.
    fileprivate var mutations: Int {
        switch self {
        case .parser: 20_000
        case .publicKey: 2_000
        case .session: 300
        }
    }
}

/// `Corpus/TARGET/…`: one input a file.
private enum Corpus {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Corpus").path

    static func targets() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }
    }

    static func inputs(of target: String) throws -> [(name: String, bytes: [UInt8])] {
        let path = "\(folder)/\(target)"
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted().map {
            ($0, Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\($0)"))))
        }
    }
}
