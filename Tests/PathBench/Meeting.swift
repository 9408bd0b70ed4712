import Foundation
import NATLab

/// Something that a node said.
struct NodeEvent: Sendable {
    let name: String
    /// Nanoseconds on the machine's clock.
    let at: Int64
    let text: String
    let bytes: Int

    init?(_ line: String) {
        guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            let name = object["event"] as? String, let at = object["at"] as? Int
        else { return nil }
        self.name = name
        self.at = Int64(at)
        text = (object["peer"] ?? object["path"] ?? object["reason"]) as? String ?? ""
        bytes = object["bytes"] as? Int ?? 0
    }
}

/// One of the two peers, a process of its own on a host of the laboratory.
final class Peer: Sendable {
    let name: String
    let process: LabProcess
    private let events = Watched<[NodeEvent]>([])

    init(_ name: String, on host: LabHost, url: String, isVerbose: Bool) throws {
        self.name = name
        let events = events
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process = try host.spawn(own, ["node", url]) { change in
            guard case .line(let line) = change, let event = NodeEvent(line.text) else { return }
            if isVerbose, event.name != "received" {
                FileHandle.standardError.write(Data("\(name): \(line.text)\n".utf8))
            }
            events.update { $0.append(event) }
        }
    }

    var all: [NodeEvent] { events.value }

    func order(_ line: String) throws { try process.write("\(line)\n") }

    @discardableResult
    func first(
        _ name: String, _ text: String? = nil, after time: Int64 = .min, within seconds: Int = 30
    ) async throws -> NodeEvent {
        try await events.first("\(name) \(text ?? "") of \(self.name)", within: .seconds(seconds)) { events in
            if let end = events.first(where: { $0.name == "closed" }) {
                throw Failure(description: "the session ended: \(end.text)")
            }
            return events.first { $0.name == name && (text == nil || $0.text == text) && $0.at >= time }
        }
    }
}

/// A server and two peers, with long links from alice to both.
struct Meeting {
    let lab: Lab
    let alice: Peer
    let bob: Peer
    let path: WAN

    /// - Parameter relay: the way between alice and the server.
    static func with<Result>(
        _ options: BenchOptions, path: WANSettings, relay: WANSettings, seed: UInt64,
        _ body: (Meeting) async throws -> Result
    ) async throws -> Result {
        try await Lab.with { plan in
            plan.host("server")
            plan.host("alice")
            plan.host("bob")
            plan.wan(between: "alice", and: "bob", path, seed: seed)
            plan.wan(between: "alice", and: "server", relay, seed: seed)
        } _: { lab in
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("path-bench-\(UUID())").path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let server = try lab.host("server")
            _ = try server.spawn(
                "\(options.programs)/sotto-signal",
                ["--listen", "0.0.0.0:8080", "--stun", "0.0.0.0:3478", "--data", folder],
                environment: ["HOME": folder])
            try await server.waitForTCP(at: LabEndpoint(server.address, 8_080))
            let url = "ws://\(server.address):8080"
            let alice = try Peer("alice", on: lab.host("alice"), url: url, isVerbose: options.isVerbose)
            let bob = try Peer("bob", on: lab.host("bob"), url: url, isVerbose: options.isVerbose)
            try await alice.first("ready")
            let address = try await bob.first("ready").text
            try alice.order("dial \(address)")
            let meeting = Meeting(lab: lab, alice: alice, bob: bob, path: try lab.wan(between: "alice", and: "bob"))
            return try await body(meeting)
        }
    }

    /// Lets alice send for a while, and looks at the path meanwhile.
    func transfer(seconds: Double) async throws -> Transfer {
        let before = (alice.process.usage?.seconds ?? 0) + (bob.process.usage?.seconds ?? 0)
        try alice.order("send \(seconds)")
        let start = try await alice.first("sending").at
        var samples: [Transfer.Sample] = []
        let end = start + Int64(seconds * 1e9)
        for await _ in Ticks(every: .milliseconds(50)) {
            samples.append(Transfer.Sample(at: monotonicNow(), link: try path.statistics(from: "alice")))
            if monotonicNow() >= end { break }
        }
        let used = (alice.process.usage?.seconds ?? 0) + (bob.process.usage?.seconds ?? 0) - before
        let received = bob.all.filter { $0.name == "received" && $0.at <= end }
        return Transfer(start: start, end: end, received: received, samples: samples, processorSeconds: used)
    }
}
