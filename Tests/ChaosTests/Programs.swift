import ChaosLab
import Foundation
import NATLab

/// The programs under test: beside the test bundle, where the build puts them, or where SOTTO_BIN_DIR says.
enum Programs {
    static let folder = ProcessInfo.processInfo.environment["SOTTO_BIN_DIR"] ?? ownFolder

    /// Empty when chaos can be made; otherwise why not, also said on standard output.
    static let obstacle: String = {
        guard Lab.isAvailable else { return Lab.unavailableReason }
        let missing = ["sotto", "sotto-signal", "sotto-chaos"].filter {
            !FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)")
        }
        guard let first = missing.first else { return "" }
        print("SKIPPED: chaos: no program \(folder)/\(first)")
        return "no program \(first)"
    }()

    static var areReady: Bool { obstacle.isEmpty }

    private static var ownFolder: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent
    }
}
