import Foundation
import NIOCore
import SignalingClient
import SignalingServer
import TestTools
import Testing
import Wire

/// The built program, as scripts use it.
@Suite struct ProgramTests {
    private static func start(_ arguments: [String]) throws -> Program {
        // It lies beside the program that runs the tests.
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(filePath: tests).deletingLastPathComponent().appending(path: "sotto-signal").path
        // Nothing is kept in the home of whoever runs the tests.
        let program = try Program(path, arguments + ["--no-mailbox"])
        program.closeInput()
        return program
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func printsItsURLServesAndLeavesCleanly(signal: Int32) async throws {
        let run = try Self.start(["--listen", "127.0.0.1:0", "--stun", "127.0.0.1:0"])
        let line = try await run.line("--server ")
        let url = try ServerURL(String(try #require(line.split(separator: " ").last)))
        #expect(url.host.text == "127.0.0.1" && url.port != 0)
        #expect(try await run.line("STUN on UDP").contains("127.0.0.1 port "))
        let client = try await TestClient.loggedIn(url)
        run.signal(signal)
        #expect(try await client.disconnect().0 == .goAway)
        #expect(try await run.ending() == .code(0))
        #expect(!run.errors.contains("127.0.0.1") && !run.errors.contains(client.key.description))
    }

    @Test func aSecondSignalEndsItAtOnce() async throws {
        let run = try Self.start(["--listen", "127.0.0.1:0", "--stun", "off"])
        let line = try await run.line("--server ")
        let url = try ServerURL(String(try #require(line.split(separator: " ").last)))
        let raw = try await RawConnection.connect(try SocketAddress(ipAddress: url.host.text, port: Int(url.port)))
        try await raw.send(RawConnection.handshake)
        _ = try await raw.readHead()
        _ = try await raw.readFrame()
        // A client that does not leave holds the first up.
        run.signal(SIGTERM)
        guard case .goAway = try await raw.readFrame().signaling else { throw Unmet(description: "no GOAWAY") }
        run.signal(SIGTERM)
        #expect(try await run.ending() == .code(1))
    }

    @Test func saysInOneLineThatAPortIsInUse() async throws {
        try await withServer { server in
            let run = try Self.start(["--listen", "127.0.0.1:\(server.port)", "--stun", "off"])
            #expect(try await run.ending() == .code(1))
            #expect(run.errors == "sotto-signal: cannot listen on 127.0.0.1:\(server.port): the port is in use\n")
        }
    }

    private static let codes: [([String], Int32)] = [
        (["--bogus"], 64), (["--listen", "x"], 64), (["extra"], 64), (["--heartbeat", "x"], 64),
        (["--config", "/nonexistent"], 1), (["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], 1),
        (["--help"], 0),
    ]

    @Test(arguments: codes)
    func exitsWithTheRightCode(arguments: [String], code: Int32) async throws {
        #expect(try await Self.start(arguments).ending() == .code(code))
    }
}
