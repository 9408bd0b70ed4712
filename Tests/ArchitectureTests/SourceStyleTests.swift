import Foundation
import Testing

/// House rules that a machine can check.
@Suite struct SourceStyleTests {
    private static let sourceFolders = ["Sources", "Tests", "signaling"]

    @Test(.enabled(if: SwiftFormat.isInstalled, "there is no `swift format` here: formatting is NOT checked"))
    func everySwiftFileIsFormatted() throws {
        let result = try SwiftFormat.lint(Self.sourceFolders + ["Package.swift"])
        #expect(result.exitCode == 0, "run `make format`:\n\(result.output)")
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
    static let isInstalled = (try? run(["format", "--version"]).exitCode) == 0

    static func lint(_ paths: [String]) throws -> (exitCode: Int32, output: String) {
        // Resolved, because the formatter does not follow symbolic links.
        let resolved = paths.map { URL(fileURLWithPath: "\(Repository.root)/\($0)").resolvingSymlinksInPath().path }
        return try run(["format", "lint", "--strict", "--recursive", "--parallel"] + resolved)
    }

    private static func run(_ arguments: [String]) throws -> (exitCode: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["swift"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: Repository.root)
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
