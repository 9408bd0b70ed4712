import Foundation
import NATLab
import TestTools
import Testing

/// Wrong usage: exit status 64, a sentence on standard error, nothing on standard output, nothing done.
@Suite struct UsageTests {
    private static let cases: [([String], String)] = [
        (["frobnicate"], "There is no command 'frobnicate'"),
        (["--json", "frobnicate"], "There is no command 'frobnicate'"),
        (["--frobnicate"], "Unknown option '--frobnicate'"),
        (["--json"], "Which command?"),
        (["--home"], "Missing value for '--home'"),
        (["id", "--frobnicate"], "Unknown option '--frobnicate'"),
        (["id", "extra"], "Unexpected argument 'extra'"),
        (["id", "--log-level", "loud"], "The value 'loud' is invalid"),
        (["id", "--passphrase-fd", "x"], "The value 'x' is invalid"),
        (["init"], "Missing expected argument '--server"),
        (["init", "--server", "ws://h", "--no-passphrase", "--passphrase-file", "f"], "cannot stand beside"),
        (["add"], "Missing expected argument '<invite>'"),
        (["verify"], "Missing expected argument '<name>'"),
        (["verify", "x", "--confirm", "--revoke"], "exclude each other"),
        (["chat"], "Missing expected argument '<name>'"),
        (["chat", "x", "--path", "sideways"], "The value 'sideways' is invalid"),
        (["send", "x"], "Missing expected argument '<text>'"),
        (["send", "x", "y", "--timeout", "0"], "--timeout takes"),
        (["send", "x", "y", "--timeout", "nan"], "--timeout takes"),
        (["send", "x", "y", "--wait", "read"], "The value 'read' is invalid"),
        (["bench"], "Missing expected argument '<name>'"),
        (["bench", "x", "--seconds", "0"], "--seconds takes"),
        (["bench", "x", "--seconds", "nan"], "--seconds takes"),
        (["bench", "x", "--seconds", "61"], "--seconds takes"),
        (["bench", "x", "--timeout", "0"], "--timeout takes"),
        (["bench", "x", "--cipher", "rot13"], "The value 'rot13' is invalid"),
        (["ping", "x", "-c", "x"], "The value 'x' is invalid"),
        (["ping", "x", "-i", "0"], "--interval takes"),
        (["ping", "x", "--timeout", "1e9"], "--timeout takes"),
        (["send", "x", "y", "--reply", "z"], "The value 'z' is invalid"),
        (["history"], "Missing expected argument '<name>'"),
        (["history", "x", "--limit=-1"], "--limit takes"),
        (["history", "x", "--before", "12"], "The value '12' is invalid"),
        (["search", "x", "--limit", "0"], "--limit takes"),
        (["edit", "x", "0123", "text"], "The value '0123' is invalid"),
        (["disappear", "x", "soon"], "TIME is a number"),
        (["invite", "--expires", "0d"], "--expires takes"),
        (["invite", "--label", "a\u{1B}b"], "--label takes"),
        (["verify", "x", "--confirm", "--scan", "y"], "exclude each other"),
        (["settings", "typing"], "changes it"),
        (["settings", "typing", "perhaps"], "typing is on or off"),
        (["settings", "server", "http://x"], "is not a server URL"),
        (["settings", "colour", "blue"], "The value 'colour' is invalid"),
        (["passphrase", "--remove", "--new-passphrase-file", "x"], "exclude each other"),
        (["request"], "Missing expected argument '<who>'"),
        (["listen", "x"], "Unexpected argument 'x'"),
        (["netcheck", "--path", "relay"], "Unknown option '--path'"),
    ]

    @Test(arguments: cases)
    func refuses(arguments: [String], message: String) async throws {
        let folder = try TemporaryFolder("cli")
        let outcome = try await User("home", in: folder).run(arguments)
        #expect(outcome.status == .code(64))
        #expect(outcome.output.isEmpty && outcome.errors.contains(message), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/home"))
    }

    @Test(arguments: [
        "", "chat.example.org", "http://chat.example.org", "https://x", "ws:chat.example.org", "ws://", "ws://:80",
        "ws://host:0", "ws://host:65536", "ws://host:x", "ws://host/path", "ws://host?x=y", "ws://user@host",
        "ws://a b", "ws://[::1", "ws://::1", "ws://256.1.1.1", "ws://127.1", "wss://host#x", "ws://ho\u{1B}[31mst",
    ])
    func refusesServerURLs(url: String) async throws {
        let folder = try TemporaryFolder("cli")
        let outcome = try await User("home", in: folder).run(["init", "--server", url, "--no-passphrase"])
        #expect(outcome.status == .code(64))
        #expect(outcome.errors.contains("is not a server URL"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("\u{1B}") && outcome.output.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/home"))
    }

    private static let commands = [
        "init", "id", "invite", "invites", "add", "request", "accept", "contacts", "verify", "rename", "block",
        "unblock",
        "remove", "chat", "listen", "send", "edit", "delete", "react", "disappear", "history", "search", "status",
        "ping",
        "netcheck", "settings", "passphrase", "export", "import", "backup", "check", "erase",
    ]

    @Test(
        arguments: [[], ["--help"], ["help"], ["--version"], ["--json", "--help"], ["help", "chat"]]
            + commands.map { [$0, "--help"] })
    func helps(arguments: [String]) async throws {
        let outcome = try await Shell.finish(Programs.sotto, arguments, input: "", within: .seconds(60))
        #expect(outcome.status == .code(0) && outcome.errors.isEmpty && !outcome.output.isEmpty)
        #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(outcome.output)")
    }

    @Test func optionsMayStandBeforeOrBehindTheCommand() async throws {
        let pair = try await Common.shared.pair()
        let behind = try await Shell.finish(
            Programs.sotto, ["id", "--json", "--home", pair.alice.home], input: "", within: .seconds(60))
        let before = try await Shell.finish(
            Programs.sotto, ["--json", "--home=\(pair.alice.home)", "id"], input: "", within: .seconds(60))
        #expect(behind.status == .code(0) && behind.output == before.output && behind.events.first?["peer"] != nil)
    }

    @Test func theHomeComesFromTheEnvironment() async throws {
        let pair = try await Common.shared.pair()
        let named = try await pair.alice.shell("$sotto id")
        let data = try await pair.alice.shell(
            "unset SOTTO_HOME; export XDG_DATA_HOME='\(pair.folder.path)/x'; $sotto id")
        let user = try await pair.alice.shell(
            "unset SOTTO_HOME XDG_DATA_HOME; export HOME='\(pair.folder.path)/y'; $sotto id")
        #expect(named.status == .code(0) && named.output.hasPrefix("sotto1"))
        #expect(data.status == .code(1) && data.errors.contains("no identity in \(pair.folder.path)/x/sotto:"))
        #expect(
            user.status == .code(1) && user.errors.contains("\(pair.folder.path)/y/.local/share/sotto:"),
            "\(user.errors)")
    }
}
