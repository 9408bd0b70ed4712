import ArgumentParser
import Foundation
import Logging
import NIOCore
import SignalingServer
import TestTools
import Testing
import Wire

@testable import sotto_signal

@Suite struct SettingsTests {
    private func resolve(
        _ arguments: [String] = [], _ environment: [String: String] = [:], file: String? = nil
    ) async throws -> Settings {
        var arguments = arguments
        let folder = try TemporaryFolder("settings")
        defer { withExtendedLifetime(folder) {} }
        if let file { arguments += ["--config", try folder.write("settings.json", file)] }
        // Where mail is kept is for the tests that ask.
        let home = ["HOME": "/nonexistent"].merging(environment) { $1 }
        return try await Settings.resolve(Options.parse(arguments), environment: home)
    }

    @Test func hasSensibleDefaults() async throws {
        let settings = try await resolve()
        #expect("\(settings.server.listen)" == "[::]:8080")
        #expect(settings.server.stun.map { "\($0)" } == "[::]:3478")
        #expect(settings.server.secondSTUN == .beside)
        #expect(settings.server.hosts.isEmpty && settings.server.tls == nil && settings.server.turn == nil)
        #expect(settings.server.limits.connectionsPerAddress == 64 && settings.logger.logLevel == .notice)
    }

    @Test func optionsGoBeforeVariablesBeforeTheFileBeforeDefaults() async throws {
        let file =
            #"{"listen": "10.0.0.3:3", "heartbeat": 33, "hosts": ["file.example"], "name": "file", "logLevel": "info"}"#
        let environment = [
            "SOTTO_SIGNAL_LISTEN": "10.0.0.2:2", "SOTTO_SIGNAL_HEARTBEAT": "22",
            "SOTTO_SIGNAL_HOSTS": "one.example,two.example",
        ]
        let all = try await resolve(["--listen", "10.0.0.1:1"], environment, file: file)
        #expect("\(all.server.listen)" == "10.0.0.1:1")
        #expect(all.server.limits.heartbeat == .seconds(22))
        #expect(all.server.hosts.map(\.text) == ["one.example", "two.example"])
        #expect(all.server.name == "file" && all.logger.logLevel == .info)
        #expect(all.server.limits.authentication == .seconds(5))
        let two = try await resolve([], environment, file: file)
        #expect("\(two.server.listen)" == "10.0.0.2:2")
        let one = try await resolve([], [:], file: file)
        #expect("\(one.server.listen)" == "10.0.0.3:3" && one.server.hosts.map(\.text) == ["file.example"])
    }

    @Test func everyOptionIsAlsoAVariableAndAKey() async throws {
        let help = SottoSignal.helpMessage(columns: 200)
        for key in SettingKey.allCases where key != .noMailbox { #expect(help.contains("\(key.option) <"), "\(key)") }
        #expect(help.contains("--no-mailbox "))
        let limits = try await resolve([
            "--threads", "3", "--max-connections", "11", "--max-connections-per-address", "12",
            "--new-connections-per-second", "13", "--frames-per-second", "14", "--bytes-per-second", "400",
            "--signals-per-second", "16", "--relay-queue-bytes", "65537", "--signal-queue-frames", "17",
            "--stun-per-second", "18", "--login-timeout", "19", "--heartbeat", "20",
        ]).server
        #expect(limits.threads == 3 && limits.limits.connections == 11 && limits.limits.connectionsPerAddress == 12)
        #expect(limits.limits.newConnections == RateLimit(rate: 13, burst: 104))
        #expect(limits.limits.frames == RateLimit(rate: 14, burst: 28))
        #expect(limits.limits.bytes == RateLimit(rate: 400, burst: 100))
        #expect(limits.limits.signals == RateLimit(rate: 16, burst: 64))
        #expect(limits.limits.stun == RateLimit(rate: 18, burst: 72))
        #expect(limits.limits.relayQueueBytes == 65_537 && limits.limits.signalQueueFrames == 17)
        #expect(limits.limits.authentication == .seconds(19) && limits.limits.heartbeat == .seconds(20))
    }

    @Test func theMailboxIsWhereItIsSaidToBe() async throws {
        func directory(_ arguments: [String] = [], _ environment: [String: String] = [:]) async throws -> String? {
            try await resolve(arguments, environment).server.mailbox?.directory
        }
        #expect(try await directory() == "/nonexistent/.local/state/sotto-signal")
        #expect(try await directory([], ["XDG_STATE_HOME": "/x"]) == "/x/sotto-signal")
        let both = ["XDG_STATE_HOME": "/x", "STATE_DIRECTORY": "/a:/b"]
        #expect(try await directory([], both) == "/a")
        #expect(try await directory([], both.merging(["SOTTO_SIGNAL_DATA": "rel"]) { $1 }) == "rel")
        #expect(try await directory(["--data", "/d"], both) == "/d")
        #expect(try await directory(["--no-mailbox"], both) == nil)
        #expect(try await directory([], ["SOTTO_SIGNAL_NO_MAILBOX": "true"]) == nil)
        #expect(try await resolve([], [:], file: #"{"noMailbox": true}"#).server.mailbox == nil)
        #expect(try await resolve([], [:], file: #"{"data": "/f"}"#).server.mailbox?.directory == "/f")
        // A variable may take back what the file says.
        #expect(
            try await resolve([], ["SOTTO_SIGNAL_NO_MAILBOX": "false"], file: #"{"noMailbox": true}"#).server.mailbox
                != nil)
    }

    @Test func everyLimitOfTheMailboxIsASetting() async throws {
        let limits = try #require(
            try await resolve([
                "--mail-ttl", "11", "--mail-quota-bytes", "12", "--mail-quota-items", "13", "--mail-sender-bytes", "14",
                "--mail-sender-items", "15", "--mail-requests", "16", "--mail-capabilities", "17",
                "--mail-store-bytes", "1800000", "--mail-reserve-bytes", "18", "--mails-per-second", "19",
            ]).server.mailbox?.limits)
        #expect(limits.timeToLive == 11 && limits.recipient == MailQuota(bytes: 12, items: 13))
        #expect(limits.sender == MailQuota(bytes: 14, items: 15) && limits.requests == 16)
        #expect(limits.capabilities == 17 && limits.storeBytes == 1_800_000 && limits.reserveBytes == 18)
        #expect(limits.mails == RateLimit(rate: 19, burst: 76))
    }

    @Test func anEmptyVariableIsAnEmptyList() async throws {
        #expect(try await resolve([], ["SOTTO_SIGNAL_HOSTS": ""]).server.hosts.isEmpty)
    }

    @Test func turnsSTUNOff() async throws {
        #expect(try await resolve(["--stun", "off"]).server.stun == nil)
        #expect(try await resolve(["--stun-second", "off"]).server.secondSTUN == .off)
        let second = try ListenAddress("192.0.2.1:9")
        #expect(try await resolve(["--stun-second", "192.0.2.1:9"]).server.secondSTUN == .at(second))
    }

    @Test(arguments: [
        (["--listen", "8080"], "--listen"), (["--listen", "::1:80"], "--listen"),
        (["--listen", "x:99999"], "--listen"),
        (["--stun", "x"], "--stun"), (["--stun-second", "x"], "--stun-second"), (["--host", "https://x"], "--host"),
        (["--host", "x:80"], "--host"),
        (["--heartbeat", "0"], "--heartbeat"), (["--threads", "0"], "--threads"),
        (["--log-level", "loud"], "--log-level"),
        (["--log-format", "xml"], "--log-format"), (["--tls-cert", "x"], "--tls-key"),
        (["--tls-key", "x"], "--tls-cert"),
        (["--turn", "turns:x"], "--turn"), (["--turn", "turn:x"], "--turn-secret-file"), (["--name", ""], "--name"),
        (["--data", ""], "--data"), (["--mail-ttl", "0"], "--mail-ttl"),
    ])
    func refusesWrongOptions(arguments: [String], part: String) async throws {
        do {
            _ = try await resolve(arguments)
            throw Unmet(description: "accepted \(arguments)")
        } catch let error as SettingsError {
            #expect(error.isUsage && error.description.contains(part) && !error.description.contains("\n"))
        }
    }

    @Test(arguments: [
        (#"{"lisen": "x:1"}"#, #"unknown key "lisen""#), ("[1]", "no JSON object"), ("{", "no JSON object"),
        (#"{"heartbeat": "often"}"#, "heartbeat"), (#"{"heartbeat": 0}"#, "heartbeat"),
        (#"{"listen": 8080}"#, "listen"),
        (#"{"hosts": "x.example"}"#, "hosts"), (#"{"hosts": [1]}"#, "hosts"),
        (#"{"heartbeat": {"a": 1}}"#, "heartbeat"), (#"{"noMailbox": "maybe"}"#, "noMailbox"),
    ])
    func refusesWrongFiles(file: String, part: String) async throws {
        do {
            _ = try await resolve([], [:], file: file)
            throw Unmet(description: "accepted \(file)")
        } catch let error as SettingsError {
            #expect(!error.isUsage && !error.description.contains("\n"), "\(error)")
            #expect(error.description.contains(part), "\(error)")
        }
    }

    @Test func refusesAFileThatIsNotThere() async throws {
        await #expect(throws: SettingsError("cannot read the configuration file /nonexistent.json")) {
            try await resolve(["--config", "/nonexistent.json"])
        }
    }
}

@Suite struct ListenAddressTests {
    @Test(arguments: [
        ("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:0", "[::1]:0"), (":8080", "[::]:8080"), ("*:8080", "[::]:8080"),
        ("localhost:1", "localhost:1"),
    ])
    func reads(text: String, normal: String) throws {
        #expect(try ListenAddress(text).description == normal)
    }

    @Test(arguments: ["", "80", "x", "x:", "x:-1", "x:65536", "::1:80", "[::1]", "x:8o", "a b:1"])
    func refuses(text: String) {
        #expect(throws: WireError.self) { try ListenAddress(text) }
    }
}

@Suite struct LogTests {
    private static let fields = [("message", "two words"), ("plain", "x-1.2"), ("odd", "a\n\"b\"\\\u{1B}\u{202E}é")]

    @Test func writesLogfmt() {
        #expect(
            LogLines.line(Self.fields, .logfmt)
                == #"message="two words" plain=x-1.2 odd="a\u000a\"b\"\\\u001b\u202e\u00e9""#)
    }

    @Test func writesJSONThatAnybodyReads() throws {
        let line = LogLines.line(Self.fields, .json)
        let read = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
        #expect(read == Dictionary(uniqueKeysWithValues: Self.fields) && !line.contains("\n"))
    }
}
