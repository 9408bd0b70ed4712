import Foundation
import NATLab
import TestTools
import Testing

/// Copies, passphrases, settings, and the end of a home.
@Suite struct KeepingTests {
    @Test func anExportIsTakenInByAnotherHome() async throws {
        let pair = try await Common.shared.pair()
        for text in ["one", "two"] {
            #expect(try await pair.alice.json(["send", "bob", text, "--wait", "queued"]).status == .code(0))
        }
        #expect(try await pair.alice.json(["verify", "bob", "--confirm"]).status == .code(0))
        let secret = try pair.folder.write("secret", "open sesame\n")
        let wrong = try pair.folder.write("wrong", "open barley\n")
        let file = pair.folder.file("export")
        let written = try await pair.alice.json(["export", file, "--archive-passphrase-file", secret])
        #expect(
            written.events.first?.number("contacts") == 1 && written.events.first?.number("messages") == 2, "\(written)"
        )
        let again = try await pair.alice.json(["export", file, "--archive-passphrase-file", secret])
        #expect(again.status == .code(1) && again.error?["code"] == "exists")

        let other = User("other", in: pair.folder)
        #expect(try await other.json(["init", "--server", "ws://127.0.0.1:9", "--no-passphrase"]).status == .code(0))
        let refused = try await other.json(["import", file, "--archive-passphrase-file", wrong])
        #expect(refused.status == .code(1) && refused.error?["code"] == "passphrase", "\(refused)")
        let noise = try pair.folder.write("noise", String(repeating: "x", count: 500))
        #expect(
            try await other.json(["import", noise, "--archive-passphrase-file", secret]).error?["code"] == "archive")
        #expect(
            try await other.json(["import", "/nonexistent", "--archive-passphrase-file", secret]).error?["code"]
                == "archive")
        let taken = try await other.json(["import", file, "--archive-passphrase-file", secret])
        #expect(taken.status == .code(0) && taken.events.first?.number("messages") == 2, "\(taken)")
        #expect(try await other.json(["history", "bob"]).events.map { $0["text"] } == ["one", "two"])
        // Whoever wrote the file may say anything about others.
        #expect(try await other.json(["contacts"]).events.first?.flag("verified") == false)
        let repeated = try await other.json(["import", file, "--archive-passphrase-file", secret])
        #expect(repeated.events.first?.number("messages") == 0 && repeated.events.first?.number("known") == 3)
    }

    @Test func aBackupReplacesALostHome() async throws {
        let pair = try await Common.shared.onlinePair()
        let bob = try await pair.listening()
        #expect(try await pair.alice.json(["send", "bob", "before", "--wait", "delivered"]).status == .code(0))
        let alice = try pair.alice.start(["--json", "listen"])
        try await alice.event("ready")
        // Also while it is in use.
        let copy = User("copy", in: pair.folder)
        #expect(try await pair.alice.json(["backup", copy.home]).status == .code(0))
        let again = try await pair.alice.json(["backup", copy.home])
        #expect(again.status == .code(1) && again.error?["code"] == "exists", "\(again)")
        #expect(try await alice.end() == .code(0))
        #expect(try await pair.alice.json(["send", "bob", "after", "--wait", "delivered"]).status == .code(0))
        // The home is lost, and the copy goes on.
        let sent = try await copy.json(["send", "bob", "from the backup", "--wait", "delivered"])
        #expect(sent.status == .code(0) && sent.events.contains { $0["kind"] == "restored" }, "\(sent)")
        try await bob.event("message") { $0["text"] == "from the backup" }
        try bob.write("{\"to\":\"alice\",\"send\":\"welcome back\"}\n")
        let back = try copy.start(["--json", "listen"])
        try await back.event("message") { $0["text"] == "welcome back" }
        #expect(try await back.end() == .code(0))
        #expect(try await bob.end() == .code(0))
        #expect(try await copy.json(["check"]).events.first?.number("problems") == 0)
    }

    @Test func checkFindsWhatIsDamaged() async throws {
        let pair = try await Common.shared.pair()
        for number in 0..<20 {
            let text = String(repeating: "\(number) ", count: 2000)
            #expect(try await pair.alice.json(["send", "bob", text, "--wait", "queued"]).status == .code(0))
        }
        let whole = try await pair.alice.json(["check"])
        #expect(whole.status == .code(0) && whole.events.first?.number("problems") == 0, "\(whole)")
        let url = URL(filePath: "\(pair.alice.home)/vault.sqlite")
        var bytes = try Data(contentsOf: url)
        for index in stride(from: bytes.count * 6 / 10, to: bytes.count, by: 2000) { bytes[index] ^= 1 }
        try bytes.write(to: url)
        let damaged = try await pair.alice.json(["check"])
        #expect(
            damaged.status == .code(1) && damaged.error?["code"] == "storage" && damaged.error?["cause"] == "damaged")
        #expect(damaged.events.contains { $0.name == "problem" }, "\(damaged)")
    }

    @Test func changesThePassphrase() async throws {
        let folder = try TemporaryFolder("cli")
        let user = User("home", in: folder)
        let (old, new) = (try folder.write("old", "old one\n"), try folder.write("new", "new one\n"))
        #expect(
            try await user.json(["init", "--server", "ws://127.0.0.1", "--passphrase-file", old]).status == .code(0))
        let refused = try await user.json(["passphrase", "--passphrase-file", new, "--new-passphrase-file", new])
        #expect(refused.status == .code(1) && refused.error?["code"] == "passphrase")
        let changed = try await user.json(["passphrase", "--passphrase-file", old, "--new-passphrase-file", new])
        #expect(changed.status == .code(0) && changed.events.first?.flag("sealed") == true, "\(changed)")
        #expect(try await user.json(["contacts", "--passphrase-file", old]).error?["message"] == "wrong passphrase")
        #expect(try await user.json(["contacts", "--passphrase-file", new]).status == .code(0))
        #expect(try await user.json(["passphrase", "--passphrase-file", new, "--remove"]).status == .code(0))
        #expect(try await user.json(["contacts"]).status == .code(0))
        #expect(try await user.json(["check"]).status == .code(0))
        let asked = try await user.shell("setsid $sotto --json passphrase")
        #expect(asked.error?["message"]?.contains("--new-passphrase-file") == true, "\(asked)")
    }

    @Test func erasesEverything() async throws {
        let pair = try await Common.shared.onlinePair()
        let unsure = try await pair.alice.shell("setsid $sotto --json erase")
        #expect(unsure.status == .code(1) && unsure.error?["code"] == "not-confirmed", "\(unsure)")
        let listening = try pair.alice.start(["--json", "listen"])
        try await listening.event("ready")
        let busy = try await pair.alice.json(["erase", "--yes"])
        #expect(busy.status == .code(1) && busy.error?["code"] == "in-use", "\(busy)")
        #expect(try await listening.end() == .code(0))
        #expect(try await pair.alice.json(["erase", "--yes"]).events.map(\.name) == ["erased"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: pair.alice.home).isEmpty)
        #expect(try await pair.alice.json(["contacts"]).error?["code"] == "not-initialized")
        #expect(try await pair.alice.json(["erase", "--yes"]).error?["code"] == "not-initialized")
    }

    @Test func settingsAreKept() async throws {
        let pair = try await Common.shared.pair()
        let before = try await pair.alice.json(["settings"])
        #expect(before.events.map { $0["name"] } == ["name", "server", "typing", "read-receipts"], "\(before)")
        #expect(before.events.map { $0["value"] }.suffix(2) == ["on", "on"] && before.events[0]["value"] == "alice")
        for (name, value) in [
            ("name", "Alice B."), ("server", "wss://chat.example.org"), ("typing", "off"), ("read-receipts", "off"),
        ] {
            let set = try await pair.alice.json(["settings", name, value])
            #expect(set.events.map { $0["value"] } == [value], "\(set)")
        }
        #expect(
            try await pair.alice.json(["settings"]).events.map { $0["value"] }
                == ["Alice B.", "wss://chat.example.org", "off", "off"])
        #expect(try await pair.alice.json(["settings", "name", " x"]).error?["code"] == "contact")
        let invite = try #require(try await pair.alice.json(["invite"]).events.first?["uri"])
        #expect(invite.contains("@chat.example.org?") && invite.contains("n=Alice%20B."))
    }

    /// A home that was made before there was a vault: its key, and its contact book with one verified contact.
    private static let oldKey =
        ""
        + "U09UVE9LRVkBAL28pb7yl5AqNe2KFjpJMqTR+c1U76I3Vie4j4Zlh46HdmJG1yKGP4Sba9pX5aHhG0sTXDr9cG1rNM2c5JKL"
        + "s8mv1bUDKeIoTfwOWrd/VLV5ZVBOTzyQZ/LCccma5O2aZA=="
    private static let oldBook =
        ""
        + "U09UVE9CSwEAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhfocymV8dZllUffPiILJoQO1aBSTKvT8TPOFdY+udWQb/pYt1ex4XEh"
        + "hv3PZR8GZ4tEKVJ66uRs80f3poM9Gs7TVvoetl449b5zTSVQz0tWdeuLvTkwwNv+UmudalGdFskSyadSeU37JOFN1igu5cyA"
        + "9zZ7sdxzEbnNatbajwIu62DiPUuP5CQKn5sTgvWB8QSbAlhUodjPZ1UtL/HHKk2quQFqDbJD8no2rwQRB60R9L+EtHumB+32"
        + "jBnm6mJvqfui3mFQOg4BFM4QhLcPIT7Z9KxxkLmcHTtJrZc1oWGLp5pwGSQ7bQ=="

    @Test func anOlderHomeIsTakenOverOnce() async throws {
        let folder = try TemporaryFolder("cli")
        let user = User("home", in: folder)
        try FileManager.default.createDirectory(
            atPath: user.home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for (name, content) in [("identity.key", Self.oldKey), ("book.sealed", Self.oldBook)] {
            let file = "\(user.home)/\(name)"
            try #require(Data(base64Encoded: content)).write(to: URL(filePath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        }
        let first = try await user.json(["contacts"])
        #expect(first.status == .code(0) && first.events.first?["name"] == "Bob", "\(first)")
        #expect(first.events.first?.flag("verified") == true && first.errors.contains("moved into the vault"))
        #expect(!FileManager.default.fileExists(atPath: "\(user.home)/book.sealed"))
        let second = try await user.json(["settings"])
        #expect(
            second.status == .code(0) && second.errors.isEmpty && second.events.first?["value"] == "me", "\(second)")
    }
}
