import Foundation

/// The files of a home directory: read whole and bounded, written atomically, and never readable by others.
struct HomeFiles: Sendable {
    /// No file of a home is larger; a larger one is refused instead of read.
    static let maximumSize = 8 << 20

    let directory: String

    func path(_ name: String) -> String { directory + "/" + name }

    /// Makes the directory, and those above it, for its owner alone (mode 0700). Refuses one in which others could put files of theirs.
    func createDirectory() throws(HomeError) {
        var path = directory.hasPrefix("/") ? "/" : ""
        for part in directory.split(separator: "/") {
            path += part
            if mkdir(path, 0o700) != 0 {
                let failure = errno
                // Also where a read-only file system, or a folder that is not ours, has it already.
                var status = stat()
                guard stat(path, &status) == 0 else {
                    throw .system(action: "create", file: path, detail: Self.reason(failure))
                }
                guard status.st_mode & S_IFMT == S_IFDIR else {
                    throw .system(action: "create", file: directory, detail: "\(path) is not a directory")
                }
            }
            path += "/"
        }
        var status = stat()
        guard stat(directory, &status) == 0 else {
            throw .system(action: "use", file: directory, detail: Self.reason(errno))
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o002 == 0 else {
            throw .system(action: "use", file: directory, detail: "others can write to it")
        }
    }

    func exists(_ name: String) -> Bool { access(path(name), F_OK) == 0 }

    /// Whether users other than the owner may read or change the file.
    func isReadableByOthers(_ name: String) -> Bool {
        var status = stat()
        return lstat(path(name), &status) == 0 && status.st_mode & 0o077 != 0
    }

    /// The whole file, or `nil` when there is none.
    func read(_ name: String) throws(HomeError) -> [UInt8]? {
        let file = path(name)
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .system(action: "read", file: file, detail: Self.reason(errno))
        }
        defer { _ = Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size <= Self.maximumSize else {
            throw .damaged(file: file, detail: "too large")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                // Safety: the range lies inside the buffer, whose size does not change here.
                Glibc.read(descriptor, buffer.baseAddress! + filled, buffer.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(action: "read", file: file, detail: Self.reason(errno)) }
            guard count > 0 else { throw .damaged(file: file, detail: "it shrank while being read") }
            filled += count
        }
        return bytes
    }

    /// Replaces a file as one step: after a crash there is the old content or the new, never a part.
    func write(_ bytes: [UInt8], to name: String) throws(HomeError) {
        let file = path(name)
        guard bytes.count <= Self.maximumSize else {
            throw .system(action: "write", file: file, detail: "it would be too large to be read again")
        }
        let temporary = file + ".new"
        // A file of ours alone: what a crash has left there, or somebody else has put there, is not written into.
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(action: "write", file: temporary, detail: Self.reason(errno)) }
        var failure: Int32?
        var written = 0
        while written < bytes.count, failure == nil {
            let count = bytes.withUnsafeBytes { buffer in
                // Safety: the range lies inside the buffer, which outlives the call.
                Glibc.write(descriptor, buffer.baseAddress! + written, buffer.count - written)
            }
            if count >= 0 { written += count } else if errno != EINTR { failure = errno }
        }
        if failure == nil, fsync(descriptor) != 0 { failure = errno }
        if Glibc.close(descriptor) != 0, failure == nil { failure = errno }
        if failure == nil, rename(temporary, file) != 0 { failure = errno }
        if let failure {
            unlink(temporary)
            throw .system(action: "write", file: file, detail: Self.reason(failure))
        }
        syncDirectory()
    }

    /// Removes a file, if there is one.
    func remove(_ name: String) {
        unlink(path(name))
        syncDirectory()
    }

    /// Writes the directory entry itself to disk. A file system that cannot do it is not a reason to fail.
    private func syncDirectory() {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        _ = Glibc.close(descriptor)
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// An exclusive lock on a file of the home, released when the value is destroyed or the process dies.
final class HomeLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock.
    ///
    /// - Parameter wait: whether to wait for another process to let go, or to fail. An instant is waited in any case, for who only looks whether somebody has
    ///   the lock; and five seconds for that of a process that is gone: a child that it was just starting may have it yet, and gives it up when it begins.
    /// - Throws: ``HomeError/inUse(processID:)`` when it is taken and `wait` is false.
    init(_ files: HomeFiles, name: String, wait: Bool) throws(HomeError) {
        let file = files.path(name)
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw .system(action: "open", file: file, detail: String(cString: strerror(errno)))
        }
        let began = ContinuousClock.now
        while flock(descriptor, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            let holder = Self.holder(descriptor)
            let patience: Duration = holder.map(Self.isGone) == true ? .seconds(5) : .milliseconds(10)
            if ContinuousClock.now - began < patience {
                usleep(2_000)
                continue
            }
            _ = Glibc.close(descriptor)
            throw .inUse(processID: holder)
        }
        let line = Array("\(getpid())\n".utf8)
        ftruncate(descriptor, 0)
        pwrite(descriptor, line, line.count, 0)
        self.descriptor = descriptor
    }

    deinit {
        // Closing is not enough: a child that this process is just starting may have inherited the descriptor.
        flock(descriptor, LOCK_UN)
        _ = Glibc.close(descriptor)
    }

    /// The process that holds the lock; `nil` when none does, 0 when it cannot be told which. Takes nothing from anybody who wants it.
    static func holder(_ files: HomeFiles, name: String) -> Int32? {
        let descriptor = open(files.path(name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { _ = Glibc.close(descriptor) }
        if flock(descriptor, LOCK_SH | LOCK_NB) == 0 {
            flock(descriptor, LOCK_UN)
            return nil
        }
        return holder(descriptor) ?? 0
    }

    private static func isGone(_ process: Int32) -> Bool {
        process > 0 && kill(process, 0) != 0 && errno == ESRCH
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").first ?? "")
    }
}
