import Foundation
import NATLab
import TestTools
import Testing

/// Somebody with a home directory.
struct User: Sendable {
    let home: String
    /// Where the home lies: it must not go before the programs that use it.
    let folder: TemporaryFolder

    init(_ name: String, in folder: TemporaryFolder) {
        home = folder.file(name)
        self.folder = folder
    }

    /// Somebody whose home may be anywhere.
    init(home: String, in folder: TemporaryFolder) {
        self.home = home
        self.folder = folder
    }

    /// Runs a command with `--json` to its end; every line must be an event as documented.
    func json(
        _ arguments: [String], input: String = "", within limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Outcome {
        let outcome = try await run(["--json"] + arguments, input: input, within: limit)
        for line in outcome.output.split(separator: "\n") {
            #expect(EventSchema.problems(String(line)) == [], sourceLocation: sourceLocation)
        }
        return outcome
    }

    /// Runs a command to its end.
    func run(
        _ arguments: [String], input: String = "", within limit: Duration = .seconds(60)
    ) async throws -> Outcome {
        try await Shell.finish(Programs.sotto, ["--home", home] + arguments, input: input, within: limit)
    }

    /// Runs a shell script, in which `$sotto` is the program with this home, to its end.
    func shell(_ script: String, input: String = "", within limit: Duration = .seconds(60)) async throws -> Outcome {
        try await Shell.finish("/bin/sh", ["-c", prelude + script], input: input, within: limit)
    }

    /// Starts a command, or a shell script in which `$sotto` is the program with this home.
    func start(_ arguments: [String]) throws -> LabProcess {
        try LabProcess.onThisMachine(Programs.sotto, ["--home", home] + arguments, keeping: folder)
    }

    func start(shell script: String) throws -> LabProcess {
        try LabProcess.onThisMachine("/bin/sh", ["-c", prelude + script], keeping: folder)
    }

    private var prelude: String { "export SOTTO_HOME='\(home)'; sotto='\(Programs.sotto)'\n" }
}
