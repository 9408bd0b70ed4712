import Foundation

/// The programs under test: beside the test bundle, where the build puts them, or where SOTTO_BIN_DIR says.
enum Programs {
    static let sotto = path("sotto")
    static let server = path("sotto-signal")

    private static func path(_ name: String) -> String {
        let folder = ProcessInfo.processInfo.environment["SOTTO_BIN_DIR"] ?? ownFolder
        return "\(folder)/\(name)"
    }

    private static var ownFolder: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent
    }
}

/// The content of a home directory, to prove that nothing in it was changed. Lock files do not count.
struct Snapshot: Equatable {
    private let files: [String: Data]
    var isEmpty: Bool { files.isEmpty }

    init(_ home: String) throws {
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: home) where !name.hasSuffix(".lock") {
            files[name] = try Data(contentsOf: URL(filePath: "\(home)/\(name)"))
        }
        self.files = files
    }
}
