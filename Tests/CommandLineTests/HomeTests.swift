import Foundation
import NATLab
import TestTools
import Testing

/// What can be wrong with the files: a clear message, exit status 1, and the files stay as they were.
@Suite struct HomeTests {
    enum Damage: CaseIterable {
        case missing, empty, truncated, flipped, garbage, huge, folder

        func apply(to file: String) throws {
            let url = URL(filePath: file)
            var bytes = try Data(contentsOf: url)
            switch self {
            case .missing: return try FileManager.default.removeItem(at: url)
            case .empty: bytes = Data()
            case .truncated: bytes = bytes.dropLast(5)
            case .flipped: bytes[bytes.count - 20] ^= 1
            case .garbage: bytes = Data("This was a key once.".utf8)
            case .huge: bytes = Data(count: 9 << 20)
            case .folder:
                try FileManager.default.removeItem(at: url)
                return try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            }
            try bytes.write(to: url)
        }
    }

    private static let commands = [["contacts"], ["invite"], ["verify", "bob", "--confirm"], ["send", "bob", "x"]]

    @Test(arguments: Damage.allCases)
    func saysThatTheKeyIsDamaged(damage: Damage) async throws {
        let pair = try await Common.shared.pair()
        let file = "\(pair.alice.home)/identity.key"
        try damage.apply(to: file)
        let before = damage == .folder ? nil : try Snapshot(pair.alice.home)
        for command in Self.commands + [["id"]] {
            // The peer id is readable without the secret behind it.
            if command == ["id"], damage == .flipped || damage == .truncated { continue }
            let outcome = try await pair.alice.json(command)
            let code = outcome.error?["code"] ?? "none"
            #expect(
                outcome.status == .code(1) && ["damaged", "not-initialized", "system"].contains(code), "\(outcome)")
            #expect(outcome.error?["message"]?.contains(damage == .missing ? pair.alice.home : file) == true)
        }
        if let before { #expect(try before == Snapshot(pair.alice.home)) }
    }

    /// Damage inside is what `sotto check` finds.
    @Test(arguments: [Damage.missing, .empty, .garbage, .huge, .folder])
    func saysThatTheVaultIsDamaged(damage: Damage) async throws {
        let pair = try await Common.shared.pair()
        let file = "\(pair.alice.home)/vault.sqlite"
        try damage.apply(to: file)
        let before = damage == .folder ? nil : try Snapshot(pair.alice.home)
        for command in Self.commands + [["listen"], ["netcheck"], ["init", "--server", "ws://h", "--no-passphrase"]] {
            let outcome = try await pair.alice.json(command)
            let code = outcome.error?["code"] ?? "none"
            #expect(outcome.status == .code(1), "\(outcome)")
            #expect(code == (command[0] == "init" ? "already-initialized" : "storage"), "\(outcome)")
            if code == "storage" { #expect(outcome.error?["cause"] == "damaged", "\(outcome)") }
        }
        if let before { #expect(try before == Snapshot(pair.alice.home)) }
    }

    @Test func neverMakesAnIdentityOverAnother() async throws {
        let pair = try await Common.shared.pair()
        let before = try Snapshot(pair.alice.home)
        let outcome = try await pair.alice.json(["init", "--server", "ws://192.0.2.1", "--no-passphrase"])
        #expect(outcome.status == .code(1) && outcome.error?["code"] == "already-initialized")
        #expect(try before == Snapshot(pair.alice.home))
    }

    @Test(arguments: ["/dev/null", "/dev/null/x", "/proc/nowhere"])
    func saysWhyAHomeCannotBeMade(home: String) async throws {
        let outcome = try await User(home: home, in: TemporaryFolder("cli")).json([
            "init", "--server", "ws://h", "--no-passphrase",
        ])
        #expect(outcome.status == .code(1) && outcome.error?["code"] == "system")
        #expect(outcome.error?["message"]?.hasPrefix("cannot create ") == true, "\(outcome)")
    }

    @Test func theKeyIsForItsOwnerAlone() async throws {
        let pair = try await Common.shared.pair()
        for name in ["", "identity.key", "vault.sqlite"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(pair.alice.home)/\(name)")
            let mode = try #require(attributes[.posixPermissions] as? NSNumber).intValue
            #expect(mode & 0o077 == 0, "\(name)")
        }
    }

    // MARK: Disks that do not take anything

    /// Runs a script, as root of a user namespace, with a file system of its own in `$disk`.
    private func onDisk(size: String, _ script: String, _ pair: Pair) async throws -> Outcome? {
        let disk = "\(pair.folder.path)/disk"
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
        let setUp =
            "mount -t tmpfs -o size=\(size) disk '\(disk)' && echo mounted >&2 && cp -r \"$SOTTO_HOME\" '\(disk)/home'\n"
        let all = "export disk='\(disk)' SOTTO_HOME='\(pair.alice.home)' sotto='\(Programs.sotto)'\n\(setUp)\(script)"
        let outcome = try await Shell.finish(
            "/usr/bin/env", ["unshare", "-Urm", "sh", "-c", all], input: "", within: .seconds(60))
        guard outcome.errors.contains("mounted") else {
            print("SKIPPED: no file system of our own here: \(outcome.errors)")
            return nil
        }
        return outcome
    }

    @Test func aFullDiskLosesNothing() async throws {
        let pair = try await Common.shared.pair()
        let script = """
            $sotto --home $disk/home --json send bob before --wait queued; echo "status $?"
            dd if=/dev/zero of=$disk/filler bs=1k 2>/dev/null
            $sotto --home $disk/home --json send bob "$(head -c 60000 /dev/zero | tr '\\0' x)" --wait queued; echo "status $?"
            $sotto --home $disk/new --json init --server ws://h --no-passphrase; echo "status $?"
            rm $disk/filler
            ls $disk/home $disk/new
            $sotto --home $disk/home --json history bob; echo "status $?"
            $sotto --home $disk/home --json check; echo "status $?"
            $sotto --home $disk/home --json send bob after --wait queued; echo "status $?"
            $sotto --home $disk/new --json init --server ws://h --no-passphrase; echo "status $?"
            """
        guard let outcome = try await onDisk(size: "512k", script, pair) else { return }
        let lines = outcome.output.split(separator: "\n").map { String($0) }
        #expect(
            lines.filter { $0.hasPrefix("status") }
                == ["status 0", "status 1", "status 1", "status 0", "status 0", "status 0", "status 0"], "\(outcome)")
        let failures = outcome.events.filter { $0.name == "error" }
        #expect(failures.first?["code"] == "storage" && failures.first?["cause"] == "disk-full", "\(outcome)")
        #expect(!lines.contains { $0.hasSuffix(".new") }, "\(outcome)")
        #expect(outcome.events.filter { $0.name == "message" }.map { $0["text"] } == ["before"], "\(outcome)")
    }

    @Test func aReadOnlyHomeIsSaidToBeSo() async throws {
        let pair = try await Common.shared.pair()
        let script = """
            mount -o remount,ro disk $disk
            $sotto --home $disk/home --json id; echo "status $?"
            for command in contacts invite "verify bob --confirm" listen "send bob x"; do
                $sotto --home $disk/home --json $command; echo "status $?"
            done
            """
        guard let outcome = try await onDisk(size: "512k", script, pair) else { return }
        let statuses = outcome.output.split(separator: "\n").filter { $0.hasPrefix("status") }
        #expect(statuses == ["status 0"] + [Substring](repeating: "status 1", count: 5), "\(outcome)")
        let failures = outcome.events.filter { $0.name == "error" }
        #expect(
            failures.count == 5 && failures.allSatisfy { $0["code"] == "storage" && $0["cause"] == "read-only" },
            "\(outcome)")
    }
}
