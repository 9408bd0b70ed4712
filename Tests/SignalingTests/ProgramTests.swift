import Foundation
import NIOCore
import SignalingClient
import SignalingServer
import Testing
import Wire

/// The built program, as scripts use it.
@Suite struct ProgramTests {
    private final class Run: Sendable {
        let process = Process()
        let output = Recorder<String>()
        let complaints = Recorder<String>()

        init(_ arguments: [String]) throws {
            // It lies beside the program that runs the tests.
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            process.executableURL = URL(filePath: tests).deletingLastPathComponent().appending(path: "sotto-signal")
            process.arguments = arguments
            process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SOTTO_SIGNAL_") }
            process.standardOutput = Self.pipe(into: output)
            process.standardError = Self.pipe(into: complaints)
            try process.run()
        }

        private static func pipe(into lines: Recorder<String>) -> Pipe {
            let pipe = Pipe()
            pipe.fileHandleForReading.readabilityHandler = { handle in
                let data = handle.availableData
                guard !data.isEmpty else {
                    handle.readabilityHandler = nil
                    return
                }
                for line in String(decoding: data, as: UTF8.self).split(separator: "\n") { lines.append(String(line)) }
            }
            return pipe
        }

        deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

        func line(_ part: String) async throws -> String {
            try await output.next(part, within: 30) { $0.contains(part) ? $0 : nil }
        }

        func status() async throws -> Int32 {
            try await eventually("exit", within: 30) { [process] in !process.isRunning }
            return process.terminationStatus
        }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func printsItsURLServesAndLeavesCleanly(signal: Int32) async throws {
        let run = try Run(["--listen", "127.0.0.1:0", "--stun", "127.0.0.1:0"])
        let line = try await run.line("--server ")
        let url = try ServerURL(String(try #require(line.split(separator: " ").last)))
        #expect(url.host.text == "127.0.0.1" && url.port != 0)
        #expect(try await run.line("STUN on UDP").contains("127.0.0.1 port "))
        let client = try await TestClient.loggedIn(url)
        kill(run.process.processIdentifier, signal)
        #expect(try await client.disconnect().0 == .goAway)
        #expect(try await run.status() == 0)
        #expect(!run.complaints.all.contains { $0.contains("127.0.0.1") || $0.contains(client.key.description) })
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
        kill(run.process.processIdentifier, SIGTERM)
        guard case .goAway = try await raw.readFrame().signaling else { throw Unmet(description: "no GOAWAY") }
        kill(run.process.processIdentifier, SIGTERM)
        #expect(try await run.status() == 1)
    }

    @Test func saysInOneLineThatAPortIsInUse() async throws {
        try await withServer { server in
            let run = try Run(["--listen", "127.0.0.1:\(server.port)", "--stun", "off"])
            #expect(try await run.status() == 1)
            let complaint = try await run.complaints.next("complaint", within: 10) { $0 }
            #expect(complaint == "sotto-signal: cannot listen on 127.0.0.1:\(server.port): the port is in use")
        }
    }

    private static let codes: [([String], Int32)] = [
        (["--bogus"], 64), (["--listen", "x"], 64), (["extra"], 64), (["--heartbeat", "x"], 64),
        (["--config", "/nonexistent"], 1), (["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], 1),
        (["--help"], 0),
    ]

    @Test(arguments: codes)
    func exitsWithTheRightCode(arguments: [String], code: Int32) async throws {
        #expect(try await Run(arguments).status() == code)
    }
}
