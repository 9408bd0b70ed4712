import NIOConcurrencyHelpers
import NIOCore
import Wire

/// What waits to be written to one client: the only part of a connection that other event loops touch.
///
/// The drop rules, in full:
/// - RELAY: at most `relayQueueBytes` wait; beyond, the oldest are dropped of the sender that has most there, for QUIC repairs
///   and fresh packets are worth more than stale ones. Senders are served in turns (`RelayQueue`).
/// - SIGNAL: never dropped. At most `signalQueueFrames` wait; beyond, the sender's connection is not read from until there
///   is room, or `signalWait` is over: then the sender is told UNREACHABLE(overloaded), and so is everybody at once until the
///   queue has moved.
/// - Frames that wait when the connection ends: RELAY is dropped, SIGNAL goes to the peer's newer connection if there is one,
///   else its sender is told UNREACHABLE(notConnected).
///
/// Safety: `state` is guarded by its lock; everything else is immutable.
final class Outbox: Sendable {
    /// A SIGNAL frame ready to be written, WebSocket's header included, and who sent it and is told when it cannot be.
    struct Signal: Sendable {
        let frame: ByteBuffer
        let sender: PeerKey?
    }

    enum SignalOutcome: Sendable {
        case queued
        /// There is no room: `resumed` will be called on the sender's outbox.
        case wait
        /// There has been no room for so long that waiting is pointless.
        case overloaded
        case closed
    }

    enum RelayOutcome: Sendable {
        /// Taken in, at the price of so many older frames.
        case queued(dropped: Int)
        case closed
    }

    /// What the connection's event loop takes to write.
    struct Batch: Sendable {
        var frames: [ByteBuffer] = []
        var waiters: [Outbox] = []

        /// Keeps a little memory for the next time.
        mutating func removeAll() {
            frames.removeAll(keepingCapacity: frames.capacity <= 1024)
            waiters = []
        }
    }

    private struct State {
        /// Nil once closed.
        var handler: NIOLoopBound<ConnectionHandler>?
        var relay: RelayQueue?
        var signals: CircularBuffer<Signal>?
        var waiters: [Outbox] = []
        var isStalled = false
        /// Whether the handler will hear that there is new mail.
        var isMailAnnounced = false
        /// Whether the handler knows that there is something, or will when its channel is writable again.
        var isAwake = false
    }

    let eventLoop: any EventLoop
    /// The number of that event loop.
    private let loop: Int
    /// Which of the server's CHALLENGEs the connection got: the later one is the peer's.
    let order: UInt64
    private let relayLimit: Int
    private let signalLimit: Int
    private let state: NIOLockedValueBox<State>

    /// On the handler's event loop.
    init(handler: ConnectionHandler, eventLoop: any EventLoop, loop: Int, limits: ServerLimits, order: UInt64) {
        self.eventLoop = eventLoop
        self.loop = loop
        self.order = order
        relayLimit = limits.relayQueueBytes
        signalLimit = limits.signalQueueFrames
        state = NIOLockedValueBox(State(handler: NIOLoopBound(handler, eventLoop: eventLoop)))
    }

    /// Queues a RELAY frame of this sender; from any event loop of the server, whose courier carries the news.
    func offer(relay frame: ByteBuffer, from sender: PeerKey, by courier: Courier) -> RelayOutcome {
        let (outcome, handler) = state.withLockedValue { state -> (RelayOutcome, NIOLoopBound<ConnectionHandler>?) in
            guard let handler = state.handler else { return (.closed, nil) }
            var queue = state.relay.take() ?? RelayQueue()
            let dropped = queue.append(frame, from: sender, limit: relayLimit)
            state.relay = queue
            return (.queued(dropped: dropped), Self.wake(&state, handler))
        }
        if let handler { courier.wake(handler, on: loop) }
        return outcome
    }

    /// Queues a SIGNAL frame; from any event loop of the server, whose courier carries the news.
    ///
    /// - Parameters:
    ///   - waiter: the sender's outbox, which is told when there is room again after `.wait`; nil: do not wait.
    ///   - isInherited: whether it comes from the queue of an older connection of the same peer: there is room for these.
    func offer(signal: Signal, waiter: Outbox?, by courier: Courier, isInherited: Bool = false) -> SignalOutcome {
        let (outcome, handler) = state.withLockedValue { state -> (SignalOutcome, NIOLoopBound<ConnectionHandler>?) in
            guard let handler = state.handler else { return (.closed, nil) }
            var queue = state.signals.take() ?? CircularBuffer(initialCapacity: 4)
            defer { state.signals = queue }
            guard isInherited || queue.count < signalLimit else {
                guard !state.isStalled, let waiter else { return (.overloaded, nil) }
                if !state.waiters.contains(where: { $0 === waiter }) { state.waiters.append(waiter) }
                return (.wait, nil)
            }
            queue.append(signal)
            return (.queued, Self.wake(&state, handler))
        }
        if let handler { courier.wake(handler, on: loop) }
        return outcome
    }

    /// A sender has waited in vain, or has gone; from any thread.
    func giveUp(_ waiter: Outbox, inVain: Bool) {
        state.withLockedValue { state in
            guard let index = state.waiters.firstIndex(where: { $0 === waiter }) else { return }
            state.waiters.remove(at: index)
            if inVain { state.isStalled = true }
        }
    }

    /// Tells the sender behind this outbox that a receiver has room; from any thread.
    func resumed() {
        guard let handler = state.withLockedValue({ $0.handler }) else { return }
        eventLoop.execute { handler.value.resumeSignal() }
    }

    /// There is new mail for the client; from any thread.
    func announceMail() {
        let handler = state.withLockedValue { state -> NIOLoopBound<ConnectionHandler>? in
            guard let handler = state.handler, !state.isMailAnnounced else { return nil }
            state.isMailAnnounced = true
            return handler
        }
        guard let handler else { return }
        eventLoop.execute { [self] in
            state.withLockedValue { $0.isMailAnnounced = false }
            handler.value.mailCame()
        }
    }

    /// Tells the client that a newer login took over; from any thread.
    func replace() {
        guard let handler = state.withLockedValue({ $0.handler }) else { return }
        eventLoop.execute { handler.value.replaced() }
    }

    /// Adds to `batch` what to write now, SIGNAL first; nothing when there is nothing. On the event loop.
    ///
    /// - Returns: whether there is more. If not, whoever brings something says so.
    func take(maximumBytes: Int, into batch: inout Batch) -> Bool {
        state.withLockedValue { state in
            var bytes = 0
            while bytes < maximumBytes, let signal = state.signals?.popFirst() {
                bytes += signal.frame.readableBytes
                batch.frames.append(signal.frame)
            }
            while bytes < maximumBytes, let frame = state.relay?.popFirst() {
                bytes += frame.readableBytes
                batch.frames.append(frame)
            }
            if state.signals?.isEmpty == true { state.signals = nil }
            if state.relay?.isEmpty == true { state.relay = nil }
            if (state.signals?.count ?? 0) <= signalLimit / 2 {
                state.isStalled = false
                if !state.waiters.isEmpty { swap(&batch.waiters, &state.waiters) }
            }
            state.isAwake = state.signals != nil || state.relay != nil
            return state.isAwake
        }
    }

    /// Takes nothing more. On the event loop; idempotent.
    ///
    /// - Returns: the signals that were not written, and who waited for room.
    func close() -> (signals: [Signal], waiters: [Outbox]) {
        state.withLockedValue { state in
            let rest = (signals: state.signals.map(Array.init) ?? [], waiters: state.waiters)
            state = State(handler: nil)
            return rest
        }
    }

    private static func wake(
        _ state: inout State, _ handler: NIOLoopBound<ConnectionHandler>
    ) -> NIOLoopBound<ConnectionHandler>? {
        guard !state.isAwake else { return nil }
        state.isAwake = true
        return handler
    }
}
