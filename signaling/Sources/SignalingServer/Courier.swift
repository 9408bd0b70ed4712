import NIOConcurrencyHelpers
import NIOCore

/// Where other event loops say which of one loop's connections have something to write.
///
/// Safety: `woken` is guarded by its lock; everything else is immutable.
final class Inbox: Sendable {
    private let eventLoop: any EventLoop
    private let woken = NIOLockedValueBox<[Outbox]>([])

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// From any thread. The loop is woken once for all who come until it looks.
    func add(_ outboxes: [Outbox]) {
        let wasEmpty = woken.withLockedValue { woken in
            defer { woken += outboxes }
            return woken.isEmpty
        }
        if wasEmpty { eventLoop.execute { self.deliver() } }
    }

    private func deliver() {
        var outboxes: [Outbox] = []
        woken.withLockedValue { swap(&$0, &outboxes) }
        for outbox in outboxes { outbox.handler.value.drain(outbox) }
    }
}

/// Collects during one turn of an event loop what its connections leave for others, and hands it over at the end of the turn: every receiver is
/// written to once, every other loop is woken once, and what all loops count is counted once. Owned by that loop.
final class Courier {
    private let inboxes: [Inbox]
    private let own: Int
    private let eventLoop: any EventLoop
    private let metrics: Metrics
    private var outgoing: [[Outbox]]
    private var isPlanned = false
    private var signals = 0
    private var relays = 0
    private var relayBytes = 0
    private var relayDropped = 0
    /// For drains, so that not each needs memory of its own.
    var batch = Outbox.Batch()
    /// Frames for one receiver, one behind the other, at most `gatheredLimit` bytes.
    var gathered = ByteBuffer()
    /// Up to here copying costs less than the channel's way with several pieces.
    static let gatheredLimit = 16 * 1024

    /// - Parameter own: which of the inboxes is that of this loop.
    init(_ inboxes: [Inbox], own: Int, eventLoop: any EventLoop, metrics: Metrics) {
        self.inboxes = inboxes
        self.own = own
        self.eventLoop = eventLoop
        self.metrics = metrics
        outgoing = inboxes.map { _ in [] }
    }

    /// There is something to write for a connection that does not know it yet.
    func wake(_ outbox: Outbox) {
        outgoing[outbox.loop].append(outbox)
        plan()
    }

    func countSignal() {
        signals += 1
        plan()
    }

    func countRelay(bytes: Int, dropped: Int) {
        relays += 1
        relayBytes += bytes
        relayDropped += dropped
        plan()
    }

    private func plan() {
        guard !isPlanned else { return }
        isPlanned = true
        eventLoop.assumeIsolated().execute { self.deliver() }
    }

    private func deliver() {
        isPlanned = false
        count()
        for loop in outgoing.indices where loop != own && !outgoing[loop].isEmpty {
            inboxes[loop].add(outgoing[loop])
            outgoing[loop].removeAll(keepingCapacity: true)
        }
        // Writing wakes nobody, but may let those go on who wait, and they may.
        var outboxes: [Outbox] = []
        swap(&outboxes, &outgoing[own])
        for outbox in outboxes { outbox.handler.value.drain(outbox) }
        outboxes.removeAll(keepingCapacity: true)
        if outgoing[own].isEmpty { outgoing[own] = outboxes }
    }

    /// Before the frames leave, so that who has one finds it counted; and who sees all frames counted sees all that they cost counted, too.
    private func count() {
        if signals > 0 { metrics.signals.add(signals) }
        if relayDropped > 0 { metrics.relayDropped.add(relayDropped) }
        if relayBytes > 0 { metrics.relayBytes.add(relayBytes) }
        if relays > 0 { metrics.relays.add(relays) }
        (signals, relays, relayBytes, relayDropped) = (0, 0, 0, 0)
    }
}
