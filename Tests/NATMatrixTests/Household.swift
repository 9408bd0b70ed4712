import Foundation
import NATLab
import TestTools
import Testing

/// Homes of two people who have each other's invite, made once for each server address and copied for each scenario.
///
/// Alice has compared the safety number, so bob is verified for her; bob has not.
actor Household {
    static let shared = Household()

    private var prototypes: [String: Task<TemporaryFolder, any Error>] = [:]

    /// A new folder with copies of both homes, `alice` and `bob`.
    ///
    /// - Parameter desk: any host; homes that do not exist yet are made on it.
    func copies(server: String, desk: LabHost) async throws -> TemporaryFolder {
        let task = prototypes[server] ?? Task { try await Self.make(server, desk) }
        prototypes[server] = task
        let prototype = try await task.value
        let folder = try TemporaryFolder("household")
        for name in ["alice", "bob"] {
            try FileManager.default.copyItem(atPath: prototype.file(name), toPath: folder.file(name))
        }
        return folder
    }

    private static func make(_ server: String, _ desk: LabHost) async throws -> TemporaryFolder {
        let folder = try TemporaryFolder("household")
        var invites: [String: String] = [:]
        for name in ["alice", "bob"] {
            let (home, arguments) = (folder.file(name), ["--server", server, "--name", name, "--no-passphrase"])
            _ = try await Person.command(["init"] + arguments, home: home, on: desk)
            let events = try await Person.command(["invite"], home: home, on: desk)
            let uri: String = try #require(events.compactMap(\.uri).first)
            invites[name] = uri
        }
        for (name, friend) in [("alice", "bob"), ("bob", "alice")] {
            let invite = try #require(invites[friend])
            _ = try await Person.command(["add", invite, "--as", friend], home: folder.file(name), on: desk)
        }
        _ = try await Person.command(["verify", "bob", "--confirm"], home: folder.file("alice"), on: desk)
        return folder
    }
}
