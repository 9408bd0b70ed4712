import Foundation
import ICE
import Identity
import Logging
import NIOCore
import NIOPosix
import Paths
import Peering
import SignalingClient
import Wire

/// Nanoseconds on the machine's monotonic clock, the same in all programs of a run.
func monotonicNow() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

/// One peer: orders come on standard input, a line each (`dial PEER`, `send SECONDS`, `network`), what happens goes to
/// standard output as JSON. Ends with its input.
func runNode(url: String) {
    let loop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()
    let node = NIOLoopBoundBox.makeEmptyBox(valueType: Node.self, eventLoop: loop)
    loop.execute {
        do {
            node.value = try Node(url: url, loop: loop)
        } catch {
            FileHandle.standardError.write(Data("path-bench node: \(error)\n".utf8))
            exit(1)
        }
    }
    while let line = readLine() {
        let words = line.split(separator: " ").map(String.init)
        loop.execute { node.value?.obey(words) }
    }
    exit(0)
}

/// Lives on its event loop.
final class Node {
    private static let chunk = [UInt8](repeating: 0x5A, count: 64 << 10)

    private let loop: any EventLoop
    private var peers: PeerNode?
    private var session: PeerSession?
    /// Until when to send.
    private var sendingUntil: Int64 = 0
    private var received = 0
    private var reported = 0

    init(url: String, loop: any EventLoop) throws {
        self.loop = loop
        let identity = try Identity.generate()
        let gatekeeper = Gatekeeper(greeting: { _ in [] }, authorize: { _, _ in true }, isContact: { _ in true })
        peers = PeerNode(
            identity: identity, server: try ServerURL(url), trust: .system, policy: .auto, eventLoop: loop,
            iceLoop: ICELoop(), logger: Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() }),
            wallClock: { UInt64(Date().timeIntervalSince1970 * 1_000) }, gatekeeper: gatekeeper,
            handler: { [unowned self] event in handle(event, own: identity.peerID) })
        peers?.start()
        beat()
    }

    func obey(_ words: [String]) {
        switch words.first {
        case "dial":
            guard words.count > 1, let peer = try? PeerID(text: words[1]) else { return }
            peers?.connect(to: peer)
        case "send":
            let seconds = words.count > 1 ? Double(words[1]) ?? 0 : 0
            sendingUntil = monotonicNow() + Int64(seconds * 1e9)
            say("sending")
            fill()
        case "network":
            peers?.networkChanged()
        default: break
        }
    }

    private func handle(_ event: PeerEvent, own: PeerID) {
        switch event {
        case .signaling(.connected): say("ready", ["peer": own.description])
        case .signaling(.disconnected(let reason, _)): say("disconnected", ["reason": "\(reason)"])
        case .opened(let session):
            self.session = session
            // The other side learns of the stream with the first byte.
            _ = session.write([0])
            say("opened")
        case .readable(let session):
            while case let bytes = session.read(), !bytes.isEmpty { received += bytes.count }
        case .writable: fill()
        case .path(_, let path): say("path", ["path": "\(path.kind)"])
        case .closed(_, let end): say("closed", ["reason": "\(end)"])
        case .dialFailed(_, let failure): say("closed", ["reason": "\(failure)"])
        default: break
        }
    }

    private func fill() {
        guard let session, sendingUntil > 0 else { return }
        while monotonicNow() < sendingUntil {
            guard session.write(Self.chunk) else { return }
        }
        sendingUntil = 0
        say("sent")
    }

    private func beat() {
        _ = loop.assumeIsolated().scheduleTask(in: .milliseconds(20)) { [weak self] in
            self?.reportReceived()
            self?.beat()
        }
    }

    private func reportReceived() {
        // Whoever does not send any more says so even if there never was room for another chunk.
        if sendingUntil > 0, monotonicNow() >= sendingUntil { fill() }
        guard received != reported else { return }
        reported = received
        say("received", ["bytes": received])
    }

    private func say(_ event: String, _ fields: [String: any Sendable] = [:]) {
        var object: [String: any Sendable] = fields
        object["event"] = event
        object["at"] = monotonicNow()
        guard let json = try? JSONSerialization.data(withJSONObject: object) else { return }
        FileHandle.standardOutput.write(json + Data("\n".utf8))
    }
}
