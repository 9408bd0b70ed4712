import Foundation
import NATLab
import TestTools
import Testing

/// Requests, blocking, names, invites and verification, as far as they are decided on this device.
@Suite struct PeopleTests {
    private func stranger(_ pair: Pair) async throws -> String {
        let user = User(UUID().uuidString, in: pair.folder)
        #expect(
            try await user.json(["init", "--server", "ws://127.0.0.1:9", "--no-passphrase"]).status == .code(0))
        return try #require(try await user.json(["id"]).events.first?["peer"])
    }

    @Test func asksAStranger() async throws {
        let pair = try await Common.shared.pair()
        let peer = try await stranger(pair)
        let asked = try await pair.alice.json(["request", peer, "--as", "carol", "--greeting", "it is me"])
        #expect(asked.status == .code(0) && asked.events.first?["state"] == "requested", "\(asked)")
        #expect(try await pair.alice.json(["contacts"]).events.map { $0["state"] } == ["contact", "requested"])
        let shown = try await pair.alice.run(["contacts"])
        #expect(shown.output.contains("requested   carol"), "\(shown)")
        for (arguments, code) in [
            ([peer], "contact"), (["sotto1x", "--as", "x"], "contact"), (["sotto:x", "--as", "x"], "invite"),
            ([peer, "--as", "carol", "--greeting", String(repeating: "x", count: 129)], "message"),
            ([peer, "--as", "bob"], "contact"),
        ] {
            let refused = try await pair.alice.json(["request"] + arguments)
            #expect(refused.status == .code(1) && refused.error?["code"] == code, "\(arguments) \(refused)")
        }
        let own = try #require(try await pair.alice.json(["id"]).events.first?["peer"])
        #expect(try await pair.alice.json(["request", own, "--as", "me"]).error?["message"] == "this is you yourself")
        let early = try await pair.alice.json(["accept", "carol"])
        #expect(early.error?["message"] == "'carol' has not asked to become a contact", "\(early)")
    }

    @Test func blocksAndLetsInAgain() async throws {
        let pair = try await Common.shared.onlinePair()
        #expect(try await pair.alice.json(["send", "bob", "waits", "--wait", "queued"]).status == .code(0))
        let blocked = try await pair.alice.json(["block", "bob"])
        #expect(blocked.events.first?["state"] == "blocked")
        #expect(try await pair.alice.json(["history", "bob"]).events.map { $0["state"] } == ["failed"])
        for command in [
            ["send", "bob", "x"], ["chat", "bob"], ["ping", "bob"], ["react", "bob", "\(UUID().hex)", "x"],
        ] {
            let refused = try await pair.alice.json(command)
            #expect(refused.status == .code(1) && refused.error?["message"]?.contains("you have blocked 'bob'") == true)
        }
        // Who is blocked meets nobody.
        let listening = try pair.alice.start(["--json", "listen"])
        try await listening.event("ready")
        let sent = try await pair.bob.json(["send", "alice", "let me in", "--wait", "delivered", "--timeout", "2"])
        #expect(sent.status == .code(1) && !sent.events.contains { $0["state"] == "online" }, "\(sent)")
        #expect(!listening.hasMetAnybody)
        // The program that is online hears of it.
        let back = try await pair.alice.json(["unblock", "bob"])
        #expect(back.status == .code(0) && back.events.first?["state"] == "contact", "\(back)")
        #expect(try await pair.bob.json(["send", "alice", "thanks", "--wait", "delivered"]).status == .code(0))
        try await listening.event("message") { $0["text"] == "let me in" }
        try await listening.event("message") { $0["text"] == "thanks" }
        #expect(try await listening.end() == .code(0))
        #expect(try await pair.alice.json(["unblock", "bob"]).error?["message"] == "'bob' is not blocked")
    }

    @Test func renamesAndForgets() async throws {
        let pair = try await Common.shared.pair()
        #expect(try await pair.alice.json(["send", "bob", "secret", "--wait", "queued"]).status == .code(0))
        let renamed = try await pair.alice.json(["rename", "bob", "Robert"])
        #expect(renamed.status == .code(0) && renamed.events.first?["name"] == "Robert", "\(renamed)")
        #expect(try await pair.alice.json(["history", "Robert"]).events.map { $0["contact"] } == ["Robert"])
        #expect(try await pair.alice.json(["rename", "Robert", "a\nb"]).error?["code"] == "contact")
        #expect(try await pair.alice.json(["rename", "bob", "x"]).error?["code"] == "contact")
        let unsure = try await pair.alice.shell("setsid $sotto --json remove Robert")
        #expect(unsure.status == .code(1) && unsure.error?["code"] == "not-confirmed", "\(unsure)")
        #expect(try await pair.alice.json(["remove", "Robert", "--yes"]).events.map(\.name) == ["removed"])
        #expect(try await pair.alice.json(["contacts"]).events.isEmpty)
        #expect(try await pair.alice.json(["search", "secret"]).events.isEmpty)
    }

    // MARK: Invites

    @Test func anInviteForOneAdmitsOne() async throws {
        let pair = try await Common.shared.onlinePair()
        let server = try await Common.shared.runningServer()
        let made = try await pair.bob.json(["invite", "--once", "--label", "for carol", "--expires", "2h"])
        let uri = try #require(made.events.first?["uri"])
        let listening = try await pair.listening()
        for (name, isAdmitted) in [("carol", true), ("dave", false)] {
            let user = User(name, in: pair.folder)
            #expect(
                try await user.json(["init", "--server", server.url, "--no-passphrase", "--name", name]).status
                    == .code(0))
            #expect(try await user.json(["add", uri]).status == .code(0))
            let sent = try await user.json([
                "send", "bob", "from \(name)", "--wait", "delivered", "--timeout", isAdmitted ? "30" : "2",
            ])
            #expect(sent.status == .code(isAdmitted ? 0 : 1), "\(sent)")
        }
        #expect(try await listening.end() == .code(0))
        let invites = try await pair.bob.json(["invites"])
        let used = try #require(invites.events.first { $0["label"] == "for carol" })
        #expect(used["state"] == "used" && used.number("uses") == 1 && used.flag("once") == true)
        #expect(try await pair.bob.json(["contacts"]).events.map { $0["name"] } == ["alice", "carol"])
    }

    @Test func anInviteCanBeTakenBack() async throws {
        let pair = try await Common.shared.pair()
        let made = try await pair.bob.json(["invite", "--label", "for the wall"])
        let id = try #require(made.events.first?["id"])
        let shown = try await pair.bob.run(["invites"])
        #expect(
            shown.output.contains("\(id.prefix(8))  open, until ") && shown.output.contains("for the wall"), "\(shown)")
        let revoked = try await pair.bob.json(["invites", "--revoke", String(id.prefix(6))])
        #expect(revoked.events.map { $0["state"] } == ["revoked"] && revoked.events.first?["id"] == id)
        for wrong in ["nothing", "", "00"] {
            let outcome = try await pair.bob.json(["invites", "--revoke", wrong])
            #expect(outcome.status == .code(1) && outcome.error?["code"] == "invite", "\(outcome)")
        }
    }

    // MARK: Verification

    @Test func aScannedCodeVerifies() async throws {
        let pair = try await Common.shared.pair()
        let bobs = try #require(try await pair.bob.json(["verify", "alice"]).events.first?["verification_code"])
        let own = try #require(try await pair.alice.json(["verify", "bob"]).events.first?["verification_code"])
        let peer = try await stranger(pair)
        let alicesID = try #require(try await pair.alice.json(["id"]).events.first?["peer"])
        for wrong in [own, "sotto-verify:\(peer)/\(alicesID)", "x", "sotto-verify:/", bobs + "x"] {
            let refused = try await pair.alice.json(["verify", "bob", "--scan", wrong])
            #expect(refused.status == .code(1) && refused.error?["code"] == "verification", "\(refused)")
            #expect(try await pair.alice.json(["contacts"]).events.first?.flag("verified") == false)
        }
        let verified = try await pair.alice.json(["verify", "bob", "--scan", bobs])
        #expect(verified.status == .code(0) && verified.events.first?.flag("verified") == true, "\(verified)")
        let drawn = try await pair.bob.run(["verify", "alice", "--qr"])
        #expect(drawn.output.contains("▀") && drawn.output.contains(bobs))
    }
}

extension UUID {
    /// 32 hexadecimal digits.
    fileprivate var hex: String { uuidString.replacing("-", with: "").lowercased() }
}
