import Foundation
import NATLab
import Testing

/// Homes of two people who have each other's invite, made once for each server address and copied for each scenario.
///
/// Alice has compared the safety number, so bob is verified for her; bob has not.
actor Household {
    static let shared = Household()

    private var prototypes: [String: Task<String, any Error>] = [:]

    /// A new folder with copies of both homes, `alice` and `bob`.
    ///
    /// - Parameter desk: any host; homes that do not exist yet are made on it.
    func copies(server: String, desk: LabHost) async throws -> String {
        let task = prototypes[server] ?? Task { try await Self.make(server, desk) }
        prototypes[server] = task
        let prototype = try await task.value
        let folder = try Self.temporaryFolder()
        for name in ["alice", "bob"] {
            try FileManager.default.copyItem(atPath: "\(prototype)/\(name)", toPath: "\(folder)/\(name)")
        }
        return folder
    }

    private static func temporaryFolder() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sotto-lab-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return folder.path
    }

    private static func make(_ server: String, _ desk: LabHost) async throws -> String {
        let folder = try temporaryFolder()
        LastWill.shared.remove(folder)
        var invites: [String: String] = [:]
        for name in ["alice", "bob"] {
            let (home, arguments) = ("\(folder)/\(name)", ["--server", server, "--name", name, "--no-passphrase"])
            _ = try await Person.command(["init"] + arguments, home: home, on: desk)
            let events = try await Person.command(["invite"], home: home, on: desk)
            let uri: String = try #require(events.compactMap(\.uri).first)
            invites[name] = uri
        }
        for (name, friend) in [("alice", "bob"), ("bob", "alice")] {
            let invite = try #require(invites[friend])
            _ = try await Person.command(["add", invite, "--as", friend], home: "\(folder)/\(name)", on: desk)
        }
        _ = try await Person.command(["verify", "bob", "--confirm"], home: "\(folder)/alice", on: desk)
        return folder
    }
}

/// Removes folders when the test process ends.
private final class LastWill: Sendable {
    static let shared = LastWill()
    private let folders = Watched<[String]>([])

    private init() {
        atexit {
            for folder in LastWill.shared.folders.value { try? FileManager.default.removeItem(atPath: folder) }
        }
    }

    func remove(_ folder: String) { folders.update { $0.append(folder) } }
}
