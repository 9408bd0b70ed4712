/// What can go wrong in the laboratory. `description` is meant to be read in a test's failure message.
package enum LabError: Error, CustomStringConvertible, Sendable {
    /// The kernel or the machine cannot do it; see ``Lab/availability``.
    case unavailable(String)
    /// A system call failed: what was tried, and the error number.
    case system(String, code: Int32)
    /// A program cannot be found on the search path.
    case noSuchProgram(String)
    /// A program that had to succeed did not.
    case commandFailed(String, ExitStatus, output: String)
    /// A condition did not come true in time.
    case timedOut(waitingFor: String, Duration, sofar: String)
    /// A program ended while something was still expected of it.
    case ended(waitingFor: String, ExitStatus, sofar: String)
    /// The plan or the laboratory has no such host or site, or it was closed.
    case unknown(String)
    case closed

    package var description: String {
        switch self {
        case .unavailable(let reason): "the NAT laboratory is not available: \(reason)"
        case .system(let what, let code): "cannot \(what): \(errorText(code))"
        case .noSuchProgram(let name): "no program '\(name)' on the search path"
        case .commandFailed(let command, let status, let output): "\(command) \(status): \(output)"
        case .timedOut(let what, let limit, let sofar): "no \(what) within \(limit); so far: \(sofar)"
        case .ended(let what, let status, let sofar): "it \(status) before \(what); so far: \(sofar)"
        case .unknown(let name): "the laboratory has no '\(name)'"
        case .closed: "the laboratory is closed"
        }
    }
}

/// How a program ended.
package enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    package var succeeded: Bool { self == .code(0) }

    package var description: String {
        switch self {
        case .code(let code): "ended with exit code \(code)"
        case .signal(let number): "was ended by signal \(number)"
        }
    }

    /// Reads the status word of `waitpid`.
    init(waitStatus status: Int32) {
        let signal = status & 0x7f
        self = signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal)
    }
}
