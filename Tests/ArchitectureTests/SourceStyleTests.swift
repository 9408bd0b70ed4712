import Foundation
import TestTools
import Testing

/// House rules that a machine can check.
@Suite struct SourceStyleTests {
    private static let sourceFolders = ["Sources", "Tests", "signaling"]

    @Test(.enabled("there is no `swift format` here: formatting is NOT checked") { await SwiftFormat.isInstalled() })
    func everySwiftFileIsFormatted() async throws {
        let result = try await SwiftFormat.lint(Self.sourceFolders + ["Package.swift"])
        #expect(result.ending == .code(0), "run `make format`:\n\(result.output)")
    }

    @Test(arguments: sourceFolders)
    func noFileIsLongerThan600Lines(folder: String) throws {
        for file in Repository.files(below: folder, endings: [".swift", ".c", ".h", ".py"]) {
            let lines = try Repository.read(file).split(separator: "\n", omittingEmptySubsequences: false).count
            #expect(lines <= 601, "\(file) has \(lines) lines: split it by owner")
        }
    }

    /// Nothing in the programs may end the process because of what a peer sent, so these do not occur at all.
    @Test(arguments: ["Sources", "signaling/Sources"])
    func nothingTrapsOnPurpose(folder: String) throws {
        let forbidden = ["try!", "as!", "fatalError("]
        for file in Repository.files(below: folder) {
            let code = SourceText.withoutCommentsAndStrings(try Repository.read(file))
            for line in SourceText.numberedLines(code) {
                for word in forbidden where line.text.contains(word) {
                    Issue.record("\(file):\(line.number): \(word)")
                }
            }
        }
    }

    @Test(arguments: ["Sources", "signaling/Sources"])
    func everyUncheckedSendableSaysWhyItIsSafe(folder: String) throws {
        for file in Repository.files(below: folder) {
            let lines = SourceText.numberedLines(try Repository.read(file))
            let code = SourceText.numberedLines(SourceText.withoutCommentsAndStrings(try Repository.read(file)))
            for line in code where line.text.contains("@unchecked Sendable") {
                // In the comment above, or just below the opening brace.
                let around = lines[max(0, line.number - 10)..<min(lines.count, line.number + 2)]
                #expect(
                    around.contains { $0.text.contains("Safety:") },
                    "\(file):\(line.number): @unchecked Sendable without a `Safety:` line beside it")
            }
        }
    }
}

/// The formatter that comes with the toolchain.
private enum SwiftFormat {
    static func isInstalled() async -> Bool { (try? await run(["format", "--version"]).ending) == .code(0) }

    static func lint(_ paths: [String]) async throws -> (ending: Program.Ending, output: String) {
        // Resolved, because the formatter does not follow symbolic links.
        let resolved = paths.map { URL(fileURLWithPath: "\(Repository.root)/\($0)").resolvingSymlinksInPath().path }
        return try await run(["format", "lint", "--strict", "--recursive", "--parallel"] + resolved)
    }

    private static func run(_ arguments: [String]) async throws -> (ending: Program.Ending, output: String) {
        let program = try Program("/usr/bin/env", ["swift"] + arguments, directory: Repository.root)
        program.closeInput()
        let ending = try await program.ending(within: 600)
        return (ending, program.output + program.errors)
    }
}
