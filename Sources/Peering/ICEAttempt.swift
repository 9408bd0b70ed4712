import ICE
import NIOConcurrencyHelpers
import NIOCore
import Paths
import Wire

/// One try at a direct path: an ICE agent, what was signalled for it, and the pair it selected.
final class ICEAttempt {
    /// Ties offer, answer and candidates together; 16 random bytes of the offerer.
    let connectionID: [UInt8]
    let agent: ICEAgent
    /// What the peer's checks are made with.
    let peerCredentials: ICECredentials
    /// We made the offer.
    let isOfferer: Bool
    let startedAt: MonotonicTime
    /// Candidates gathered and not yet signalled.
    var unsentCandidates: [Candidate] = []
    /// The offer or answer has gone out.
    var isIntroduced = false
    var isFlushScheduled = false
    var isGatheringDone = false
    /// The end of our candidates was signalled.
    var saidEnd = false
    /// The peer's answer, or its offer, is known.
    var knowsPeer = false
    /// The path over the pair that is selected now.
    var path: PathID?
    /// When a packet last came through the agent, or past it.
    var heardAt: MonotonicTime?
    /// What reads the sockets of selected pairs, one for each local address.
    private(set) var readers: [SteeredReader] = []

    init(
        connectionID: [UInt8], agent: ICEAgent, peerCredentials: ICECredentials, isOfferer: Bool,
        startedAt: MonotonicTime
    ) {
        self.connectionID = connectionID
        self.agent = agent
        self.peerCredentials = peerCredentials
        self.isOfferer = isOfferer
        self.startedAt = startedAt
    }

    /// Reads what a newly selected pair brings, where that can be done; otherwise it comes through the agent.
    func read(_ socket: PairSocket, path: PathID, loop: any EventLoop, receive: @escaping SteeredReader.Receiver) {
        if let reader = readers.first(where: { $0.local == socket.local }) { return reader.follow(socket, path: path) }
        let local = socket.local
        let reader = SteeredReader.open(
            socket, path: path, loop: loop, receive: receive,
            ended: { [weak self] in self?.readers.removeAll { $0.local == local } })
        if let reader { readers.append(reader) }
    }

    /// The path is gone: its packets come through the agent, if any still come.
    func stopReading(_ path: PathID) {
        guard let index = readers.firstIndex(where: { $0.path == path }) else { return }
        readers.remove(at: index).close()
    }

    /// What reads the packets of a path, if it is not the agent.
    func reader(of path: PathID) -> SteeredReader? {
        readers.first { $0.path == path && $0.isActive }
    }
}

/// Carries packets from the ICE thread to the event loop: one wake-up for as many as have come meanwhile.
///
/// Bounded: what does not fit is dropped, newest first, as a full socket buffer would; QUIC repairs it.
final class PacketInbox: Sendable {
    private static let capacity = 2048

    private let packets = NIOLockedValueBox<[[UInt8]]>([])
    private let loop: any EventLoop
    private let deliver: @Sendable ([[UInt8]]) -> Void

    /// - Parameter deliver: called on the loop.
    init(loop: any EventLoop, deliver: @escaping @Sendable ([[UInt8]]) -> Void) {
        self.loop = loop
        self.deliver = deliver
    }

    func put(_ packet: [UInt8]) {
        let isFirst = packets.withLockedValue { packets in
            guard packets.count < Self.capacity else { return false }
            packets.append(packet)
            return packets.count == 1
        }
        guard isFirst else { return }
        loop.execute {
            self.deliver(
                self.packets.withLockedValue { packets in
                    let taken = packets
                    packets = []
                    return taken
                })
        }
    }
}
