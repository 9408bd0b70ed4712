import CNATLab
import Foundation

/// The text of an error number.
func errorText(_ code: Int32) -> String {
    "\(String(cString: strerror(code))) (\(code))"
}

/// Throws what the last system call left in `errno`.
func lastError(_ what: String) -> LabError {
    .system(what, code: errno)
}

/// Repeats a system call that a signal interrupted.
func retrying(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}

/// Finds a program as a shell would, with the system directories added, since `ip` and `nft` live there.
func findProgram(_ name: String) throws(LabError) -> String {
    if name.contains("/") { return name }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    for directory in "\(path):/usr/local/sbin:/usr/sbin:/sbin".split(separator: ":") {
        let candidate = "\(directory)/\(name)"
        if access(candidate, X_OK) == 0 { return candidate }
    }
    throw .noSuchProgram(name)
}

/// The environment of programs in the laboratory: this process's, without the project's own variables.
func laboratoryEnvironment(adding extra: [String: String]) -> [String: String] {
    var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SOTTO_") }
    environment["PATH"] = (environment["PATH"] ?? "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    return environment.merging(extra) { $1 }
}

/// A pipe whose ends no other program inherits. The reading end does not block.
struct Pipe: Sendable {
    let reading: Int32
    let writing: Int32

    init() throws(LabError) {
        var ends: [Int32] = [-1, -1]
        guard natlab_pipe(&ends) == 0 else { throw lastError("make a pipe") }
        (reading, writing) = (ends[0], ends[1])
    }
}

/// A connected pair of local sockets: unlike a pipe, writing to one whose other end is closed raises no signal.
struct SocketPair: Sendable {
    let ours: Int32
    let theirs: Int32

    init() throws(LabError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw lastError("make a socket pair") }
        (ours, theirs) = (ends[0], ends[1])
    }
}

/// Reads what is there. Nil at the end of the stream, empty when there is nothing at the moment.
func readAvailable(_ descriptor: Int32) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = retrying { read(descriptor, &buffer, buffer.count) }
    if count > 0 { return Array(buffer[..<count]) }
    return count < 0 && errno == EAGAIN ? [] : nil
}
