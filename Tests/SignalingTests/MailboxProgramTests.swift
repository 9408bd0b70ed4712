import Foundation
import Identity
import NIOConcurrencyHelpers
import NIOCore
import SignalingServer
import TestTools
import Testing
import Wire

/// The built server with its mailbox, killed and short of disk.
@Suite struct MailboxProgramTests {
    private static let capability = [UInt8](repeating: 0xCA, count: 16)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("mailbox") }

    private static let program: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/sotto-signal"
    }()

    private static let arguments = ["--listen", "127.0.0.1:0", "--stun", "off", "--mails-per-second", "1000000"]

    private func start(_ more: [String] = []) async throws -> (Program, ServerURL) {
        let run = try Program(Self.program, Self.arguments + ["--data", folder.file("data")] + more)
        return (run, try await Self.url(run))
    }

    private static func url(_ run: Program) async throws -> ServerURL {
        let line = try await run.line("--server ")
        return try ServerURL(String(try #require(line.split(separator: " ").last)))
    }

    @Test func aKilledServerLosesNothingThatItConfirmed() async throws {
        let identity = try Identity.generate()
        var confirmed: [[UInt8]] = []
        for round in UInt8(0)..<5 {
            let (run, url) = try await start()
            let bob = try await MailClient(url, identity)
            if round == 0 { #expect(try await bob.take([Self.capability])) }
            bob.leave()
            let alice = try await MailClient(url)
            var asked: [UInt32: [UInt8]] = [:]
            for number in UInt8(0)..<200 {
                let envelope = [round, number] + [UInt8](repeating: number, count: 500)
                let request = try await alice.ask {
                    .mail(request: $0, recipient: identity.peerID.key, capability: Self.capability, envelope: envelope)
                }
                asked[request] = envelope
            }
            // In the middle of it, after a number of confirmations.
            let target = Int.random(in: 1...150)
            try await eventually("\(target) are stored") {
                alice.frames.count { if case .stored = $0 { true } else { false } } >= target
            }
            run.signal(SIGKILL)
            #expect(try await run.ending() == .signal(SIGKILL))
            confirmed += alice.frames.compactMap { frame in
                if case .stored(let request) = frame { asked[request] } else { nil }
            }
            alice.leave()
        }
        let (run, url) = try await start()
        let bob = try await MailClient(url, identity)
        let count = Int(try bob.info.waiting)
        #expect(count >= confirmed.count && confirmed.count >= 5)
        var got: [[UInt8]] = []
        while got.count < count {
            let before = got.count
            try await eventually("more mail") { bob.mails.count > before }
            let new = Array(bob.mails.dropFirst(before))
            try await bob.acknowledge(new)
            got += new.map(\.envelope)
        }
        #expect(Set(got).count == got.count && Set(confirmed).isSubset(of: got))
        // In the order of sending.
        let order = got.map { Int($0[0]) * 1_000 + Int($0[1]) }
        #expect(order == order.sorted())
        run.signal(SIGTERM)
        #expect(try await run.ending() == .code(0))
    }

    @Test func aSecondServerOnTheSameFolderIsRefused() async throws {
        let (run, _) = try await start()
        let second = try Program(Self.program, Self.arguments + ["--data", folder.file("data")])
        #expect(try await second.ending() == .code(1))
        #expect(
            second.errors
                == "sotto-signal: cannot use the mailbox in \(folder.file("data")): another server uses it\n")
        run.signal(SIGTERM)
        #expect(try await run.ending() == .code(0))
        // And then it is free.
        let (third, _) = try await start()
        third.signal(SIGTERM)
        #expect(try await third.ending() == .code(0))
    }

    @Test func saysInOneLineWhyTheFolderCannotBeUsed() async throws {
        let file = try folder.write("file", "x")
        let run = try Program(Self.program, Self.arguments + ["--data", file])
        #expect(try await run.ending() == .code(1))
        #expect(run.errors == "sotto-signal: cannot use the mailbox in \(file): it is no folder\n")
    }

    @Test func withoutAMailboxNothingIsWritten() async throws {
        let (run, url) = try await start(["--no-mailbox"])
        _ = try await TestClient.loggedIn(url)
        #expect(!FileManager.default.fileExists(atPath: folder.file("data")))
        run.signal(SIGTERM)
        #expect(try await run.ending() == .code(0))
    }

    @Test func theFolderIsTheOneOfSystemdOrOfTheUser() async throws {
        for (name, path) in [
            ("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "/sotto-signal"), ("HOME", "/.local/state/sotto-signal"),
        ] {
            let place = folder.file(name)
            let run = try Program(
                Self.program, Self.arguments, environment: [name: place, "PATH": "/usr/bin:/bin"])
            _ = try await Self.url(run)
            #expect(FileManager.default.fileExists(atPath: "\(place)\(path)/mailbox.sqlite"))
            run.signal(SIGTERM)
            #expect(try await run.ending() == .code(0))
        }
        let run = try Program(Self.program, Self.arguments, environment: ["PATH": "/usr/bin:/bin"])
        #expect(try await run.ending() == .code(1))
        #expect(run.errors.contains("--data DIR, or --no-mailbox"))
    }

    /// Whether a process may have mounts of its own here.
    private static func mayMount() async -> Bool {
        let run = try? Program("/usr/bin/unshare", ["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
        return (try? await run?.ending()) == .code(0)
    }

    @Test(.enabled("no user namespaces here: a full disk was NOT tried") { await mayMount() })
    func aServerWhoseDiskIsFullLivesOnAndRecovers() async throws {
        let data = folder.file("data")
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        // Somebody else fills the disk when told, and makes room again.
        let script = """
            mount -t tmpfs -o size=30m none '\(data)' && {
                while ! test -e '\(folder.file("fill"))'; do sleep 0.02; done; head -c 40000000 /dev/zero >'\(data)/ballast'
                touch '\(folder.file("filled"))'
                while ! test -e '\(folder.file("free"))'; do sleep 0.02; done; rm '\(data)/ballast'
            } 2>/dev/null & exec "$0" "$@"
            """
        let run = try Program(
            "/usr/bin/unshare",
            ["-Urm", "sh", "-c", script, Self.program]
                + Self.arguments + ["--data", data, "--mail-reserve-bytes", "0"])
        let url = try await Self.url(run)
        let (alice, bob) = (try await MailClient(url), try await MailClient(url))
        #expect(try await bob.take([Self.capability]))
        bob.leave()
        var stored: [[UInt8]] = []
        func store() async throws -> MailRefusal? {
            let envelope = [UInt8(stored.count & 0xFF)] + [UInt8](repeating: UInt8.random(in: 0...255), count: 20_000)
            let refusal = try await alice.mail(bob.key, Self.capability, envelope)
            if refusal == nil { stored.append(envelope) }
            return refusal
        }
        for _ in 0..<20 { #expect(try await store() == nil) }
        try folder.write("fill", "")
        try await eventually("it is full") { FileManager.default.fileExists(atPath: folder.file("filled")) }
        var refusal: MailRefusal?
        while refusal == nil, stored.count < 5_000 { refusal = try await store() }
        #expect(refusal == .storeTrouble)
        // Nothing that was confirmed is lost, and everybody is served.
        let there = try await MailClient(url, bob.identity)
        #expect(try await there.mails(stored.count).map(\.envelope) == stored)
        let acknowledged = there.mails
        try await there.acknowledge(acknowledged)
        #expect(try await store() != .unknownRecipient)
        try folder.write("free", "")
        try await eventually("it stores again") {
            try await alice.mail(bob.key, Self.capability, [42]) == nil
        }
        try await eventually("it arrives") { there.envelopes.contains([42]) }
        // What could not be deleted is deleted later.
        try await eventually("only what is new waits") {
            let http = try await RawConnection.connect(SocketAddress(ipAddress: "127.0.0.1", port: Int(url.port)))
            try await http.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let page = String(decoding: try await http.readToEnd(), as: UTF8.self)
            let line = page.split(separator: "\n").first { $0.hasPrefix("sotto_signal_mail_waiting ") }
            let waiting = try #require(Int(line?.split(separator: " ").last ?? ""))
            return waiting <= there.mails.count - acknowledged.count
        }
        #expect(run.errors.contains("the mailbox cannot store"))
        run.signal(SIGTERM)
        #expect(try await run.ending() == .code(0))
    }
}
