import Foundation
import NATLab

/// A place where programs of the demo run.
protocol Stage: Sendable {
    /// The address at which others reach a server here.
    var address: String { get }
    func spawn(_ program: String, _ arguments: [String]) throws -> LabProcess
}

/// A host of the laboratory.
struct HostStage: Stage {
    let host: LabHost

    var address: String { host.address }

    func spawn(_ program: String, _ arguments: [String]) throws -> LabProcess { try host.spawn(program, arguments) }
}

/// This machine as it is.
struct LoopbackStage: Stage {
    var address: String { "127.0.0.1" }

    func spawn(_ program: String, _ arguments: [String]) throws -> LabProcess {
        try LabProcess.onThisMachine(program, arguments)
    }
}

/// The programs that the demo shows: those built beside it.
enum Programs {
    static var directory: String {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return (own as NSString).deletingLastPathComponent
    }

    static var sotto: String { directory + "/sotto" }
    static var server: String { directory + "/sotto-signal" }
}
