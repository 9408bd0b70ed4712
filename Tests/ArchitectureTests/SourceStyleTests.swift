import Foundation
import NATLab
import Testing

/// House rules that a machine can check.
@Suite struct SourceStyleTests {
    private static let sourceFolders = ["Sources", "Tests", "signaling"]

    @Test(.enabled("there is no `swift format` here: formatting is NOT checked") { await SwiftFormat.isInstalled() })
    func everySwiftFileIsFormatted() async throws {
        let result = try await SwiftFormat.lint(Self.sourceFolders + ["Package.swift"])
        #expect(result.status.succeeded, "run `make format`:\n\(result.output)")
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
    static func isInstalled() async -> Bool {
        (try? await run(["format", "--version"]).status.succeeded) == true
    }

    static func lint(_ paths: [String]) async throws -> (status: NATLab.ExitStatus, output: String) {
        // Resolved, because the formatter does not follow symbolic links.
        let resolved = paths.map { URL(fileURLWithPath: "\(Repository.root)/\($0)").resolvingSymlinksInPath().path }
        return try await run(["format", "lint", "--strict", "--recursive", "--parallel"] + resolved)
    }

    private static func run(_ arguments: [String]) async throws -> (status: NATLab.ExitStatus, output: String) {
        let process = try LabProcess.onThisMachine(
            "/bin/sh", ["-c", "cd \"$0\" && exec swift \"$@\"", Repository.root] + arguments)
        process.closeInput()
        let status = try await process.exit(within: .seconds(300))
        return (status, process.everything + process.errorText)
    }
}
