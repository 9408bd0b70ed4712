import NIOConcurrencyHelpers
import NIOCore
import Wire

/// What waits to be written to one client: the only part of a connection that other event loops touch.
///
/// The drop rules, in full:
/// - RELAY: at most `relayQueueBytes` wait; beyond, the oldest are dropped of a sender that has more than its share there, for QUIC
///   repairs and fresh packets are worth more than stale ones. Senders are served in turns (`RelayQueue`).
/// - SIGNAL: never dropped in silence. At most `signalQueueFrames` wait; beyond, some wait with their sender (`WaitingSignals`) until there
///   is room, or `signalWait` is over: then the sender is told UNREACHABLE(overloaded), and so is everybody at once until the
///   queue has moved.
/// - SIGNAL goes first, but only a quarter of what leaves: strangers may send it, too.
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
        // The flags beside the lock, for the processor's caches.
        var isOpen = true
        var isStalled = false
        /// Whether the handler will hear that there is new mail.
        var isMailAnnounced = false
        /// Whether the handler knows that there is something, or will when its channel is writable again.
        var isAwake = false
        var waiters: [Outbox] = []
        var signals = SignalQueue()
        var relay: RelayQueue?
    }

    let eventLoop: any EventLoop
    /// Used on that event loop. The two hold each other until the session ends.
    let handler: NIOLoopBound<ConnectionHandler>
    /// The number of that event loop.
    let loop: Int
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
        self.handler = NIOLoopBound(handler, eventLoop: eventLoop)
        state = NIOLockedValueBox(State())
    }

    /// Queues a RELAY frame of this sender; from any event loop of the server, whose courier carries the news.
    func offer(relay frame: ByteBuffer, from sender: PeerKey, by courier: Courier) -> RelayOutcome {
        var isAsleep = false
        let outcome = state.withLockedValue { state -> RelayOutcome in
            guard state.isOpen else { return .closed }
            var queue = state.relay.take() ?? RelayQueue()
            let dropped = queue.append(frame, from: sender, limit: relayLimit)
            state.relay = queue
            isAsleep = Self.wake(&state)
            return .queued(dropped: dropped)
        }
        if isAsleep { courier.wake(self) }
        return outcome
    }

    /// Queues a SIGNAL frame; from any event loop of the server, whose courier carries the news.
    ///
    /// - Parameters:
    ///   - waiter: the sender's outbox, which is told when there is room again after `.wait`; nil: do not wait.
    ///   - isInherited: whether it comes from the queue of an older connection of the same peer: there is room for these.
    func offer(signal: Signal, waiter: Outbox?, by courier: Courier, isInherited: Bool = false) -> SignalOutcome {
        var isAsleep = false
        let outcome = state.withLockedValue { state -> SignalOutcome in
            guard state.isOpen else { return .closed }
            guard isInherited || state.signals.count < signalLimit else {
                guard !state.isStalled, let waiter else { return .overloaded }
                if !state.waiters.contains(where: { $0 === waiter }) { state.waiters.append(waiter) }
                return .wait
            }
            state.signals.append(signal)
            isAsleep = Self.wake(&state)
            return .queued
        }
        if isAsleep { courier.wake(self) }
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
        eventLoop.execute { [handler] in handler.value.resumeSignals() }
    }

    /// There is new mail for the client; from any thread.
    func announceMail() {
        let isNews = state.withLockedValue { state in
            defer { state.isMailAnnounced = state.isOpen }
            return state.isOpen && !state.isMailAnnounced
        }
        guard isNews else { return }
        eventLoop.execute { [self] in
            state.withLockedValue { $0.isMailAnnounced = false }
            handler.value.mailCame()
        }
    }

    /// Tells the client that a newer login took over; from any thread.
    func replace() {
        eventLoop.execute { [handler] in handler.value.replaced() }
    }

    /// Adds to `batch` what to write now, SIGNAL first, up to a quarter of it; nothing when there is nothing. On the event loop.
    ///
    /// - Returns: whether there is more. If not, whoever brings something says so.
    func take(maximumBytes: Int, into batch: inout Batch) -> Bool {
        state.withLockedValue { state in
            var bytes = 0
            while bytes < maximumBytes / 4, let signal = state.signals.popFirst() {
                bytes += signal.frame.readableBytes
                batch.frames.append(signal.frame)
            }
            while bytes < maximumBytes, let frame = state.relay?.popFirst() {
                bytes += frame.readableBytes
                batch.frames.append(frame)
            }
            if state.relay?.isEmpty == true { state.relay = nil }
            if state.signals.count <= signalLimit / 2 {
                state.isStalled = false
                if !state.waiters.isEmpty { swap(&batch.waiters, &state.waiters) }
            }
            state.isAwake = state.signals.count > 0 || state.relay != nil
            return state.isAwake
        }
    }

    /// The frame that is all there is; nil, and nothing taken, when there is something else, or somebody waits for room. On the event loop.
    func takeOnly() -> ByteBuffer? {
        state.withLockedValue { state in
            guard state.relay == nil, state.waiters.isEmpty, state.signals.count == 1 else { return nil }
            state.isStalled = false
            state.isAwake = false
            return state.signals.popFirst()?.frame
        }
    }

    /// Takes nothing more. On the event loop; idempotent.
    ///
    /// - Returns: the signals that were not written, and who waited for room.
    func close() -> (signals: [Signal], waiters: [Outbox]) {
        state.withLockedValue { state in
            var signals: [Signal] = []
            while let signal = state.signals.popFirst() { signals.append(signal) }
            defer { state = State(isOpen: false) }
            return (signals, state.waiters)
        }
    }

    /// Whether the handler has to be told.
    private static func wake(_ state: inout State) -> Bool {
        defer { state.isAwake = true }
        return !state.isAwake
    }
}

/// SIGNAL frames in their order. Nearly always there is one, or none: the first needs no memory of its own.
private struct SignalQueue {
    private var first: Outbox.Signal?
    private var rest: CircularBuffer<Outbox.Signal>?

    var count: Int { (first == nil ? 0 : 1) + (rest?.count ?? 0) }

    mutating func append(_ signal: Outbox.Signal) {
        guard first != nil else {
            first = signal
            return
        }
        if rest == nil { rest = CircularBuffer(initialCapacity: 4) }
        rest?.append(signal)
    }

    mutating func popFirst() -> Outbox.Signal? {
        guard let signal = first.take() else { return nil }
        first = rest?.popFirst()
        if rest?.isEmpty == true { rest = nil }
        return signal
    }
}
