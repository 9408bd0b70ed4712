import Foundation
import NATLab
import NIOCore
import SignalingClient
import SignalingServer
import Testing
import Wire

/// The built program, as scripts use it.
@Suite struct ProgramTests {
    private struct Run: Sendable {
        let process: LabProcess

        init(_ arguments: [String]) throws {
            // It lies beside the program that runs the tests.
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let program = URL(filePath: tests).deletingLastPathComponent().appending(path: "sotto-signal").path
            process = try LabProcess.onThisMachine(program, arguments)
            process.closeInput()
        }

        func line(_ part: String) async throws -> String {
            try await process.firstOutput(part, within: .seconds(60)) { lines in
                lines.map(\.text).first { $0.contains(part) }
            }
        }

        func status() async throws -> NATLab.ExitStatus { try await process.exit(within: .seconds(60)) }

        /// What it wrote to standard error, once it has ended.
        var complaints: [Substring] { process.errorText.split(separator: "\n") }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func printsItsURLServesAndLeavesCleanly(signal: Int32) async throws {
        let run = try Run(["--listen", "127.0.0.1:0", "--stun", "127.0.0.1:0"])
        let line = try await run.line("--server ")
        let url = try ServerURL(String(try #require(line.split(separator: " ").last)))
        #expect(url.host.text == "127.0.0.1" && url.port != 0)
        #expect(try await run.line("STUN on UDP").contains("127.0.0.1 port "))
        let client = try await TestClient.loggedIn(url)
        run.process.signal(signal)
        #expect(try await client.disconnect().0 == .goAway)
        #expect(try await run.status() == .code(0))
        #expect(!run.complaints.contains { $0.contains("127.0.0.1") || $0.contains(client.key.description) })
    }

    @Test func aSecondSignalEndsItAtOnce() async throws {
        let run = try Run(["--listen", "127.0.0.1:0", "--stun", "off"])
        let line = try await run.line("--server ")
        let url = try ServerURL(String(try #require(line.split(separator: " ").last)))
        let raw = try await RawConnection.connect(try SocketAddress(ipAddress: url.host.text, port: Int(url.port)))
        try await raw.send(RawConnection.handshake)
        _ = try await raw.readHead()
        _ = try await raw.readFrame()
        // A client that does not leave holds the first up.
        run.process.signal(SIGTERM)
        guard case .goAway = try await raw.readFrame().signaling else { throw Unmet(description: "no GOAWAY") }
        run.process.signal(SIGTERM)
        #expect(try await run.status() == .code(1))
    }

    @Test func saysInOneLineThatAPortIsInUse() async throws {
        try await withServer { server in
            let run = try Run(["--listen", "127.0.0.1:\(server.port)", "--stun", "off"])
            #expect(try await run.status() == .code(1))
            #expect(
                run.complaints.first == "sotto-signal: cannot listen on 127.0.0.1:\(server.port): the port is in use"
            )
        }
    }

    private static let codes: [([String], Int32)] = [
        (["--bogus"], 64), (["--listen", "x"], 64), (["extra"], 64), (["--heartbeat", "x"], 64),
        (["--config", "/nonexistent"], 1), (["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], 1),
        (["--help"], 0),
    ]

    @Test(arguments: codes)
    func exitsWithTheRightCode(arguments: [String], code: Int32) async throws {
        #expect(try await Run(arguments).status() == .code(code))
    }
}
