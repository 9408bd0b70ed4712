import Foundation

/// Reads what a program writes and reaps it, on a thread of its own.
///
/// `@unchecked Sendable`.
/// Safety: everything that changes is guarded by the lock; descriptors are the thread's alone.
final class ProgramWatch: @unchecked Sendable {
    struct State {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        /// Where the first line that was not given out begins.
        var position = 0
        var ending: Program.Ending?
        fileprivate var isReaped = false
        fileprivate var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        fileprivate var lastTicket = 0
        /// Counts changes, so that none is missed between a look and a wait.
        fileprivate var changes = 0
    }

    let id: pid_t
    private let outputDescriptor: Int32
    private let errorDescriptor: Int32
    private let lock = NSLock()
    private var guarded = State()

    init(_ id: pid_t, output: Int32, errors: Int32) {
        self.id = id
        outputDescriptor = output
        errorDescriptor = errors
    }

    var state: State { lock.withLock { guarded } }

    func start() {
        let thread = Thread { [self] in
            run()
        }
        thread.name = "program"
        thread.start()
    }

    func signal(_ number: Int32) {
        // Until it is reaped, its id belongs to nobody else.
        lock.withLock { if !guarded.isReaped { _ = kill(id, number) } }
    }

    // MARK: Waiting

    /// Waits until `pick` finds something.
    ///
    /// - Throws: ``Program/Failure`` when it is too late, or the program has ended without it.
    func first<Result>(
        _ what: String, within seconds: Double, _ pick: (inout State) -> Result?
    ) async throws -> Result {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let (found, isOver, seen) = lock.withLock {
                (pick(&guarded), guarded.ending != nil, guarded.changes)
            }
            if let found { return found }
            guard !isOver, ContinuousClock.now < deadline else {
                let state = state
                throw Program.Failure(
                    description: "\(what): did not come; \(String(describing: state.ending)); it wrote: "
                        + String(decoding: state.output.suffix(2000) + state.errors.suffix(2000), as: UTF8.self))
            }
            await wait(beyond: seen, until: deadline)
        }
    }

    private func wait(beyond seen: Int, until deadline: ContinuousClock.Instant) async {
        let ticket = lock.withLock {
            guarded.lastTicket += 1
            return guarded.lastTicket
        }
        let alarm = Alarm(at: deadline) { [self] in
            lock.withLock { guarded.waiters.removeValue(forKey: ticket) }?.resume()
        }
        await withCheckedContinuation { continuation in
            let isOver = lock.withLock {
                if guarded.changes != seen || ContinuousClock.now >= deadline { return true }
                guarded.waiters[ticket] = continuation
                return false
            }
            if isOver { continuation.resume() }
        }
        alarm.cancel()
    }

    private func change(_ body: (inout State) -> Void) {
        let waiters = lock.withLock {
            body(&guarded)
            guarded.changes += 1
            defer { guarded.waiters = [:] }
            return Array(guarded.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: On the thread

    private func run() {
        var open = [outputDescriptor, errorDescriptor]
        while !open.isEmpty {
            var polled = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, nfds_t(polled.count), -1) > 0 else { continue }
            for entry in polled where entry.revents != 0 && !read(entry.fd) {
                open.removeAll { $0 == entry.fd }
                close(entry.fd)
            }
        }
        // Not reaped yet, so that a signal still finds it.
        var info = siginfo_t()
        while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        change { state in
            var status: Int32 = 0
            waitpid(id, &status, 0)
            state.isReaped = true
            state.ending = status & 0x7F == 0 ? .code(status >> 8 & 0xFF) : .signal(status & 0x7F)
        }
    }

    /// Takes what is there; false at the end.
    private func read(_ descriptor: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        if count < 0 { return errno == EINTR }
        guard count > 0 else { return false }
        change { state in
            if descriptor == outputDescriptor {
                state.output += buffer[..<count]
            } else {
                state.errors += buffer[..<count]
            }
        }
        return true
    }
}
