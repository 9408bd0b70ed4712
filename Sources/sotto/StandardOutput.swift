import Foundation
import NIOConcurrencyHelpers

/// The process's own output descriptors.
enum StandardOutput {
    private struct State {
        var isBroken = false
        var onBreak: (@Sendable () -> Void)?
    }

    private static let state = NIOLockedValueBox(State())

    /// Nobody reads standard output any more, or it cannot take more.
    static var isBroken: Bool { state.withLockedValue { $0.isBroken } }

    /// What to do when standard output breaks, in place of ending at once: for who has to leave in good order.
    static func whenBroken(_ action: (@Sendable () -> Void)?) {
        let isLate = state.withLockedValue { state in
            state.onBreak = action
            return state.isBroken
        }
        if isLate { action?() }
    }

    /// Descriptors 0 to 2 exist from now on, so that nothing that is opened later takes their place.
    static func claimDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
            // Reading finds the end, and writing fails: a closed descriptor stays one. The lowest free number is taken.
            _ = open("/dev/null", O_RDONLY)
        }
    }

    /// Writes all of it at once, so that lines of different tasks do not mix.
    static func write(_ text: String) {
        guard let reason = write(text, to: STDOUT_FILENO) else { return }
        let (isNews, action) = state.withLockedValue { state in
            defer { state.isBroken = true }
            return (!state.isBroken, state.onBreak)
        }
        guard isNews else { return }
        // Who closes a pipe early (`| head`) knows it.
        if reason != EPIPE {
            StandardError.write("sotto: cannot write to standard output: \(String(cString: strerror(reason)))\n")
        }
        if let action { action() } else { exit(1) }
    }

    /// The reason why not all could be written, or nil.
    fileprivate static func write(_ text: String, to descriptor: Int32) -> Int32? {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EAGAIN {
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&ready, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }
}

/// Remarks, errors and logs. There is nobody to tell when that fails.
enum StandardError {
    static func write(_ text: String) { _ = StandardOutput.write(text, to: STDERR_FILENO) }
}
