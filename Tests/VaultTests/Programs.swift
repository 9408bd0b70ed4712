import Foundation
import Identity
import Noise

/// The program that does what only another process can.
enum Programs {
    static let writer: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/vault-writer"
    }()

    /// The identity that it has.
    static var identity: Identity {
        get throws { try Identity(seed: SecretBytes(copying: [UInt8](repeating: 7, count: 32))) }
    }

    struct Output {
        let status: Int32
        let text: String
        var lines: [String] { text.split(separator: "\n").map(String.init) }
    }

    /// Runs a program to its end.
    static func run(_ path: String, _ arguments: [String]) throws -> Output {
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Output(status: process.terminationStatus, text: text)
    }
}

/// Whether this process may have mounts of its own.
enum Mounts {
    static let areAllowed: Bool = {
        guard let output = try? Programs.run("/usr/bin/unshare", ["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
        else {
            return false
        }
        return output.status == 0
    }()
}
