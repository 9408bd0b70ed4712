import Foundation
import NATLab
import TestTools
import Testing

/// A running `sotto-signal` on the loopback.
struct Server: Sendable {
    let process: LabProcess
    let url: String
    /// Where it keeps mail.
    let data: TemporaryFolder

    /// Starts one; with `port` 0 on any port, and without `data` with an empty mailbox.
    static func start(
        port: UInt16 = 0, data: TemporaryFolder? = nil, _ options: [String] = []
    ) async throws -> Server {
        let data = try data ?? TemporaryFolder("server")
        let process = try LabProcess.onThisMachine(
            Programs.server,
            [
                "--listen", "127.0.0.1:\(port)", "--stun", "127.0.0.1:0", "--max-connections-per-address", "2000",
                "--new-connections-per-second", "2000", "--heartbeat", "2",
                "--data", data.path,
            ] + options)
        let line = try await process.line("--server ")
        let url = try #require(line.split(separator: " ").last.map { String($0) })
        return Server(process: process, url: url, data: data)
    }

    var port: UInt16 { url.split(separator: ":").last.flatMap { UInt16($0) } ?? 0 }
}

/// What most tests share: one server, and for those that stay offline two people who have each other as contacts, made once and
/// copied for each test.
actor Common {
    static let shared = Common()
    private var server: Task<Server, any Error>?
    private var homes: Task<TemporaryFolder, any Error>?

    func runningServer() async throws -> Server {
        if let server { return try await server.value }
        let task = Task { try await Server.start() }
        server = task
        return try await task.value
    }

    /// Two people that nobody else has, who can meet on the common server.
    nonisolated func onlinePair() async throws -> Pair {
        try await Pair.make(server: try await runningServer().url)
    }

    /// Two people as all tests have them. Not to be taken online: a server keeps one connection of each identity.
    func pair() async throws -> Pair {
        let task =
            homes
            ?? Task {
                try await Pair.make(server: try await runningServer().url).folder
            }
        homes = task
        let prototype = try await task.value
        let folder = try TemporaryFolder("cli")
        for name in ["alice", "bob"] {
            try FileManager.default.copyItem(atPath: "\(prototype.path)/\(name)", toPath: "\(folder.path)/\(name)")
        }
        return Pair(folder: folder)
    }
}

/// Two people. Their homes live as long as this.
struct Pair: Sendable {
    let folder: TemporaryFolder
    var alice: User { User("alice", in: folder) }
    var bob: User { User("bob", in: folder) }

    /// Makes both, each with the other's invite.
    static func make(server: String, options: [String] = []) async throws -> Pair {
        let pair = Pair(folder: try TemporaryFolder("cli"))
        var invites: [String] = []
        for (name, user) in [("alice", pair.alice), ("bob", pair.bob)] {
            let made = try await user.json(["init", "--server", server, "--name", name, "--no-passphrase"])
            #expect(made.status == .code(0))
            let invite = try await user.json(["invite"])
            invites.append(try #require(invite.events.first?["uri"]))
        }
        _ = try await pair.alice.json(["add", invites[1]])
        _ = try await pair.bob.json(["add", invites[0]])
        return pair
    }

    /// Starts `listen --json` for bob and waits until he can be reached.
    func listening(_ options: [String] = []) async throws -> LabProcess {
        let process = try bob.start(["--json", "listen"] + options)
        try await process.event("ready")
        return process
    }
}
