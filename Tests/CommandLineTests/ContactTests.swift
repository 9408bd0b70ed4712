import Foundation
import NATLab
import TestTools
import Testing

@Suite struct ContactTests {
    /// An invite of somebody new.
    private func invite(_ folder: TemporaryFolder, name: String?) async throws -> String {
        let user = User(UUID().uuidString, in: folder)
        let options = name.map { ["--name", $0] } ?? []
        #expect(
            try await user.json(["init", "--server", "ws://127.0.0.1:9", "--no-passphrase"] + options).status
                == .code(0))
        return try #require(try await user.json(["invite"]).events.first?["uri"])
    }

    private static let names = [
        "Bob the Builder", #"Bob "the" O'Brien"#, "Zoë 🦊", "名前", "-c", "--json", "a/b:c", "$(rm -rf x) `id`", "x;y&z",
        "\\",
    ]

    @Test(arguments: names)
    func takesEveryHarmlessName(name: String) async throws {
        let pair = try await Common.shared.pair()
        let added = try await pair.alice.json(["add", try await invite(pair.folder, name: nil), "--as=\(name)"])
        #expect(added.status == .code(0) && added.events.first?["name"] == name, "\(added)")
        let listed = try await pair.alice.json(["contacts"])
        #expect(listed.events.map { $0["name"] } == ["bob", name])
        // What the program tells the user to type does what it says, in any shell.
        let shown = try await pair.alice.run(["verify", "--", name])
        let command = try #require(
            shown.output.split(separator: "\n").last?.split(separator: "sotto ", maxSplits: 1).last)
        let confirmed = try await pair.alice.shell("$sotto --json \(command)")
        #expect(
            confirmed.status == .code(0) && confirmed.events.first?.flag("verified") == true, "\(command) \(confirmed)")
        #expect(confirmed.events.first?["name"] == name)
    }

    @Test(arguments: ["", " x", "x ", "a\nb", "a\u{1B}[31m", "a\u{202E}b", String(repeating: "x", count: 65)])
    func refusesNamesThatCouldDeceive(name: String) async throws {
        let pair = try await Common.shared.pair()
        let before = try Snapshot(pair.alice.home)
        let outcome = try await pair.alice.json(["add", try await invite(pair.folder, name: "x"), "--as", name])
        #expect(
            outcome.status == .code(1) && outcome.error?["message"]?.contains("1 to 64 characters") == true,
            "\(outcome)")
        #expect(try before == Snapshot(pair.alice.home))
    }

    @Test func refusesWhatIsTakenOrKnownOrOneself() async throws {
        let pair = try await Common.shared.pair()
        let before = try Snapshot(pair.alice.home)
        let bobs = try #require(try await pair.bob.json(["invite"]).events.first?["uri"])
        let known = try await pair.alice.json(["add", bobs, "--as", "robert"])
        #expect(known.status == .code(1) && known.error?["message"] == "this identity is in your contacts as 'bob'")
        let taken = try await pair.alice.json(["add", try await invite(pair.folder, name: "bob")])
        #expect(taken.status == .code(1) && taken.error?["message"]?.contains("choose a name with --as") == true)
        let nameless = try await pair.alice.json(["add", try await invite(pair.folder, name: nil)])
        #expect(nameless.status == .code(1) && nameless.error?["message"]?.contains("choose one with --as") == true)
        #expect(try before == Snapshot(pair.alice.home))
        let own = try #require(try await pair.alice.json(["invite"]).events.first?["uri"])
        let oneself = try await pair.alice.json(["add", own])
        #expect(oneself.status == .code(1) && oneself.error?["message"] == "this is you yourself")
        #expect(try await pair.alice.json(["contacts"]).events.count == 1)
    }

    @Test(arguments: [["verify"], ["chat"], ["send"], ["ping"]])
    func saysWhoIsUnknownBeforeAnythingElse(command: [String]) async throws {
        let pair = try await Common.shared.pair()
        let text = command == ["send"] ? ["hello"] : []
        let outcome = try await pair.alice.json(command + ["carol"] + text)
        #expect(outcome.status == .code(1) && outcome.events.count == 1)
        #expect(outcome.error?["message"] == "no contact is called 'carol': 'sotto contacts' lists them")
    }

    /// `InviteTests` of the module Identity changes every character; this shows what the user gets to see.
    @Test func aChangedCharacterOfThePeerIDIsNoticed() async throws {
        let pair = try await Common.shared.pair()
        let before = try Snapshot(pair.alice.home)
        let text = Array(try await invite(pair.folder, name: "carol"))
        let end = try #require(text.firstIndex(of: "@"))
        let places = Array(stride(from: 0, to: end, by: 6))
        let changed = places.map { index in
            var other = text
            other[index] = text[index] == "q" ? "p" : "q"
            return "$sotto --json add '\(String(other))' --as c\(index); echo \"status $?\"\n"
        }
        let outcome = try await pair.alice.shell(changed.joined(), within: .seconds(60))
        let statuses = outcome.output.split(separator: "\n").filter { $0.hasPrefix("status") }
        #expect(statuses.count == places.count && Set(statuses) == ["status 1"])
        #expect(outcome.events.allSatisfy { $0["code"] == "invite" && $0["message"]?.contains("invite") == true })
        #expect(try before == Snapshot(pair.alice.home))
    }

    @Test(arguments: [
        "", "x", "sotto:", "sotto:x@y?t=z", "https://example.org",
        "sotto:sotto1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq@h?t=x",
    ])
    func refusesWhatIsNoInvite(text: String) async throws {
        let pair = try await Common.shared.pair()
        let outcome = try await pair.alice.json(["add", "--as", "x", "--", text])
        #expect(outcome.status == .code(1) && outcome.error?["code"] == "invite", "\(outcome)")
    }

    @Test func everyCutInviteIsRefused() async throws {
        let pair = try await Common.shared.pair()
        let text = try await invite(pair.folder, name: nil)
        for length in [10, 40, text.count - 30, text.count - 6, text.count - 4, text.count - 1] {
            let outcome = try await pair.alice.json(["add", String(text.prefix(length)), "--as", "x"])
            #expect(outcome.status == .code(1) && outcome.error?["code"] == "invite", "\(text.prefix(length))")
        }
    }

    @Test func bothSidesSeeTheSameSafetyNumber() async throws {
        let pair = try await Common.shared.pair()
        let alices = try await pair.alice.json(["verify", "bob"])
        let bobs = try await pair.bob.json(["verify", "alice"])
        let number = try #require(alices.events.first?["safety_number"])
        #expect(bobs.events.first?["safety_number"] == number && alices.events.first?.flag("verified") == false)
        let shown = try await pair.alice.run(["verify", "bob"])
        let groups = shown.output.split(separator: "\n").filter { $0.hasPrefix("    ") }.flatMap {
            $0.split(separator: " ")
        }
        #expect(groups.count == 12 && groups.allSatisfy { $0.count == 5 } && groups.joined() == number)
    }

    @Test func aMarkCanBeSetAndTakenBack() async throws {
        let pair = try await Common.shared.pair()
        for (option, verified) in [("--confirm", true), ("--confirm", true), ("--revoke", false), ("--revoke", false)] {
            #expect(try await pair.alice.json(["verify", "bob", option]).events.first?.flag("verified") == verified)
            #expect(try await pair.alice.json(["contacts"]).events.first?.flag("verified") == verified)
        }
        #expect(try await pair.alice.run(["contacts"]).output.hasPrefix("unverified  bob"))
    }

    @Test func drawsAnInviteAsAQRCodeWhenAsked() async throws {
        let pair = try await Common.shared.pair()
        let drawn = try await pair.alice.run(["invite", "--qr"])
        let plain = try await pair.alice.run(["invite"])
        #expect(drawn.output.contains("▀") && drawn.output.hasPrefix("sotto:sotto1"))
        #expect(plain.output.split(separator: "\n").count == 1 && plain.errors.isEmpty)
    }

    @Test func twoWhoChangeTheBookAtOnceBothSucceed() async throws {
        let pair = try await Common.shared.pair()
        let invites = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<6 { group.addTask { try await invite(pair.folder, name: "friend \(number)") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for invite in invites {
                group.addTask {
                    let added = try await pair.alice.json(["add", invite])
                    #expect(added.status == .code(0))
                }
            }
            try await group.waitForAll()
        }
        #expect(try await pair.alice.json(["contacts"]).events.count == 7)
    }
}
