import Foundation
import NATLab
import TestTools

/// The story: a server, alice who dials, bob who listens.
struct Scene: Sendable {
    private let narrator: Narrator
    private let server: LabProcess
    private let alice: Person
    private let bob: Person
    private let folder: TemporaryFolder

    /// Starts the server, makes two identities, exchanges the invite, and begins the chat.
    static func open(_ narrator: Narrator, server: any Stage, alice: any Stage, bob: any Stage) async throws -> Scene {
        let folder = try TemporaryFolder("demo")
        let directory = folder.path
        narrator.chapter("Setting up: one server, two identities, one invite")
        // Port 0 lets the system choose: it matters only where other programs live, too.
        let signal = try server.spawn(
            Programs.server,
            [
                "--listen", "\(server.address):0", "--stun", "\(server.address):0", "--data", "\(directory)/server",
            ])
        let announcement = try await signal.nextLine("the server's address") { $0.contains("ws://") }.text
        guard let url = announcement.split(separator: " ").first(where: { $0.hasPrefix("ws://") }).map(String.init)
        else {
            throw DemoError(text: "the server did not say where it is")
        }
        narrator.step("sotto-signal                                  serves \(url)")
        for (name, stage) in [("alice", alice), ("bob", bob)] {
            let home = "\(directory)/\(name)"
            let lines = try await finished(
                stage, ["--home", home, "--json", "init", "--server", url, "--name", name, "--no-passphrase"])
            narrator.step(
                "sotto init --name \(name)".padding(toLength: 46, withPad: " ", startingAt: 0) + "is \(peer(lines))")
        }
        let invite = try await finished(bob, ["--home", "\(directory)/bob", "invite", "--no-qr"]).first {
            $0.hasPrefix("sotto:")
        }
        _ = try await finished(alice, ["--home", "\(directory)/alice", "add", invite ?? ""])
        narrator.step("sotto add sotto:…                             alice takes bob's invite")

        let listening = Person(
            name: "bob", process: try bob.spawn(Programs.sotto, ["--home", "\(directory)/bob", "listen", "--json"]))
        _ = try await listening.next("ready") { $0.event == "ready" }
        narrator.step("sotto listen                                  bob is reachable")
        try await narrator.pause()
        narrator.chapter("alice dials: sotto chat bob")
        narrator.startClock()
        let chatting = Person(
            name: "alice",
            process: try alice.spawn(Programs.sotto, ["--home", "\(directory)/alice", "chat", "bob", "--json"]))
        return Scene(narrator: narrator, server: signal, alice: chatting, bob: listening, folder: folder)
    }

    /// The first words, over the relay.
    func meet() async throws {
        try await say(alice, to: bob, "Hi Bob! Does this reach you?")
        let relay = try await alice.nextPath("relay")
        narrator.path("alice", "relay", relay.rttMs.map { String(format: ", round trip %.1f ms", $0) } ?? "")
        try await say(bob, to: alice, "It does, and only we can read it.")
    }

    func turnDirect() async throws {
        let direct = try await alice.nextPath("direct")
        narrator.path(
            "alice", "direct",
            " to \(direct.remote ?? "bob")" + (direct.rttMs.map { String(format: ", round trip %.1f ms", $0) } ?? ""))
        try await say(alice, to: bob, "No server in between any more.")
        try await say(bob, to: alice, "Both NATs open, and nobody configured anything.")
    }

    func cut(_ action: () async throws -> Void) async throws {
        try await narrator.pause()
        narrator.chapter("Somebody pulls the plug: alice's NAT drops all UDP")
        try await action()
        narrator.alarm("UDP is cut")
        for line in ["Still there?", "And now?"] { try await say(alice, to: bob, line) }
        try await say(bob, to: alice, "Of course. What happened?")
        _ = try await alice.nextPath("relay")
        narrator.path("alice", "relay", " again")
    }

    func restore(_ action: () async throws -> Void) async throws {
        try await narrator.pause()
        narrator.chapter("UDP works again")
        try await action()
        narrator.step("UDP is restored")
        _ = try await alice.nextPath("direct")
        narrator.path("alice", "direct", " again")
        try await say(bob, to: alice, "Welcome back on the short way.")
    }

    func close() async throws {
        try alice.process.write("{\"quit\":true}\n")
        _ = try await alice.process.exit()
        bob.process.signal(SIGINT)
        _ = try await bob.process.exit()
        server.signal(SIGTERM)
        let status = try await server.exit()
        withExtendedLifetime(folder) {}
        narrator.chapter("All messages arrived, once each. alice, bob and the server (\(status)) have left.")
    }

    /// One message, and how long it took to be shown on the other side.
    private func say(_ from: Person, to: Person, _ text: String) async throws {
        let sent = ContinuousClock.now
        try from.write(["to": to.name, "send": text])
        let arrival = try await to.next("the message") { $0.event == "message" && $0.text == text }
        narrator.message(from.name, text, delay: (arrival.time - sent) / .milliseconds(1))
    }

    private static func finished(_ stage: any Stage, _ arguments: [String]) async throws -> [String] {
        let process = try stage.spawn(Programs.sotto, arguments)
        process.closeInput()
        let status = try await process.exit()
        guard status.succeeded else {
            throw DemoError(text: "sotto \(arguments.joined(separator: " ")): \(process.errorText)")
        }
        return process.lines.map(\.text)
    }

    private static func peer(_ lines: [String]) -> String {
        let key = "\"peer\":\""
        guard let line = lines.first(where: { $0.contains(key) }), let start = line.range(of: key) else { return "?" }
        return line[start.upperBound...].prefix { $0 != "\"" }.prefix(20) + "…"
    }
}

struct DemoError: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}
