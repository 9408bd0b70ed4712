import Foundation
import ICE
import Identity
import Logging
import NATLab
import NIOCore
import NIOPosix
import Paths
import Peering
import SignalingClient
import SignalingServer
import Wire

// Measures one direct path: two nodes in this process, each on a thread of its own, over loopback and through libnice, send each
// other one stream; prints figures as one object of JSON.
//
//   data-plane-bench [steered|library] [MEBIBYTES]

struct Failure: Error, CustomStringConvertible {
    let description: String
}

/// A node that sends a stream of so many bytes, or takes it in.
final class Node: Sendable {
    let identity: Identity
    let loop: any EventLoop
    let iceLoop = ICELoop()
    private let node: NIOLoopBoundBox<PeerNode?>
    private let toSend: NIOLoopBoundBox<Int>
    private let received: NIOLoopBoundBox<Int>
    let isOnline = Watched(false)
    let path = Watched<PathReport?>(nil)
    let total = Watched(0)

    private static let block = [UInt8](repeating: 0x5A, count: 64 << 10)

    init(_ url: ServerURL, _ dataPlane: DataPlane, loop: any EventLoop) throws {
        let identity = try Identity.generate()
        self.identity = identity
        self.loop = loop
        let node = NIOLoopBoundBox.makeEmptyBox(valueType: PeerNode.self, eventLoop: loop)
        self.node = node
        toSend = NIOLoopBoundBox.makeBoxSendingValue(0, eventLoop: loop)
        received = NIOLoopBoundBox.makeBoxSendingValue(0, eventLoop: loop)
        loop.execute { [iceLoop] in
            node.value = PeerNode(
                identity: identity, server: url, trust: .system, policy: .auto, localAddresses: [.v4(127, 0, 0, 1)],
                dataPlane: dataPlane, eventLoop: loop, iceLoop: iceLoop,
                logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() },
                wallClock: { UInt64(Date().timeIntervalSince1970 * 1000) },
                gatekeeper: Gatekeeper(greeting: { _ in [] }, authorize: { _, _ in true }, isContact: { _ in true }),
                handler: { [weak self] in self?.handle($0) })
            node.value?.start()
        }
    }

    private func handle(_ event: PeerEvent) {
        switch event {
        case .signaling(.connected): isOnline.update { $0 = true }
        case .opened(let session):
            if session.isDialer { _ = session.write([0]) }
        case .path(_, let report): path.update { $0 = report }
        case .readable(let session): read(session)
        case .writable(let session): write(session)
        default: break
        }
    }

    private func read(_ session: PeerSession) {
        while case let bytes = session.read(maximum: 256 << 10), !bytes.isEmpty { received.value += bytes.count }
        let count = received.value
        total.update { $0 = count }
    }

    private func write(_ session: PeerSession) {
        while toSend.value > 0, session.write(Self.block) { toSend.value -= Self.block.count }
    }

    func connect(to peer: PeerID) { loop.execute { [node] in node.value?.connect(to: peer) } }

    func send(_ count: Int, to peer: PeerID) {
        loop.execute { [self] in
            toSend.value = count
            if let session = node.value?.session(with: peer) { write(session) }
        }
    }

    func report(_ peer: PeerID) async throws -> PathReport? {
        try await loop.submit { [node] in node.value?.session(with: peer)?.currentPath }.get()
    }

    func stop() async throws {
        try await loop.submit { [node] in
            node.value?.stop()
            node.value = nil
        }.get()
        iceLoop.shutdown()
        await withCheckedContinuation { done in iceLoop.whenEnded { done.resume() } }
    }
}

/// User and system seconds of this process.
func processorTime() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

func measure(_ dataPlane: DataPlane, mebibytes: Int) async throws -> [String: Any] {
    let quiet = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    let server = try await SignalingServer.start(.loopback(), logger: quiet)
    guard let url = server.urls.first else { throw Failure(description: "no server") }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let alice = try Node(url, dataPlane, loop: group.next())
    let bob = try Node(url, dataPlane, loop: group.next())
    for node in [alice, bob] { try await node.isOnline.first("login", within: .seconds(120)) { $0 ? () : nil } }
    alice.connect(to: bob.identity.peerID)
    for node in [alice, bob] {
        try await node.path.first("direct path", within: .seconds(120)) { $0?.kind == .direct ? () : nil }
    }
    let bytes = mebibytes << 20
    let before = bob.total.value
    let (start, used) = (ContinuousClock.now, processorTime())
    alice.send(bytes, to: bob.identity.peerID)
    try await bob.total.first("all bytes", within: .seconds(600)) { $0 - before >= bytes ? () : nil }
    let (elapsed, spent) = (start.duration(to: .now) / .seconds(1), processorTime() - used)
    let report = try await bob.report(alice.identity.peerID)
    try await alice.stop()
    try await bob.stop()
    await server.shutdown()
    try await group.shutdownGracefully()
    func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
    return [
        "data_plane": report?.dataPlane?.rawValue ?? "none", "mebibytes": mebibytes, "seconds": rounded(elapsed),
        "gbit_per_s": rounded(Double(bytes) * 8 / elapsed / 1e9),
        "cpu_s_per_gib": rounded(spent / (Double(bytes) / Double(1 << 30))),
    ]
}

do {
    let arguments = CommandLine.arguments
    let dataPlane = arguments.count > 1 ? DataPlane(rawValue: arguments[1]) : .steered
    let mebibytes = arguments.count > 2 ? Int(arguments[2]) : 1024
    guard let dataPlane, let mebibytes, mebibytes > 0 else {
        throw Failure(description: "usage: data-plane-bench [steered|library] [MEBIBYTES]")
    }
    let result = try await measure(dataPlane, mebibytes: mebibytes)
    let json = try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys])
    print(String(decoding: json, as: UTF8.self))
} catch {
    FileHandle.standardError.write(Data("data-plane-bench: \(error)\n".utf8))
    exit(1)
}
