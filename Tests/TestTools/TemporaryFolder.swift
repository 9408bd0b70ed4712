import Foundation

/// A folder for one test, readable by nobody else. It is gone when nobody needs it any more, at the latest when the
/// process that runs the tests ends, also when something in it was made anew meanwhile.
package final class TemporaryFolder: Sendable {
    package let path: String

    /// - Parameter purpose: what its name shall tell whoever finds it.
    package init(_ purpose: String) throws {
        path = "\(Self.parent)/sotto-\(purpose)-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        Self.made.add(path)
    }

    deinit { Self.remove(path) }

    /// The path of something in the folder.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file readable by nobody else; returns its path.
    @discardableResult
    package func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(filePath: file(name)))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file(name))
        return file(name)
    }

    @discardableResult
    package func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    private static let parent: String = {
        let path = NSTemporaryDirectory()
        return path.hasSuffix("/") ? String(path.dropLast()) : path
    }()

    private static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    // MARK: The end of the process

    /// Every folder that was made.
    ///
    /// `@unchecked Sendable`.
    /// Safety: `paths` is guarded by the lock.
    private final class Made: @unchecked Sendable {
        private let lock = NSLock()
        private var paths: [String] = []

        func add(_ path: String) { lock.withLock { paths.append(path) } }

        func removeAll() {
            for path in lock.withLock({ paths }) { TemporaryFolder.remove(path) }
        }
    }

    private static let made: Made = {
        atexit { TemporaryFolder.made.removeAll() }
        return Made()
    }()
}
