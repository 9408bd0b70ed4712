import Foundation
import NATLab

/// Where the programs under test are: beside the test bundle, where the build puts them, or where SOTTO_BIN_DIR says.
enum Programs {
    static let sotto = path("sotto")
    static let server = path("sotto-signal")

    /// Empty when the scenarios can run; otherwise why not, also said on standard output.
    static let obstacle: String = {
        guard Lab.isAvailable else { return Lab.unavailableReason }
        let missing = [sotto, server].filter { !FileManager.default.isExecutableFile(atPath: $0) }
        guard let first = missing.first else { return "" }
        print("SKIPPED: NAT matrix: no program \(first)")
        return "no program \(first)"
    }()

    static var areReady: Bool { obstacle.isEmpty }

    private static func path(_ name: String) -> String {
        let folder = ProcessInfo.processInfo.environment["SOTTO_BIN_DIR"] ?? ownFolder
        return "\(folder)/\(name)"
    }

    private static var ownFolder: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent
    }
}
