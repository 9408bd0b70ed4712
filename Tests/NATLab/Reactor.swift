import Foundation

/// One thread that waits for descriptors and deadlines, for all laboratories of the process.
///
/// Foundation's `Process` reaps children through run loops and lets descriptors leak into other children; here each
/// child has a process descriptor, and everything is close-on-exec. Handlers run on the reactor's thread, are short
/// and never block. A descriptor is closed only there, so no handler ever sees a reused number.
final class Reactor: Sendable {
    static let shared = Reactor()

    private struct Handler {
        let events: Int16
        let action: @Sendable () -> Void
    }

    private struct Timer {
        let deadline: ContinuousClock.Instant
        let action: @Sendable () -> Void
    }

    private struct State {
        var handlers: [Int32: Handler] = [:]
        var timers: [UInt64: Timer] = [:]
        var closing: [Int32] = []
        var lastTimer: UInt64 = 0
    }

    private let state = Locked(State())
    private let waking: Pipe?

    private init() {
        waking = try? Pipe()
        let thread = Thread { [self] in run() }
        thread.name = "natlab"
        thread.start()
    }

    /// Calls `action` whenever the descriptor is readable (or writable, if asked so) or at its end, until it is closed
    /// here.
    func watch(_ descriptor: Int32, forWriting: Bool = false, _ action: @escaping @Sendable () -> Void) {
        let events = Int16(forWriting ? POLLOUT : POLLIN)
        state.withLock { $0.handlers[descriptor] = Handler(events: events, action: action) }
        wake()
    }

    /// Stops watching the descriptor and closes it.
    func close(_ descriptor: Int32) {
        state.withLock {
            $0.handlers[descriptor] = nil
            $0.closing.append(descriptor)
        }
        wake()
    }

    /// Calls `action` once the deadline has passed. The result cancels it.
    func at(_ deadline: ContinuousClock.Instant, _ action: @escaping @Sendable () -> Void) -> UInt64 {
        let id = state.withLock {
            $0.lastTimer += 1
            $0.timers[$0.lastTimer] = Timer(deadline: deadline, action: action)
            return $0.lastTimer
        }
        wake()
        return id
    }

    func cancel(timer: UInt64) {
        _ = state.withLock { $0.timers.removeValue(forKey: timer) }
    }

    private func wake() {
        // Without a pipe (no descriptors left) the loop looks again after a moment.
        if let waking { _ = write(waking.writing, [1], 1) }
    }

    private func run() {
        while true {
            let (descriptors, wait) = prepare()
            var polled = descriptors
            _ = retrying { Int(poll(&polled, nfds_t(polled.count), wait)) }
            if let waking { _ = readAvailable(waking.reading) }
            for entry in polled where entry.revents != 0 {
                state.withLock { $0.handlers[entry.fd] }?.action()
            }
            fireTimers()
        }
    }

    /// Closes what is to be closed; gives the descriptors to wait for and the longest wait in milliseconds.
    private func prepare() -> ([pollfd], Int32) {
        let now = ContinuousClock.now
        let (closing, descriptors, next) = state.withLock { state in
            defer { state.closing = [] }
            let descriptors = state.handlers.map { pollfd(fd: $0, events: $1.events, revents: 0) }
            return (state.closing, descriptors, state.timers.values.map(\.deadline).min())
        }
        for descriptor in closing { Glibc.close(descriptor) }
        let longest: Double = waking == nil ? 20 : 60_000
        let untilNext = next.map { max(0, ($0 - now) / .milliseconds(1)) } ?? longest
        let wakeup = waking.map { [pollfd(fd: $0.reading, events: Int16(POLLIN), revents: 0)] } ?? []
        return (descriptors + wakeup, Int32(min(untilNext, longest).rounded(.up)))
    }

    private func fireTimers() {
        let now = ContinuousClock.now
        let due = state.withLock { state in
            let due = state.timers.filter { $0.value.deadline <= now }
            for id in due.keys { state.timers[id] = nil }
            return due.values.map(\.action)
        }
        for action in due { action() }
    }
}
