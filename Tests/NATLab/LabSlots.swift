import Foundation

/// Limits how many laboratories exist at once, however many tests run in parallel. First come, first served.
final class LabSlots: Sendable {
    /// Four, or what the variable SOTTO_LAB_SLOTS says; at least two, since a test may hold one and want another.
    static let shared = LabSlots(
        ProcessInfo.processInfo.environment["SOTTO_LAB_SLOTS"].flatMap { Int($0) } ?? 4)

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Locked<State>

    init(_ count: Int) {
        state = Locked(State(free: max(2, count)))
    }

    func take() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    func giveBack() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
