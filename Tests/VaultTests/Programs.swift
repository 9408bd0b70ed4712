import Foundation
import Identity
import NATLab
import Noise

/// The program that does what only another process can.
enum Programs {
    /// It lies beside the program that runs the tests.
    static let writer: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/vault-writer"
    }()

    /// The identity that it has.
    static var identity: Identity {
        get throws { try Identity(seed: SecretBytes(copying: [UInt8](repeating: 7, count: 32))) }
    }

    struct Output {
        let status: ExitStatus
        let lines: [String]
    }

    /// Runs a program to its end.
    static func run(_ path: String, _ arguments: [String]) async throws -> Output {
        let process = try LabProcess.onThisMachine(path, arguments)
        process.closeInput()
        let status = try await process.exit(within: .seconds(120))
        return Output(status: status, lines: process.lines.map(\.text))
    }

    /// Whether a process may have mounts of its own here.
    static func mayMount() async -> Bool {
        let output = try? await run("/usr/bin/unshare", ["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
        return output?.status == .code(0)
    }
}
