import Synchronization
package import Wire

/// One ICE session (RFC 8445) with one stream of one component, over libnice.
///
/// Every method returns at once, may be called on any thread, in any state and any number of times, from within an event
/// too. Candidates and credentials may come in any order: they are given to libnice once there are credentials and
/// `gather()` was called. There is no restart: a network change or a failure needs a new agent.
///
/// The owner hears of everything through `events`, on the loop's thread, which all agents share: the closure must not block.
package final class ICEAgent: Sendable {
    /// To be signalled to the peer.
    package let localCredentials: ICECredentials

    private let loop: ICELoop
    private let shared: AgentShared

    /// Makes an agent that does nothing until `gather()`. Keeps `events` until `closed` has been delivered.
    ///
    /// On a loop that was shut down the agent is closed from the start; `closed` may then be delivered before this returns.
    package init(
        loop: ICELoop, configuration: ICEConfiguration, events: @escaping @Sendable (ICEEvent) -> Void
    ) {
        let credentials = configuration.localCredentials ?? .random()
        let shared = AgentShared()
        self.loop = loop
        self.shared = shared
        localCredentials = credentials
        let core = AgentCore(
            shared: shared, loop: loop.core, configuration: configuration, credentials: credentials, events: events)
        AgentRegistry.add(core)
        if !loop.core.post({ core.open() }) {
            AgentRegistry.remove(shared.id)
            events(.closed)
        }
    }

    deinit {
        close()
    }

    /// Opens sockets and looks for local candidates. Only the first call has an effect.
    package func gather() {
        perform { $0.gather() }
    }

    /// The peer's credentials. Only the first have an effect: other ones would be a restart.
    package func setRemoteCredentials(_ credentials: ICECredentials) {
        perform { $0.setRemoteCredentials(credentials) }
    }

    /// Candidates of the peer, also in pieces and after `endRemoteCandidates()`. Repeated ones, those of use to nobody and
    /// all beyond 64 are ignored.
    package func addRemoteCandidates(_ candidates: [Candidate]) {
        perform { $0.addRemoteCandidates(candidates) }
    }

    /// The peer has no more candidates: from now on the agent can fail.
    package func endRemoteCandidates() {
        perform { $0.endRemoteCandidates() }
    }

    /// Sends datagrams of `segmentSize` bytes each (the last may be shorter) through libnice on the selected pair. For
    /// relayed pairs; others are better served by `PairSocket`. Without a pair they are dropped, as is what exceeds a queue
    /// of 1,024 datagrams or 2 MiB to the loop's thread.
    package func send(_ bytes: UnsafeRawBufferPointer, segmentSize: Int) {
        guard !bytes.isEmpty, !shared.isClosing.load(ordering: .relaxed) else { return }
        let segment = segmentSize > 0 ? segmentSize : bytes.count
        var start = 0
        var mustWake = false
        while start < bytes.count {
            let end = start + min(segment, bytes.count - start)
            let packet = [UInt8](bytes[start..<end])
            mustWake = shared.outgoing.withLock { $0.append(packet) } || mustWake
            start = end
        }
        if mustWake { perform { $0.sendQueued() } }
    }

    /// Sends one datagram; see `send(_:segmentSize:)`.
    package func send(_ packet: [UInt8]) {
        packet.withUnsafeBytes { send($0, segmentSize: $0.count) }
    }

    /// Ends the session and releases everything; `closed` is the only event that is still to come, apart from one that is
    /// being delivered by another thread at this moment. With TURN servers the release takes as long as giving back the
    /// allocations, at most some seconds.
    package func close() {
        guard !shared.isClosing.exchange(true, ordering: .relaxed) else { return }
        perform { $0.close() }
    }

    private func perform(_ body: @escaping @Sendable (AgentCore) -> Void) {
        let id = shared.id
        loop.core.post {
            if let core = AgentRegistry.agent(id) { body(core) }
        }
    }
}

/// What handle and core share across threads.
final class AgentShared: Sendable {
    /// Never used again for another agent.
    let id: UInt
    /// Set by `close()`: no event but `closed` starts after that.
    let isClosing = Atomic<Bool>(false)
    let outgoing = Locked(OutgoingQueue())

    private static let nextID = Atomic<UInt>(1)

    init() {
        id = AgentShared.nextID.wrappingAdd(1, ordering: .relaxed).oldValue
    }
}

/// Datagrams on their way to the loop's thread. Full: the newest are dropped, which the sender's congestion control sees.
struct OutgoingQueue: Sendable {
    static let maximumPackets = 1024
    static let maximumBytes = 2 << 20

    private(set) var packets: [[UInt8]] = []
    private var bytes = 0

    /// Returns whether the queue was empty, so that somebody must be told to send it.
    mutating func append(_ packet: [UInt8]) -> Bool {
        guard packets.count < OutgoingQueue.maximumPackets, bytes + packet.count <= OutgoingQueue.maximumBytes else {
            return false
        }
        packets.append(packet)
        bytes += packet.count
        return packets.count == 1
    }

    mutating func takeAll() -> [[UInt8]] {
        defer { self = OutgoingQueue() }
        return packets
    }
}
