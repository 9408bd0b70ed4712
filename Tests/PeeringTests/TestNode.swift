import Glibc
import ICE
import Identity
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Paths
import PeerLab
import SignalingClient
import TestTools
import Wire

@testable import Peering

/// What a node told, as values.
enum NodeEvent: Sendable {
    case connected
    case disconnected
    case opened(PeerID, isDialer: Bool)
    case read([UInt8])
    case path(PathKind)
    case closed(SessionEnd)
    case dialFailed(DialFailure)
    case mail(MailFrame)
    case mailWritable
}

/// A ``PeerNode`` on a thread, which accepts `contacts` and keeps what it was told.
final class TestNode: Sendable {
    let identity: Identity
    let log = EventLog<NodeEvent>()
    private let contacts = NIOLockedValueBox<Set<PeerID>>([])
    private let loop: any EventLoop
    private let iceLoop = ICELoop()
    private let node: NIOLoopBoundBox<PeerNode?>

    var id: PeerID { identity.peerID }

    init(
        _ lab: Lab, _ identity: Identity? = nil, policy: PathPolicy = .auto, timing: PeerTiming = PeerTiming(),
        dataPlane: DataPlane = .steered, cipher: CipherName? = nil, localAddresses: [IPAddress] = [.v4(127, 0, 0, 1)]
    ) throws {
        let identity = try identity ?? Identity.generate()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        self.identity = identity
        self.loop = loop
        let node = NIOLoopBoundBox.makeEmptyBox(valueType: PeerNode.self, eventLoop: loop)
        self.node = node
        let iceLoop = iceLoop
        let log = log
        let contacts = contacts
        let url = lab.url
        loop.execute {
            let gatekeeper = Gatekeeper(
                greeting: { _ in Array("hello".utf8) },
                authorize: { peer, _ in contacts.withLockedValue { $0.contains(peer) } },
                isContact: { peer in contacts.withLockedValue { $0.contains(peer) } })
            node.value = PeerNode(
                identity: identity, server: url, trust: .system, policy: policy, localAddresses: localAddresses,
                cipher: cipher, timing: timing, dataPlane: dataPlane, eventLoop: loop, iceLoop: iceLoop, logger: quiet,
                wallClock: { wallClock() },
                gatekeeper: gatekeeper, handler: { event in Self.record(event, log) })
            node.value?.start()
        }
    }

    private static func record(_ event: PeerEvent, _ log: EventLog<NodeEvent>) {
        switch event {
        case .signaling(.connected): log.append(.connected)
        case .signaling(.disconnected): log.append(.disconnected)
        case .signaling(.connecting), .writable, .stream: break
        case .opened(let session):
            log.append(.opened(session.peer, isDialer: session.isDialer))
            // The other side learns of the stream with the first byte.
            _ = session.write(Array("hi ".utf8))
        case .readable(let session):
            while case let bytes = session.read(), !bytes.isEmpty { log.append(.read(bytes)) }
        case .path(_, let report): log.append(.path(report.kind))
        case .closed(_, let end): log.append(.closed(end))
        case .dialFailed(_, let failure): log.append(.dialFailed(failure))
        case .mail(let frame): log.append(.mail(frame))
        case .mailWritable: log.append(.mailWritable)
        }
    }

    /// A node that the server knows and that accepts these contacts.
    static func online(
        _ lab: Lab, _ identity: Identity? = nil, contacts: [PeerID] = [], policy: PathPolicy = .auto,
        timing: PeerTiming = PeerTiming(), dataPlane: DataPlane = .steered, cipher: CipherName? = nil,
        localAddresses: [IPAddress] = [.v4(127, 0, 0, 1)]
    ) async throws -> TestNode {
        let node = try TestNode(
            lab, identity, policy: policy, timing: timing, dataPlane: dataPlane, cipher: cipher,
            localAddresses: localAddresses)
        node.contacts.withLockedValue { $0.formUnion(contacts) }
        try await node.log.next("connected") { if case .connected = $0 { () } else { nil } }
        return node
    }

    func accept(_ peer: PeerID) { contacts.withLockedValue { _ = $0.insert(peer) } }

    func refuse(_ peer: PeerID) { contacts.withLockedValue { _ = $0.remove(peer) } }

    /// Does something on the loop.
    @discardableResult
    func perform<Result: Sendable>(_ body: @escaping @Sendable (PeerNode) throws -> Result) async throws -> Result {
        try await loop.submit { [node] in
            guard let node = node.value else { throw Unmet(description: "the node was stopped") }
            return try body(node)
        }.get()
    }

    func connect(to peer: PeerID) async throws { try await perform { $0.connect(to: peer) } }

    func write(_ text: String, to peer: PeerID) async throws {
        try await perform { node in
            guard node.session(with: peer)?.write(Array(text.utf8)) == true else {
                throw Unmet(description: "not written")
            }
        }
    }

    /// How many ICE agents look for a path to the peer.
    func agents(_ peer: PeerID) async throws -> Int {
        try await perform { $0.knownLink(peer)?.direct.attempts.count ?? 0 }
    }

    func stop() async throws {
        try await loop.submit { [node] in
            node.value?.stop()
            node.value = nil
        }.get()
        await endAgents()
    }

    /// Lets go of the node without stopping it.
    func drop() async throws {
        try await loop.submit { [node] in node.value = nil }.get()
        await endAgents()
    }

    private func endAgents() async {
        iceLoop.shutdown()
        await withCheckedContinuation { done in iceLoop.whenEnded { done.resume() } }
    }

    // MARK: Waiting

    func opened() async throws {
        try await log.next("opened") { if case .opened = $0 { () } else { nil } }
    }

    func closed(within seconds: Double = 60) async throws -> SessionEnd {
        try await log.next("closed", within: seconds) { if case .closed(let end) = $0 { end } else { nil } }
    }

    func dialFailed(within seconds: Double = 60) async throws -> DialFailure {
        try await log.next("dial failed", within: seconds) {
            if case .dialFailed(let failure) = $0 { failure } else { nil }
        }
    }

    func path(_ kind: PathKind) async throws {
        try await log.next("path \(kind)") { if case .path(kind) = $0 { () } else { nil } }
    }

    /// Waits until all that was read so far ends like this.
    func read(_ text: String) async throws {
        try await log.until("read \(text)") { _ in self.text.hasSuffix(text) ? () : nil }
    }

    /// All that was read.
    var text: String {
        String(
            decoding: log.all.compactMap { if case .read(let bytes) = $0 { bytes } else { nil } }.joined(),
            as: UTF8.self)
    }

    var openings: Int { log.all.count { if case .opened = $0 { true } else { false } } }
}

/// Milliseconds since 1970.
func wallClock() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
}
