import Foundation
import NATLab
import Testing

/// However a command ends, it says goodbye, and its exit status is the documented one.
@Suite struct LeavingTests {
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func signalsEndInGoodOrder(signal: Int32) async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        for (number, command) in [["chat", "bob"], ["ping", "bob", "-i", "0.1"]].enumerated() {
            let process = try pair.alice.start(["--json"] + command)
            try await process.event(command[0] == "ping" ? "pong" : "session")
            // Both know of the session.
            try await listening.sessions(atLeast: number + 1, "online")
            #expect(try await process.end(by: signal) == .code(0), "\(command)")
            #expect(process.problems == [])
        }
        try await listening.sessions(atLeast: 2, "offline", reason: "left")
        #expect(try await listening.end(by: signal) == .code(0))
        #expect(listening.problems == [])
    }

    @Test func thePeerOfAListenerThatEndsIsToldSo() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let chatting = try pair.alice.start(["--json", "chat", "bob"])
        try await chatting.event("session") { $0["state"] == "online" }
        try await listening.event("session") { $0["state"] == "online" }
        #expect(try await listening.end() == .code(0))
        try await chatting.event("session") { $0["state"] == "offline" && $0["reason"] == "left" }
        #expect(try await chatting.end() == .code(0))
    }

    @Test func whatIsInterruptedBeforeItsEndHasFailed() async throws {
        let silent = try FakeServer(.silent)
        let pair = try await Pair.make(server: silent.url)
        for command in [["send", "bob", "hello"], ["ping", "bob"]] {
            let process = try pair.alice.start(["--json"] + command)
            if command[0] == "send" {
                try await process.event("state")
            } else {
                try await process.isHeeding(SIGTERM)
            }
            #expect(try await process.end() == .code(1))
            let error = process.lines.compactMap { Event($0.text) }.last
            #expect(error?["code"] == "interrupted" && process.problems == [], "\(process.lines)")
        }
        #expect(try await pair.alice.json(["history", "bob"]).events.map { $0["state"] } == ["queued"])
        withExtendedLifetime(silent) {}
    }

    @Test func nohupIsHeeded() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try pair.bob.start(shell: "trap '' HUP; exec $sotto --json listen")
        try await listening.event("ready")
        listening.signal(SIGHUP)
        #expect(try await pair.alice.json(["send", "bob", "still there?"]).status == .code(0))
        #expect(try await listening.end() == .code(0))
    }

    // MARK: Standard output

    @Test func whoseOutputNobodyReadsLeavesInGoodOrder() async throws {
        let pair = try await Common.shared.onlinePair()
        let watching = try pair.alice.start(["--json", "listen"])
        try await watching.event("ready")
        // After the session has opened, what comes next finds no reader.
        let listening = try pair.bob.start(
            shell: "{ $sotto --json listen; echo \"status $?\" >&2; } | grep -m 1 '\"state\":\"online\"'")
        try watching.write("{\"to\":\"bob\",\"send\":\"anybody?\"}\n")
        _ = try await listening.exit(within: .seconds(60))
        #expect(listening.errorText == "status 1\n")
        try await watching.event("session") { $0["state"] == "offline" && $0["reason"] == "left" }
        #expect(try await watching.end() == .code(0))
    }

    @Test(arguments: ["id", "contacts", "invite", "verify bob", "--help"])
    func fullOutputIsAFailure(command: String) async throws {
        let pair = try await Common.shared.onlinePair()
        let outcome = try await pair.alice.shell("$sotto \(command) > /dev/full")
        #expect(outcome.status == .code(command == "--help" ? 0 : 1))
        if command != "--help" {
            #expect(outcome.errors.contains("cannot write to standard output: No space left"), "\(outcome)")
        }
    }

    @Test func closedDescriptorsAreNobodyElses() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let outcome = try await pair.alice.shell("$sotto send bob hello <&- >&- 2>&-; echo status $?")
        #expect(outcome.output == "status 1\n")
        try await listening.event("message") { $0["text"] == "hello" }
        #expect(try await listening.end() == .code(0))
        #expect(try await pair.alice.json(["check"]).status == .code(0))
    }

    /// It leaves by itself when its input ends; a signal that meets it on the way does not matter.
    @Test func aSignalOnTheWayOutChangesNothing() async throws {
        let pair = try await Common.shared.onlinePair()
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGTERM, SIGINT, SIGHUP] {
            let chatting = try pair.alice.start(["--json", "chat", "bob"])
            try await chatting.event("ready")
            chatting.closeInput()
            #expect(try await chatting.end(by: signal) == .code(0))
            #expect(chatting.errorText == "")
        }
    }

    // MARK: Two at once

    @Test func onlyOneProcessIsOnlineWithAHome() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        for command in [["listen"], ["chat", "alice"], ["ping", "alice"], ["netcheck"]] {
            let outcome = try await pair.bob.json(command)
            #expect(outcome.status == .code(1) && outcome.error?["code"] == "in-use", "\(outcome)")
            #expect(outcome.error?["message"]?.contains("(process \(listening.processID))") == true, "\(outcome)")
        }
        // What needs no network goes on working, and the one that is online sees the result.
        #expect(try await pair.bob.json(["verify", "alice", "--confirm"]).status == .code(0))
        #expect(try await pair.alice.json(["send", "bob", "hello"]).status == .code(0))
        #expect(try await listening.event("path").flag("verified") == true)
        await listening.kill()
        // A lock dies with its process.
        #expect(try await pair.bob.json(["netcheck"]).status == .code(0))
    }

    @Test func theSameIdentityElsewhereTakesOver() async throws {
        let pair = try await Common.shared.onlinePair()
        let first = try await pair.listening()
        let copy = User("copy", in: pair.folder)
        try FileManager.default.copyItem(atPath: pair.bob.home, toPath: copy.home)
        let second = try copy.start(["--json", "listen"])
        try await second.event("ready")
        #expect(try await first.exit(within: .seconds(60)) == .code(1))
        let error = first.lines.compactMap { Event($0.text) }.last
        #expect(
            error?["code"] == "server" && error?["message"]?.contains("logged in elsewhere") == true, "\(first.lines)")
        #expect(try await second.end() == .code(0))
    }
}

extension LabProcess {
    /// Waits for so many session events.
    func sessions(atLeast count: Int, _ state: String, reason: String? = nil) async throws {
        try await firstOutput("\(count) sessions \(state)") { lines in
            let found = lines.compactMap { Event($0.text) }.filter {
                $0.name == "session" && $0["state"] == state && (reason == nil || $0["reason"] == reason)
            }
            return found.count >= count ? () : nil
        }
    }

    /// Waits until the program has a handler for a signal.
    func isHeeding(_ signal: Int32) async throws {
        for await _ in Ticks(every: .milliseconds(10)) {
            let status = try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
            guard let status, isRunning else { return }
            let caught = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }?.split(separator: "\t").last
            if let caught, let mask = UInt64(caught, radix: 16), mask >> UInt64(signal - 1) & 1 == 1 { return }
        }
    }
}
