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

/// A folder that is gone when nobody needs it any more.
final class Folder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("sotto-cli-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file readable by nobody else; returns its path.
    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(filePath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        return file
    }

    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }
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
