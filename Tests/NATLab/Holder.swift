import CNATLab
import Foundation

/// The process that keeps a laboratory's namespaces alive, and the only way into them.
///
/// It is the first process of the laboratory's process namespace: once it is gone (closed here, or because the test
/// process died and its control socket with it), the kernel kills every other.
final class Holder: Sendable {
    private struct State {
        let control: Int32
        let process: Int32
        let processDescriptor: Int32
        let user: Int32
        let mount: Int32
        let pids: Int32
        /// Network namespaces by name; the empty name is the holder's own.
        var networks: [String: Int32]

        var descriptors: [Int32] { [control, user, mount, pids] + networks.values }
    }

    private let state: Locked<State?>
    private let gone = Watched(false)

    init() throws(LabError) {
        let pair = try SocketPair()
        defer { Glibc.close(pair.theirs) }
        var failure = natlab_failure()
        // A user namespace gives all rights inside to anybody; where it is forbidden, root can do without.
        var process = natlab_hold(pair.theirs, true, &failure)
        let hasUserNamespace = process >= 0
        if process < 0, geteuid() == 0 {
            process = natlab_hold(pair.theirs, false, &failure)
        }
        guard process >= 0 else {
            Glibc.close(pair.ours)
            throw LabError(failure)
        }
        let folder = "/proc/\(process)/ns"
        func namespace(_ kind: String) -> Int32 { open("\(folder)/\(kind)", O_RDONLY | O_CLOEXEC) }
        state = Locked(
            State(
                control: pair.ours, process: process, processDescriptor: natlab_process_descriptor(process),
                user: hasUserNamespace ? namespace("user") : -1, mount: namespace("mnt"), pids: namespace("pid"),
                networks: ["": namespace("net")]))
    }

    deinit { close() }

    /// Calls `body` with the descriptors of the namespaces; `network` names one made by `ip netns add`.
    func withNamespaces<Result: Sendable>(
        network: String?, _ body: (natlab_namespaces) throws(LabError) -> Result
    ) throws(LabError) -> Result {
        try state.withLock { state throws(LabError) in
            guard let held = state else { throw LabError.closed }
            let name = network ?? ""
            var descriptor = held.networks[name] ?? -1
            if descriptor < 0 {
                descriptor = open("/proc/\(held.process)/root/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
                guard descriptor >= 0 else { throw lastError("open the network namespace '\(name)'") }
                state?.networks[name] = descriptor
            }
            return try body(
                natlab_namespaces(user: held.user, mount: held.mount, process: held.pids, network: descriptor))
        }
    }

    /// Kills everything in the laboratory. May be called in any state, also again.
    func close() {
        guard let held = state.withLock({ state in state.take() }) else { return }
        kill(held.process, SIGKILL)
        for descriptor in held.descriptors where descriptor >= 0 { Glibc.close(descriptor) }
        // It ends once its namespace is empty, that is when the reactor has reaped all others.
        Reactor.shared.watch(held.processDescriptor) { [gone] in
            var status: Int32 = 0
            _ = retrying { Int(waitpid(held.process, &status, 0)) }
            Reactor.shared.close(held.processDescriptor)
            gone.update { $0 = true }
        }
    }

    /// Closes, and waits until nothing of the laboratory runs any more.
    func closed(within limit: Duration) async throws {
        close()
        try await gone.first("end of all programs of the laboratory", within: limit) { $0 ? () : nil }
    }
}
