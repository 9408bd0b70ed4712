import Foundation
import NATLab
import TestTools
import Testing

/// What goes through the server's mailbox: messages for who is away, and requests of strangers.
@Suite struct MailboxTests {
    /// Two people who have met: each knows how to leave mail for the other.
    private func acquainted() async throws -> Pair {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        #expect(try await pair.alice.json(["send", "bob", "hello", "--wait", "delivered"]).status == .code(0))
        try await listening.event("message")
        #expect(try await listening.end() == .code(0))
        return pair
    }

    @Test func theServerKeepsAMessageForWhoIsAway() async throws {
        let pair = try await acquainted()
        let sent = try await pair.alice.json(["send", "bob", "while you were away"])
        #expect(sent.status == .code(0) && sent.error == nil, "\(sent)")
        let id = sent.events.first?["id"]
        #expect(sent.events.filter { $0["id"] == id }.map { $0["state"] } == ["queued", "sent"], "\(sent)")
        #expect(try await pair.alice.json(["send", "bob", "and more", "--wait", "sent"]).status == .code(0))
        let shown = try await pair.alice.run(["send", "bob", "the last"])
        #expect(shown.status == .code(0) && shown.output == "sent: the server keeps it until bob comes\n", "\(shown)")
        let unread = try await pair.alice.json(["history", "bob", "--limit", "3"])
        #expect(unread.events.map { $0["state"] } == ["sent", "sent", "sent"])
        let status = try await pair.alice.json(["status"])
        #expect(status.events.last?.number("mailed") ?? 0 >= 3, "\(status)")

        // Alice is gone; Bob comes, reads, and goes.
        let listening = try await pair.listening()
        try await listening.event("mailbox") { ($0.number("waiting") ?? 0) >= 3 }
        try await listening.event("message") { $0["text"] == "the last" }
        #expect(try await listening.end() == .code(0) && listening.problems == [])
        let texts = listening.lines.compactMap { Event($0.text) }.filter { $0.name == "message" }.map { $0["text"] }
        #expect(texts == ["while you were away", "and more", "the last"])
        // Alice hears of it when she comes.
        let alice = try pair.alice.start(["--json", "listen"])
        let last = unread.events.last?["id"]
        try await alice.event("state") { $0["id"] == last && ["delivered", "read"].contains($0["state"]) }
        #expect(try await alice.end() == .code(0) && alice.problems == [])
    }

    @Test func aChangeReachesWhoIsAway() async throws {
        let pair = try await acquainted()
        let id = try #require(try await pair.alice.json(["send", "bob", "a mistke"]).events.first?["id"])
        let edited = try await pair.alice.json(["edit", "bob", id, "a mistake"])
        #expect(edited.status == .code(0) && edited.events.last?["state"] == "sent", "\(edited)")
        let listening = try await pair.listening()
        try await listening.event("changed") { $0["id"] == id && $0["text"] == "a mistake" }
        #expect(try await listening.end() == .code(0) && listening.problems == [])
    }

    @Test func aStrangerAsksAndIsAccepted() async throws {
        let pair = try await acquainted()
        let server = try await Common.shared.runningServer()
        let carol = User("carol", in: pair.folder)
        let begun = try await carol.json(["init", "--server", server.url, "--no-passphrase", "--name", "Carol"])
        #expect(begun.status == .code(0))
        let bobsID = try #require(try await pair.bob.json(["id"]).events.first?["peer"])
        let asked = try await carol.json(["request", bobsID, "--as", "Robert", "--greeting", "we met at the lake"])
        #expect(asked.status == .code(0))
        let asking = try carol.start(["--json", "listen"])
        try await asking.event("mailbox")

        let listening = try await pair.listening()
        let request = try await listening.event("request")
        #expect(request["name"] == "Carol" && request["greeting"] == "we met at the lake")
        #expect(try await pair.bob.json(["contacts"]).events.last?["state"] == "requests")
        let early = try await pair.bob.json(["send", "Carol", "x"])
        #expect(early.error?["message"]?.contains("'sotto accept' answers") == true, "\(early)")
        let accepted = try await pair.bob.json(["accept", "Carol", "--as", "Carol from the lake"])
        #expect(accepted.status == .code(0) && accepted.events.first?["state"] == "contact", "\(accepted)")
        try await asking.event("contact") { $0["name"] == "Robert" && $0["state"] == "contact" }
        try asking.write("{\"to\":\"Robert\",\"send\":\"thank you\"}\n")
        let message = try await listening.event("message") { $0["text"] == "thank you" }
        #expect(message["contact"] == "Carol from the lake")
        #expect(try await asking.end() == .code(0) && asking.problems == [])
        #expect(try await listening.end() == .code(0) && listening.problems == [])
    }

    @Test func whoIsBlockedLeavesNoMail() async throws {
        let pair = try await acquainted()
        #expect(try await pair.bob.json(["block", "alice"]).status == .code(0))
        let listening = try await pair.listening()
        try await listening.event("mailbox")
        #expect(try await listening.end() == .code(0))
        let sent = try await pair.alice.json(["send", "bob", "please", "--timeout", "4"])
        #expect(sent.status == .code(0) && !sent.events.contains { $0["state"] == "sent" }, "\(sent)")
        let again = try await pair.listening()
        try await again.event("mailbox")
        #expect(try await again.end() == .code(0) && !again.hasMetAnybody)
    }
}
