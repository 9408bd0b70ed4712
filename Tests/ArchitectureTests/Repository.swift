import Foundation

/// The files of this repository, as the tests see them.
enum Repository {
    static let root: String = {
        let here = URL(fileURLWithPath: #filePath)
        return here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    }()

    /// Folders whose sub-folders are modules.
    static let moduleParents = ["Sources", "signaling/Sources", "Tests"]

    /// The names of the modules in a folder.
    static func modules(in parent: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(parent)").sorted()
            .filter { !$0.hasPrefix(".") && isDirectory("\(root)/\(parent)/\($0)") }
    }

    /// The paths, seen from the root, of all files below a folder whose name ends like this.
    static func files(below folder: String, endings: [String] = [".swift"]) -> [String] {
        let start = URL(fileURLWithPath: "\(root)/\(folder)").resolvingSymlinksInPath()
        guard let found = FileManager.default.enumerator(atPath: start.path) else { return [] }
        return found.compactMap { $0 as? String }
            .filter { path in endings.contains { path.hasSuffix($0) } && !path.contains(".build/") }
            .sorted()
            .map { "\(folder)/\($0)" }
    }

    static func read(_ path: String) throws -> String {
        try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var directory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &directory) && directory.boolValue
    }
}
