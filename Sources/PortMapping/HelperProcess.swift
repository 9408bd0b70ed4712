import CConfine
import Dispatch
import Glibc

/// How the gateway helper is started.
package struct HelperCommand: Hashable, Sendable {
    package let path: String
    /// With the name of the program, which comes first.
    package let arguments: [String]

    package init(path: String, arguments: [String]) {
        self.path = path
        self.arguments = arguments
    }
}

/// A helper that runs: one question, one answer. Whatever it does, it costs its user no more than the deadline; what is not an answer ends it.
///
/// Used by one queue.
final class HelperProcess {
    /// Milliseconds after which a wait looks up whether it is still wanted.
    private static let slice: Int64 = 200
    /// Seconds that a helper which was let go has to give back what it holds.
    static let grace = 10

    let process: pid_t
    private var socket: Int32
    private let isCancelled: () -> Bool

    /// Starts it; nil when that is not possible.
    ///
    /// - Parameter isCancelled: ends a wait for an answer early.
    init?(_ command: HelperCommand, isCancelled: @escaping () -> Bool = { false }) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            return nil
        }
        defer { close(ends[1]) }
        var arguments = command.arguments.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        var process: pid_t = 0
        guard sotto_spawn_bare(&process, command.path, arguments, ends[1]) == 0 else {
            close(ends[0])
            return nil
        }
        self.process = process
        self.isCancelled = isCancelled
        socket = ends[0]
    }

    deinit { if socket >= 0 { letGo() } }

    /// Asks, and waits for the answer for this many milliseconds.
    ///
    /// - Returns: nil when the helper did anything but answer. It is dead then, and this object of no further use.
    func ask(_ request: HelperRequest, within milliseconds: Int64) -> HelperAnswer? {
        guard socket >= 0 else { return nil }
        if let answer = answer(to: request, until: Uptime.milliseconds + milliseconds) { return answer }
        // Who no longer waits leaves it to the helper to give back what it holds; one that misbehaves holds nothing.
        if isCancelled() { letGo() } else { kill() }
        return nil
    }

    /// Lets it give back what it holds, and waits for that for this many milliseconds at most.
    func finish(within milliseconds: Int64) {
        guard socket >= 0 else { return }
        shutdown(socket, Int32(SHUT_WR))
        let end = Uptime.milliseconds + milliseconds
        var byte: UInt8 = 0
        // It says nothing more; a helper that does is none to wait for.
        if waitForInput(until: end, evenIfCancelled: true) { _ = recv(socket, &byte, 1, Int32(MSG_DONTWAIT)) }
        letGo()
    }

    private func answer(to request: HelperRequest, until end: Int64) -> HelperAnswer? {
        // What it said unasked, its end included, is not an answer.
        guard !hasInput(within: 0) else { return nil }
        let line = Array(request.line.utf8)
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        guard send(socket, line, line.count, flags) == line.count else { return nil }
        var heard: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: HelperLine.maximumLength)
        while waitForInput(until: end, evenIfCancelled: false) {
            let count = recv(socket, &buffer, buffer.count - heard.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return nil }
            heard += buffer.prefix(count)
            if heard.last == UInt8(ascii: "\n") { return HelperAnswer(line: heard.dropLast()) }
            guard heard.count < HelperLine.maximumLength, !heard.contains(UInt8(ascii: "\n")) else { return nil }
        }
        return nil
    }

    private func waitForInput(until end: Int64, evenIfCancelled: Bool) -> Bool {
        while evenIfCancelled || !isCancelled() {
            let left = end - Uptime.milliseconds
            guard left > 0 else { return false }
            if hasInput(within: Int32(min(left, Self.slice))) { return true }
        }
        return false
    }

    private func hasInput(within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    private func kill() {
        close(socket)
        socket = -1
        Glibc.kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }

    /// It sees the end of its input, and has ``grace`` seconds left.
    private func letGo() {
        close(socket)
        socket = -1
        var status: Int32 = 0
        guard waitpid(process, &status, WNOHANG) == 0 else { return }
        DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + .seconds(Self.grace)) { [process] in
            // Not reaped yet, so that nobody else has its number.
            Glibc.kill(process, SIGKILL)
            var status: Int32 = 0
            waitpid(process, &status, 0)
        }
    }
}
