import Foundation
import NATLab

/// What all programs wrote, in one file each, for whoever looks for the cause of something. Does nothing when nobody asked for it.
package final class Evidence: Sendable {
    private let folder: String?
    private let files = Locked<[String: FileHandle]>([:])
    private let began = ContinuousClock.now

    package init(_ folder: String?) throws {
        self.folder = folder
        guard let folder else { return }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    /// Adds a line to a file, or its beginning.
    package func write(_ file: String, _ line: String, limit: Int = 300) {
        guard let folder else { return }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let text =
            String(format: "%10.3f  ", seconds) + (line.utf8.count > limit ? line.prefix(limit) + " …" : line[...])
            + "\n"
        files.withLock { files in
            let path = "\(folder)/\(file).log"
            if files[file] == nil {
                _ = FileManager.default.createFile(atPath: path, contents: nil)
                files[file] = FileHandle(forWritingAtPath: path)
            }
            try? files[file]?.write(contentsOf: Data(text.utf8))
        }
    }

    /// Keeps a copy of a folder.
    package func keep(_ path: String, as name: String) {
        guard let folder else { return }
        try? FileManager.default.copyItem(atPath: path, toPath: "\(folder)/\(name)")
    }
}
