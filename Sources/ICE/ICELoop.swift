import CNice
import CSotto
import Glibc

/// The one thread on which all agents of libnice live, with the GMainContext that drives them. The thread starts with the
/// first agent and ends after `shutdown()`, or when the loop and all its agents are released.
package final class ICELoop: Sendable {
    let core: LoopCore

    /// A loop whose thread does not run yet.
    package init() {
        core = LoopCore()
    }

    deinit {
        core.shutdown()
    }

    /// Closes every agent and ends the thread after the last is gone. Returns at once; idempotent; safe on any thread.
    /// Agents made afterwards are closed from the start.
    package func shutdown() {
        core.shutdown()
    }

    /// Calls `action` once the thread has ended and no event can come any more: at once when it never ran. On any thread.
    package func whenEnded(_ action: @escaping @Sendable () -> Void) {
        core.whenEnded(action)
    }
}

/// What the thread and the handles share.
///
/// Jobs run between iterations of the GMainContext, in order, and never inside a callback of libnice: that is what makes
/// it safe to tear an agent down from an event.
// Safety: `context` is a thread-safe GLib object; `agents` and `isStopping` are touched by the loop's thread only.
final class LoopCore: @unchecked Sendable {
    typealias Job = @Sendable () -> Void

    private enum Phase {
        case idle, running, ended
    }

    private struct State: Sendable {
        var phase = Phase.idle
        var jobs: [Job] = []
        var endActions: [Job] = []
    }

    let context: OpaquePointer
    private let state = Locked(State())
    /// Owned by the loop's thread.
    private var agents: Set<UInt> = []
    /// Owned by the loop's thread.
    private(set) var isStopping = false

    init() {
        context = g_main_context_new()
    }

    deinit {
        g_main_context_unref(context)
    }

    /// Runs the job on the loop's thread, after those posted before. Returns false, and forgets the job, when the thread
    /// has ended or cannot be started.
    @discardableResult
    func post(_ job: @escaping Job) -> Bool {
        state.withLock { state in
            if state.phase == .idle { state.phase = startThread() ? .running : .ended }
            guard state.phase == .running else { return false }
            state.jobs.append(job)
            if state.jobs.count == 1 { g_main_context_wakeup(context) }
            return true
        }
    }

    func shutdown() {
        let neverStarted = state.withLock { state in
            if state.phase == .idle { state.phase = .ended }
            return state.phase == .ended
        }
        if neverStarted { return }
        post { [self] in
            isStopping = true
            for id in agents { AgentRegistry.agent(id)?.close() }
        }
    }

    func whenEnded(_ action: @escaping Job) {
        let isOver = state.withLock { state in
            guard state.phase == .running else { return true }
            state.endActions.append(action)
            return false
        }
        if isOver { action() }
    }

    /// Loop's thread only.
    func add(_ id: UInt) {
        agents.insert(id)
    }

    /// Loop's thread only.
    func remove(_ id: UInt) {
        agents.remove(id)
    }

    private func startThread() -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }
        let retained = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let result = pthread_create(&thread, &attributes, loopThread, retained.toOpaque())
        if result != 0 { retained.release() }
        return result == 0
    }

    fileprivate func run() {
        sotto_nice_silence_warnings()
        // Owned throughout: else libnice hands packets over by a queue and an idle callback, which copies them.
        g_main_context_acquire(context)
        // Where GLib's asynchronous calls deliver, those that libnice makes among them.
        g_main_context_push_thread_default(context)
        while !hasEnded() {
            g_main_context_iteration(context, 1)
            let jobs = state.withLock { state in
                defer { state.jobs = [] }
                return state.jobs
            }
            for job in jobs { job() }
        }
        g_main_context_pop_thread_default(context)
        g_main_context_release(context)
    }

    private func hasEnded() -> Bool {
        guard isStopping, agents.isEmpty else { return false }
        let endActions = state.withLock { state -> [Job]? in
            guard state.jobs.isEmpty else { return nil }
            state.phase = .ended
            defer { state.endActions = [] }
            return state.endActions
        }
        guard let endActions else { return false }
        for action in endActions { action() }
        return true
    }
}

private func loopThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let loop = Unmanaged<LoopCore>.fromOpaque(argument).takeRetainedValue()
    // Signals are for the program's other threads, but for those that speak of this one's mistakes.
    var signals = sigset_t()
    sigfillset(&signals)
    for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT] { sigdelset(&signals, signal) }
    pthread_sigmask(SIG_SETMASK, &signals, nil)
    sotto_thread_set_name("sotto-ice")
    loop.run()
    return nil
}
