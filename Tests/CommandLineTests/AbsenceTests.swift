import Foundation
import NATLab
import TestTools
import Testing

/// What is written while the contact, the server or the program itself is not there.
@Suite struct AbsenceTests {
    /// What two histories must agree about.
    private func said(_ outcome: Outcome) -> [[String?]] {
        outcome.events.filter { $0.name == "message" }.map { [$0["id"], $0["text"], $0["sent_at"], $0["reply_to"]] }
    }

    private func history(_ user: User, _ name: String) async throws -> Outcome {
        try await user.json(["history", name, "--limit", "0"])
    }

    @Test func whatIsSentToAnAbsentContactArrivesWhenTheyCome() async throws {
        let pair = try await Common.shared.onlinePair()
        for text in ["one", "two"] {
            let sent = try await pair.alice.json(["send", "bob", text])
            #expect(sent.status == .code(0) && sent.events.first?["state"] == "queued", "\(sent)")
            #expect(sent.events.last?.name == "notice" && sent.events.last?["kind"] == "waiting", "\(sent)")
        }
        let shown = try await pair.alice.run(["send", "bob", "three"])
        #expect(shown.status == .code(0) && shown.output.hasPrefix("queued: bob: not online; the message waits"))
        let waiting = try #require(try await pair.alice.json(["contacts"]).events.first?.number("waiting"))
        #expect(waiting >= 3)

        let bob = try await pair.listening()
        let alice = try pair.alice.start(["--json", "listen"])
        try await bob.event("message") { $0["text"] == "three" }
        let texts = bob.lines.compactMap { Event($0.text) }.filter { $0.name == "message" }.map { $0["text"] }
        #expect(texts == ["one", "two", "three"])
        // Whoever listens has seen it.
        _ = try await alice.firstOutput("read", within: .seconds(60)) { lines in
            lines.count { Event($0.text)?["state"] == "read" } == 3 ? () : nil
        }
        #expect(try await alice.end() == .code(0))
        #expect(try await bob.end() == .code(0))
        #expect(alice.problems == [] && bob.problems == [])
        let mine = try await history(pair.alice, "bob")
        let theirs = try await history(pair.bob, "alice")
        #expect(mine.events.map { $0["state"] } == ["read", "read", "read"], "\(mine)")
        #expect(theirs.events.map { $0["state"] } == ["seen", "seen", "seen"])
        #expect(theirs.events.allSatisfy { $0["direction"] == "incoming" })
        #expect(said(mine) == said(theirs))
    }

    @Test func onlyStoresWhenThatIsAskedFor() async throws {
        let silent = try FakeServer(.silent)
        let pair = try await Pair.make(server: silent.url)
        let sent = try await pair.alice.json(["send", "bob", "hello", "--wait", "queued"])
        #expect(sent.status == .code(0) && sent.events.map(\.name) == ["state", "notice"], "\(sent)")
        let shown = try await pair.alice.run(["history", "bob"])
        #expect(shown.output.contains("you: hello  (queued, "), "\(shown)")
        withExtendedLifetime(silent) {}
    }

    @Test(arguments: ["sent", "delivered"])
    func failsWhenWhatIsAskedForIsNotReached(state: String) async throws {
        let pair = try await Common.shared.onlinePair()
        let absent = try await pair.alice.json(["send", "bob", "hello", "--wait", state, "--timeout", "1"])
        #expect(absent.status == .code(1) && absent.error?["code"] == "undelivered", "\(absent)")
        let listening = try await pair.listening()
        let sent = try await pair.alice.json(["send", "bob", "again", "--wait", state])
        #expect(sent.status == .code(0) && sent.events.contains { $0["state"] == "delivered" }, "\(sent)")
        try await listening.event("message") { $0["text"] == "hello" }
        #expect(try await listening.end() == .code(0))
    }

    @Test func isSentByTheProgramThatIsOnline() async throws {
        let pair = try await Common.shared.onlinePair()
        let alice = try pair.alice.start(["--json", "listen"])
        try await alice.event("ready")
        let bob = try await pair.listening()
        let sent = try await pair.alice.json(["send", "bob", "beside"])
        #expect(sent.status == .code(0), "\(sent)")
        #expect(sent.events.filter { $0.name == "state" }.map { $0["state"] }.prefix(2) == ["queued", "delivered"])
        try await bob.event("message") { $0["text"] == "beside" }
        let id = sent.events.first?["id"]
        try await alice.event("state") { $0["id"] == id && $0["state"] == "delivered" }
        #expect(try await bob.end() == .code(0))
        #expect(try await alice.end() == .code(0))
        #expect(alice.problems == [])
    }

    @Test func waitsWithTheProgramThatIsOnline() async throws {
        let server = try await Server.start(["--no-mailbox"])
        let pair = try await Pair.make(server: server.url)
        let alice = try pair.alice.start(["--json", "listen"])
        try await alice.event("ready")
        let left = try await pair.alice.run(["send", "bob", "later", "--timeout", "0.5"])
        #expect(left.status == .code(0) && left.output.contains("the program that is online will send it"), "\(left)")
        let back = try await pair.listening()
        try await back.event("message") { $0["text"] == "later" }
        #expect(try await back.end() == .code(0))
        #expect(try await alice.end() == .code(0))
        #expect(alice.problems == [])
        await server.process.terminate()
    }

    @Test func everyAcceptedLineIsAnsweredOnceItIsStored() async throws {
        let pair = try await Common.shared.onlinePair()
        let chatting = try pair.alice.start(["--json", "chat", "bob"])
        for number in 0..<200 { try chatting.write("{\"send\":\"text \(number)\",\"ref\":\"\(number)\"}\n") }
        try chatting.write("{\"send\":\"\",\"ref\":\"empty\"}\n")
        let refused = try await chatting.event("error")
        #expect(refused["ref"] == "empty" && refused["code"] == "message")
        try await chatting.event("state") { $0["ref"] == "150" }
        // Whatever was answered by now is on the disk.
        await chatting.kill()
        let answered = chatting.lines.compactMap { Event($0.text) }.filter { $0.name == "state" }
        #expect(answered.allSatisfy { $0["state"] == "queued" && $0["contact"] == "bob" && $0["ref"] != nil })
        let stored = try await history(pair.alice, "bob").events
        #expect(stored.map { $0["text"] } == (0..<stored.count).map { "text \($0)" })
        #expect(stored.count >= answered.count && zip(stored, answered).allSatisfy { $0["id"] == $1["id"] })
        // And arrives, once and in order.
        let listening = try await pair.listening()
        let alice = try pair.alice.start(["--json", "listen"])
        let last = stored.last?["id"]
        try await listening.event("message") { $0["id"] == last }
        try await alice.event("state") { $0["id"] == last && $0["state"] == "delivered" }
        #expect(try await alice.end() == .code(0))
        #expect(try await listening.end() == .code(0))
        let theirs = try await history(pair.bob, "alice")
        #expect(try await said(theirs) == said(history(pair.alice, "bob")))
    }

    @Test func listenShowsWhatCameMeanwhileOnce() async throws {
        let pair = try await Common.shared.onlinePair()
        let alice = try pair.alice.start(["--json", "listen"])
        try await alice.event("ready")
        // Bob is there, but nobody looks.
        let pinging = try pair.bob.start(["--json", "ping", "alice", "-i", "0.2"])
        try await pinging.event("pong")
        for text in ["one", "two"] {
            #expect(try await pair.alice.json(["send", "bob", text, "--wait", "delivered"]).status == .code(0))
        }
        #expect(try await pinging.end() == .code(0) && !pinging.hasMetSomebodyWhoWrites)
        #expect(try await pair.bob.json(["contacts"]).events.first?.number("unread") == 2)
        let shown = try await pair.bob.run(["contacts"])
        #expect(shown.output.contains("2 unread"), "\(shown)")
        #expect(try await pair.bob.json(["settings", "read-receipts", "off"]).status == .code(0))

        let first = try await pair.listening()
        try await first.event("message") { $0["text"] == "two" }
        try first.write("{\"to\":\"alice\",\"send\":\"seen\"}\n")
        try await alice.event("message") { $0["text"] == "seen" }
        #expect(try await first.end() == .code(0))
        let second = try await pair.listening()
        #expect(try await second.end() == .code(0) && !second.hasMetSomebodyWhoWrites)
        #expect(try await pair.bob.json(["contacts"]).events.first?.number("unread") == 0)
        // Bob does not tell what he has read.
        #expect(!alice.lines.contains { Event($0.text)?["state"] == "read" })
        #expect(try await alice.end() == .code(0))
    }

    @Test func whatWasSaidCanBeChanged() async throws {
        let pair = try await Common.shared.onlinePair()
        let ids = try await ["first", "second", "third"].asyncMap { text in
            try #require(try await pair.alice.json(["send", "bob", text, "--wait", "queued"]).events.first?["id"])
        }
        let reply = try await pair.alice.json(["send", "bob", "to myself", "--reply", ids[0], "--wait", "queued"])
        #expect(reply.status == .code(0))
        for command in [
            ["edit", "bob", ids[0], "first, better"], ["delete", "bob", ids[1]], ["react", "bob", ids[2], "👍"],
        ] {
            let outcome = try await pair.alice.json(command + ["--wait", "queued"])
            #expect(outcome.status == .code(0) && outcome.events.first?.name == "changed", "\(outcome)")
        }
        let wrong = try await pair.alice.json(["delete", "bob", String(repeating: "0", count: 32), "--wait", "queued"])
        #expect(wrong.status == .code(1) && wrong.error?["code"] == "message", "\(wrong)")
        let listening = try await pair.listening()
        let taken = try await pair.alice.json(["react", "bob", ids[2], "--wait", "delivered"])
        #expect(taken.status == .code(0) && taken.events.last?["state"] == "delivered", "\(taken)")
        #expect(try await listening.end() == .code(0) && listening.problems == [])
        for user in [(pair.alice, "bob"), (pair.bob, "alice")] {
            let events = try await history(user.0, user.1).events
            #expect(events.map { $0["text"] } == ["first, better", "", "third", "to myself"], "\(events)")
            #expect(events[0].flag("edited") == true && events[1].flag("deleted") == true)
            #expect(events[3]["reply_to"] == ids[0])
        }
        let found = try await pair.bob.json(["search", "BETT", "--in", "alice"])
        #expect(found.events.map { $0["id"] } == [ids[0]])
        #expect(try await pair.bob.json(["search", "second"]).events.isEmpty)
        let shown = try await pair.bob.run(["history", "alice"])
        #expect(shown.output.contains("alice: (deleted)") && shown.output.hasPrefix("-- "), "\(shown)")
    }

    @Test func showsAPartOfALongHistory() async throws {
        let pair = try await Common.shared.pair()
        let chatting = try pair.alice.start(["--json", "chat", "bob"])
        for number in 0..<60 { try chatting.write("{\"send\":\"\(number)\"}\n") }
        chatting.closeInput()
        #expect(try await chatting.exit(within: .seconds(60)) == .code(0))
        let all = try await history(pair.alice, "bob").events
        #expect(all.map { $0["text"] } == (0..<60).map { "\($0)" })
        #expect(try await pair.alice.json(["history", "bob"]).events.map { $0["text"] } == (10..<60).map { "\($0)" })
        let before = try #require(all[30]["id"])
        let part = try await pair.alice.json(["history", "bob", "--limit", "5", "--before", before])
        #expect(part.events.map { $0["text"] } == (25..<30).map { "\($0)" })
        let last = try await pair.alice.json(["history", "bob", "--last", "1"])
        #expect(last.events.map { $0["text"] } == ["59"])
        #expect(try await pair.alice.json(["search", "59"]).events.count == 1)
    }

    @Test func messagesDisappear() async throws {
        let pair = try await Common.shared.onlinePair()
        let set = try await pair.alice.json(["disappear", "bob", "1s", "--wait", "queued"])
        #expect(set.status == .code(0) && set.events.first?.number("expires_after_s") == 1, "\(set)")
        let listening = try await pair.listening()
        let alice = try pair.alice.start(["--json", "listen"])
        try alice.write("{\"to\":\"bob\",\"send\":\"gone soon\"}\n")
        let message = try await listening.event("message")
        let id = message["id"]
        #expect(message["text"] == "gone soon" && message.number("expires_after_s") == 1)
        try await listening.event("expired") { $0["id"] == id }
        try await alice.event("expired") { $0["id"] == id }
        #expect(try await alice.end() == .code(0))
        #expect(try await listening.end() == .code(0))
        #expect(try await history(pair.alice, "bob").events.isEmpty)
        #expect(try await history(pair.bob, "alice").events.isEmpty)
        #expect(try await pair.bob.json(["contacts"]).events.first?.number("expires_after_s") == 1)
        let off = try await pair.alice.json(["disappear", "bob", "off", "--wait", "queued"])
        #expect(off.events.first?.number("expires_after_s") == nil)
    }

    @Test func statusTellsWhatIsConnectedAndWhatWaits() async throws {
        let pair = try await Common.shared.onlinePair()
        #expect(try await pair.alice.json(["send", "bob", "x", "--wait", "queued"]).status == .code(0))
        let alone = try await pair.alice.json(["status"])
        #expect(alone.events.first?.flag("online") == false && alone.events.first?.flag("connected") == nil)
        #expect(alone.events.last?.number("waiting") ?? 0 >= 1 && alone.events.last?.number("mailed") == 0, "\(alone)")
        let listening = try await pair.listening()
        let alice = try pair.alice.start(["--json", "listen"])
        try await alice.event("state") { $0["state"] == "delivered" }
        let processID = Double(alice.processID)
        // The report is a moment behind.
        var report = try await pair.alice.json(["status"])
        for await _ in Ticks(every: .milliseconds(100)) {
            report = try await pair.alice.json(["status"])
            if report.events.last?.flag("session") == true, report.events.last?["path"] != "connecting" { break }
        }
        #expect(report.events.first?.number("process") == processID && report.events.first?.flag("connected") == true)
        #expect(["relay", "direct"].contains(report.events.last?["path"]) && report.events.last?["contact"] == "bob")
        // How packets come in is told of direct paths, and of no others.
        let plane = report.events.last?["data_plane"]
        #expect((report.events.last?["path"] == "direct") == (plane == "steered" || plane == "library"), "\(report)")
        let shown = try await pair.alice.run(["status"])
        #expect(
            shown.output.contains("Online      process \(alice.processID)") && shown.output.contains("bob: connected (")
        )
        #expect(try await alice.end() == .code(0))
        #expect(try await listening.end() == .code(0))
        #expect(try await pair.alice.json(["status"]).events.last?.flag("session") == nil)
    }
}

extension LabProcess {
    fileprivate var hasMetSomebodyWhoWrites: Bool { lines.contains { Event($0.text)?.name == "message" } }
}

extension Array {
    /// The results for all elements, one after the other.
    func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
