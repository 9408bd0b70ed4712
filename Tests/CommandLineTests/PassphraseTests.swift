import Foundation
import NATLab
import TestTools
import Testing

@Suite struct PassphraseTests {
    private let folder: TemporaryFolder
    private var user: User { User("home", in: folder) }

    init() throws { folder = try TemporaryFolder("cli") }

    private func initialize(_ options: [String]) async throws -> Outcome {
        try await user.json(["init", "--server", "ws://127.0.0.1"] + options)
    }

    @Test func sealsTheKeyAndOpensItWithNothingElse() async throws {
        let right = try folder.write("right", "correct horse\nsecond line")
        let wrong = try folder.write("wrong", "correct horsf\n")
        #expect(try await initialize(["--passphrase-file", right]).status == .code(0))
        let before = try Snapshot(user.home)

        let refused = try await user.json(["contacts", "--passphrase-file", wrong])
        #expect(refused.status == .code(1) && refused.error?["message"] == "wrong passphrase")
        let unasked = try await user.shell("setsid $sotto --json contacts")
        #expect(
            unasked.status == .code(1) && unasked.error?["message"]?.contains("--passphrase-file") == true, "\(unasked)"
        )
        #expect(try before == Snapshot(user.home))

        let opened = try await user.shell("$sotto invite --passphrase-fd 9 9< '\(right)'")
        #expect(opened.status == .code(0) && opened.output.hasPrefix("sotto:sotto1") && opened.errors.isEmpty)
        // Who may read the peer id needs no passphrase.
        #expect(try await user.json(["id"]).status == .code(0))
    }

    private static let unusable: [(String, String)] = [
        ("--passphrase-file /nonexistent", "cannot read the passphrase from /nonexistent: No such file or directory"),
        ("--passphrase-file /", "cannot read the passphrase from /: Is a directory"),
        ("--passphrase-file /dev/null", "the passphrase is empty"),
        ("--passphrase-fd 77", "cannot read the passphrase from descriptor 77: Bad file descriptor"),
        ("--passphrase-fd 7 7>&-", "cannot read the passphrase from descriptor 7: Bad file descriptor"),
        ("--passphrase-fd 0 0<&-", "the passphrase is empty"),
        ("--passphrase-fd 0", "the passphrase is empty"),
        ("--passphrase-fd 7 7</dev/zero", "the passphrase is longer than 1024 bytes"),
    ]

    @Test(arguments: unusable)
    func saysWhyThereIsNoPassphrase(source: String, message: String) async throws {
        let outcome = try await user.shell("$sotto --json init --server ws://127.0.0.1 \(source)", input: "\n")
        #expect(outcome.status == .code(1) && outcome.error?["code"] == "passphrase")
        #expect(outcome.error?["message"] == message)
        #expect(try Snapshot(user.home).isEmpty)
    }

    @Test func saysThatOthersCanReadThePassphraseFile() async throws {
        let file = try folder.write("open", "x")
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        let outcome = try await user.run(["init", "--server", "ws://127.0.0.1", "--passphrase-file", file])
        #expect(outcome.status == .code(0) && outcome.errors.contains("can be read by others"))
    }
}
