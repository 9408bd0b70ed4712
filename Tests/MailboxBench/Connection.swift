import Foundation
import Identity
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SignalingClient
import Wire

/// What could not be measured, in one line.
struct Failure: Error, CustomStringConvertible {
    let description: String
}

/// A client of the mailbox whose requests are under way many at a time.
///
/// Safety: what changes is guarded by its lock.
final class Connection: Sendable {
    private struct State {
        var isReady = false
        var waiting = 0
        /// What is still to be sent, and how many of it may be under way.
        var toSend = 0
        var window = 0
        var makeMail: (@Sendable (UInt32) -> MailFrame)?
        var underWay: [UInt32: ContinuousClock.Instant] = [:]
        var next: UInt32 = 1
        var times: [Duration] = []
        /// Mails that have come, and those of them that are not acknowledged yet.
        var received = 0
        var unacknowledged: [UInt64] = []
        var failure: Failure?
        var isDone: @Sendable (Progress) -> Bool = { _ in false }
        var waiter: CheckedContinuation<Void, any Error>?
    }

    /// How far it has come.
    struct Progress: Sendable {
        let isReady: Bool
        let unanswered: Int
        let received: Int
    }

    /// How many mails are acknowledged at a time.
    private static let acknowledgedAtOnce = 64

    let identity: Identity
    private let state: NIOLockedValueBox<State>
    private let client: SignalingClient

    init(_ url: ServerURL, _ identity: Identity) {
        let state = NIOLockedValueBox(State())
        let box = NIOLockedValueBox<SignalingClient?>(nil)
        self.identity = identity
        self.state = state
        client = SignalingClient(
            url: url, identity: identity, eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            logger: Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() }),
            events: { event in
                guard let client = box.withLockedValue({ $0 }) else { return }
                Connection.take(event, state, client)
            })
        box.withLockedValue { $0 = client }
        client.start()
    }

    /// The connection ends.
    func stop() { client.stop() }

    /// How many mails the server said that wait.
    var waiting: Int { state.withLockedValue { $0.waiting } }

    /// Waits until it has come so far.
    func wait(_ isDone: @escaping @Sendable (Progress) -> Bool) async throws {
        try await withCheckedThrowingContinuation { continuation in
            state.withLockedValue { state in
                state.isDone = isDone
                state.waiter = continuation
            }
            client.eventLoop.execute { [state] in Connection.look(state) }
        }
    }

    /// Sends one kind of request so many times, at most `window` under way; returns how long each took.
    func send(_ count: Int, window: Int, _ make: @escaping @Sendable (UInt32) -> MailFrame) async throws -> [Duration] {
        state.withLockedValue { state in
            (state.toSend, state.window, state.makeMail, state.times) = (count, window, make, [])
        }
        client.eventLoop.execute { [state, client] in Connection.pump(state, client) }
        try await wait { $0.unanswered == 0 }
        return state.withLockedValue { $0.times }
    }

    private static func pump(_ state: NIOLockedValueBox<State>, _ client: SignalingClient) {
        while true {
            let frame = state.withLockedValue { state -> MailFrame? in
                guard state.toSend > 0, state.underWay.count < state.window, let make = state.makeMail else {
                    return nil
                }
                state.toSend -= 1
                state.underWay[state.next] = .now
                defer { state.next += 1 }
                return make(state.next)
            }
            guard let frame else { return }
            guard client.send(frame) else { return fail(state, "a request could not be sent") }
        }
    }

    private static func take(_ event: SignalingEvent, _ state: NIOLockedValueBox<State>, _ client: SignalingClient) {
        switch event {
        case .disconnected(let reason, _): fail(state, "the connection ended: \(reason)")
        case .mail(.mailbox(let info)):
            state.withLockedValue { state in
                (state.isReady, state.waiting) = (true, Int(info.waiting))
            }
        case .mail(.item(let mail, _, _)):
            let batch = state.withLockedValue { state -> [UInt64] in
                state.received += 1
                state.unacknowledged.append(mail)
                let isEnough = state.unacknowledged.count >= acknowledgedAtOnce || state.received >= state.waiting
                guard isEnough else { return [] }
                defer { state.unacknowledged = [] }
                return state.unacknowledged
            }
            if !batch.isEmpty, !client.send(.acknowledge(mails: batch)) { fail(state, "mails were not acknowledged") }
        case .mail(.refused(_, let reason, _)): fail(state, "a request was refused: \(reason)")
        case .mail(let frame):
            state.withLockedValue { state in
                guard let request = frame.request, let began = state.underWay.removeValue(forKey: request) else {
                    return
                }
                state.times.append(began.duration(to: .now))
            }
            pump(state, client)
        default: return
        }
        look(state)
    }

    private static func fail(_ state: NIOLockedValueBox<State>, _ reason: String) {
        state.withLockedValue { state in
            if state.failure == nil { state.failure = Failure(description: reason) }
        }
        look(state)
    }

    private static func look(_ state: NIOLockedValueBox<State>) {
        let (waiter, failure) = state.withLockedValue { state -> (CheckedContinuation<Void, any Error>?, Failure?) in
            let progress = Progress(
                isReady: state.isReady, unanswered: state.toSend + state.underWay.count, received: state.received)
            guard state.failure != nil || state.isDone(progress) else { return (nil, nil) }
            defer { state.waiter = nil }
            return (state.waiter, state.failure)
        }
        if let failure { waiter?.resume(throwing: failure) } else { waiter?.resume() }
    }
}
