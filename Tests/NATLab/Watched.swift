/// A value behind a lock whose changes can be awaited, always with a deadline: what tests use instead of sleeping.
package final class Watched<Value: Sendable>: Sendable {
    /// Both closures run with the lock held. `attempt` says whether it has resumed its waiter.
    private struct Waiter {
        let attempt: @Sendable (inout Value) -> Bool
        let fail: @Sendable (any Error, Value) -> Void
    }

    private struct State {
        var value: Value
        var waiters: [UInt64: Waiter] = [:]
        var lastWaiter: UInt64 = 0
    }

    private let state: Locked<State>

    package init(_ value: Value) {
        state = Locked(State(value: value))
    }

    /// A copy of the present value.
    package var value: Value { state.withLock { $0.value } }

    /// Changes the value, then lets every waiter look at it.
    @discardableResult
    package func update<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        state.withLock { state in
            let result = body(&state.value)
            for (id, waiter) in state.waiters.sorted(by: { $0.key < $1.key }) where waiter.attempt(&state.value) {
                state.waiters[id] = nil
            }
            return result
        }
    }

    /// Waits until `check` returns something, and returns that. `check` may change the value (to consume a part).
    ///
    /// - Parameters:
    ///   - what: names the condition in the error.
    ///   - limit: how long to wait.
    ///   - describe: tells what is there when the time is over.
    /// - Throws: ``LabError/timedOut(waitingFor:_:sofar:)``, what `check` throws, or `CancellationError`.
    package func first<Result: Sendable>(
        _ what: String, within limit: Duration,
        describe: @escaping @Sendable (Value) -> String = { "\($0)" },
        _ check: @escaping @Sendable (inout Value) throws -> Result?
    ) async throws -> Result {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        let timer = Reactor.shared.at(.now + limit) { [weak self] in
            self?.giveUp(id) { LabError.timedOut(waitingFor: what, limit, sofar: describe($0)) }
        }
        defer { Reactor.shared.cancel(timer: timer) }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                add(id, check, continuation)
                if Task.isCancelled { giveUp(id) { _ in CancellationError() } }
            }
        } onCancel: {
            giveUp(id) { _ in CancellationError() }
        }
    }

    private func add<Result: Sendable>(
        _ id: UInt64, _ check: @escaping @Sendable (inout Value) throws -> Result?,
        _ continuation: CheckedContinuation<Result, any Error>
    ) {
        let waiter = Waiter(
            attempt: { value in
                do {
                    guard let result = try check(&value) else { return false }
                    continuation.resume(returning: result)
                } catch {
                    continuation.resume(throwing: error)
                }
                return true
            },
            fail: { error, _ in continuation.resume(throwing: error) })
        state.withLock { state in
            if !waiter.attempt(&state.value) { state.waiters[id] = waiter }
        }
    }

    private func giveUp(_ id: UInt64, _ error: @Sendable (Value) -> any Error) {
        state.withLock { state in
            guard let waiter = state.waiters.removeValue(forKey: id) else { return }
            waiter.fail(error(state.value), state.value)
        }
    }
}
