import Foundation
import NATLab

/// Keeps one program running, unless somebody has killed it.
final class Keeper: Sendable {
    struct State: Sendable {
        var process: LabProcess?
        /// Counts the processes.
        var run = 0
        var isUp = false
        var startedAt = ContinuousClock.now
        /// It has said something: signals are heeded by now.
        var hasSpoken = false
        /// Somebody else starts it again.
        var isHeld = false
        /// Ends that nobody asked for, and that nothing excuses.
        var collapses: [String] = []
        /// Ends while the disk was full.
        var excused = 0
    }

    /// What a program does, told on the laboratory's thread.
    enum News: Sendable {
        case line(String)
        case ended
    }

    typealias Spawn = @Sendable (Manner, @escaping LabProcess.Observer) throws -> LabProcess

    let part: Part
    let state = Watched(State())
    private let spawn: Spawn
    private let hear: @Sendable (News, Int) -> Void
    private let isExcused: @Sendable () -> Bool
    private let evidence: Evidence

    init(
        _ part: Part, evidence: Evidence, isExcused: @escaping @Sendable () -> Bool, spawn: @escaping Spawn,
        hear: @escaping @Sendable (News, Int) -> Void
    ) {
        self.part = part
        self.evidence = evidence
        self.isExcused = isExcused
        self.spawn = spawn
        self.hear = hear
    }

    var process: LabProcess? { state.value.isUp ? state.value.process : nil }

    /// Starts the program.
    func start(_ manner: Manner) throws {
        let run = state.update { state in
            state.run += 1
            state.isUp = true
            state.hasSpoken = false
            state.startedAt = .now
            state.process = nil
            return state.run
        }
        evidence.write(part.rawValue, "--- start \(run), \(manner)")
        do {
            let process = try spawn(manner) { [weak self] change in self?.heard(change, run) }
            state.update { state in if state.run == run { state.process = process } }
        } catch {
            state.update { $0.isUp = false }
            throw error
        }
    }

    private func heard(_ change: LabProcess.Change, _ run: Int) {
        switch change {
        case .line(let line):
            evidence.write(part.rawValue, line.text)
            state.update { if $0.run == run { $0.hasSpoken = true } }
            hear(.line(line.text), run)
        case .ended(let status):
            evidence.write(part.rawValue, "--- end \(run): \(status)")
            // Before anybody can start the next one.
            hear(.ended, run)
            let isExcused = isExcused()
            let process = state.update { state -> LabProcess? in
                guard state.run == run else { return nil }
                state.isUp = false
                guard !state.isHeld else { return state.process }
                if isExcused { state.excused += 1 }
                return state.process
            }
            let errors = process?.errorText ?? ""
            if !errors.isEmpty {
                evidence.write("\(part.rawValue)-errors", "run \(run):\n\(errors.suffix(60_000))", limit: .max)
            }
            state.update { state in
                guard state.run == run, !state.isHeld, !isExcused else { return }
                state.collapses.append("\(part.rawValue) \(status): \(errors.suffix(400))")
            }
        }
    }

    /// Sees to it that it runs, until the task is cancelled.
    func watch(restart: @Sendable () async throws -> Void) async throws {
        while !Task.isCancelled {
            try await state.first("an end of \(part.rawValue)", within: .seconds(100_000)) {
                !$0.isUp && !$0.isHeld ? () : nil
            }
            // Who has killed it says so in a moment.
            try? await state.first("who cares for \(part.rawValue)", within: .milliseconds(250)) {
                $0.isUp || $0.isHeld ? () : nil
            }
            let isOrphaned = state.update { state in
                guard !state.isUp, !state.isHeld else { return false }
                state.isHeld = true
                return true
            }
            guard isOrphaned else { continue }
            defer { letGo() }
            try await restart()
        }
    }

    /// From now on nobody but the caller ends and starts it; waits until nobody else does.
    func hold() async throws {
        try await state.first("a turn with \(part.rawValue)", within: .seconds(300)) { state -> Void? in
            guard !state.isHeld else { return nil }
            state.isHeld = true
            return ()
        }
    }

    func letGo() { state.update { $0.isHeld = false } }

    /// Returns once it has run for so long.
    func live(_ life: Duration) async throws {
        while true {
            let startedAt = state.value.startedAt
            let rest = startedAt + life - .now
            guard rest > .zero else { return }
            try? await state.first("a newer start of \(part.rawValue)", within: rest) {
                $0.startedAt == startedAt ? nil : ()
            }
            try Task.checkCancellation()
        }
    }

    /// Kills it, and returns when it is gone.
    func kill() async {
        guard let process else { return }
        await process.kill()
        try? await state.first("the end of \(part.rawValue)", within: .seconds(10)) { $0.isUp ? nil : () }
    }

    /// Has it leave in good order, and keeps hold of it. Returns what was wrong with that, if anything.
    func leave(within limit: Duration) async -> String? {
        do { try await hold() } catch { return "\(error)" }
        try? await state.first("a word of \(part.rawValue)", within: .seconds(10)) {
            !$0.isUp || $0.hasSpoken ? () : nil
        }
        guard let process else { return "\(part.rawValue) is not there" }
        if part == .server { process.signal(SIGTERM) } else { try? process.write("{\"quit\":true}\n") }
        do {
            let status = try await process.exit(within: limit)
            try await state.first("the end of \(part.rawValue)", within: .seconds(10)) { $0.isUp ? nil : () }
            return status.succeeded ? nil : "\(part.rawValue) \(status): \(process.errorText.suffix(400))"
        } catch {
            await kill()
            return "\(part.rawValue) does not leave within \(limit)"
        }
    }
}
