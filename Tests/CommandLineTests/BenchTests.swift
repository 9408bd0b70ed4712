import Foundation
import NATLab
import Testing

/// `sotto bench` against `sotto listen --bench`, with the real programs.
@Suite struct BenchTests {
    private static let figures = [
        "gbit_per_s", "cpu_s_per_gib", "rtt_us_p50", "rtt_us_p99", "round_trips", "upload_gbit_per_s",
        "download_gbit_per_s", "upload_cpu_s_per_gib", "download_cpu_s_per_gib", "own_cpu_s_per_gib",
        "peer_cpu_s_per_gib", "bytes", "seconds", "memory_mb", "peer_memory_mb", "packets_sent", "packet_bytes_sent",
    ]

    @Test(arguments: ["relay", "direct"])
    func measures(path: String) async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening(["--bench"])
        let measured = try await pair.alice.json([
            "bench", "bob", "--seconds", "0.5", "--path", path, "--timeout", "60",
        ])
        #expect(measured.status == .code(0), "\(measured.output)")
        let result = try #require(measured.events.last)
        #expect(result.name == "bench" && result["contact"] == "bob" && result["path"] == path)
        // The last path event is of the same session; only a system that cannot steer leaves packets to libnice.
        let plane = measured.events.last { $0.name == "path" }?["data_plane"]
        #expect(result["data_plane"] == plane && (plane == nil) == (path == "relay"), "\(measured.output)")
        for figure in Self.figures { #expect((result.number(figure) ?? 0) > 0, "\(figure): \(measured.output)") }
        let (middle, most) = (result.number("rtt_us_p50") ?? 0, result.number("rtt_us_p99") ?? 0)
        #expect(middle <= most)
        try await listening.event("notice") { $0["kind"] == "bench" && $0["contact"] == "alice" }
        try await listening.event("notice") { $0["kind"] == "bench-ended" }
        #expect(try await listening.end() == .code(0))
        #expect(listening.problems == [])
    }

    @Test func tellsPeopleInATable() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening(["--bench"])
        let measured = try await pair.alice.run(
            ["bench", "bob", "--seconds", "0.2", "--path", "relay", "--cipher", "chacha20-poly1305"])
        #expect(measured.status == .code(0), "\(measured.errors)")
        for part in ["throughput", "bit/s", "s/GiB", "round trip of 64 bytes: median", "relay, chacha20-poly1305"] {
            #expect(measured.output.contains(part), "\(measured.output)")
        }
        #expect(measured.errors.isEmpty)
        _ = try await listening.end()
    }

    @Test func isRefusedUnlessOffered() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening()
        let refused = try await pair.alice.json(["bench", "bob", "--seconds", "0.2", "--path", "relay"])
        #expect(refused.status == .code(1))
        #expect(refused.error?["code"] == "not-offered")
        // And nothing else has changed.
        #expect(try await pair.alice.json(["send", "bob", "hello", "--wait", "delivered"]).status == .code(0))
        #expect(try await listening.end() == .code(0))
    }

    @Test func isForContactsOnly() async throws {
        let pair = try await Common.shared.onlinePair()
        #expect(try await pair.bob.json(["block", "alice"]).status == .code(0))
        let listening = try await pair.listening(["--bench"])
        let refused = try await pair.alice.json(["bench", "bob", "--seconds", "0.2"])
        #expect(refused.status == .code(1))
        #expect(refused.error?["code"] == "unreachable", "\(refused.output)")
        #expect(try await pair.alice.json(["bench", "carol"]).error?["code"] == "contact")
        #expect(try await listening.end() == .code(0))
        #expect(!listening.hasMetAnybody)
    }

    @Test func nobodyThereIsSaid() async throws {
        let pair = try await Common.shared.onlinePair()
        let alone = try await pair.alice.json(["bench", "bob"])
        #expect(alone.status == .code(1) && alone.error?["code"] == "unreachable", "\(alone.output)")
    }

    @Test func endsOnBothSidesWhenInterrupted() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening(["--bench"])
        let measuring = try pair.alice.start(["--json", "bench", "bob", "--seconds", "60", "--path", "relay"])
        try await listening.event("notice") { $0["kind"] == "bench" }
        #expect(try await measuring.end(by: SIGINT) == .code(1))
        #expect(measuring.lines.compactMap { Event($0.text) }.last?["code"] == "interrupted")
        try await listening.event("notice") { $0["kind"] == "bench-ended" }
        // Who listens goes on, and may be measured with again.
        let again = try await pair.alice.json(["bench", "bob", "--seconds", "0.2", "--path", "relay"])
        #expect(again.status == .code(0), "\(again.output)")
        #expect(try await listening.end() == .code(0))
        #expect(listening.problems == [])
    }

    @Test func theListenersEndIsTold() async throws {
        let pair = try await Common.shared.onlinePair()
        let listening = try await pair.listening(["--bench"])
        let measuring = try pair.alice.start(["--json", "bench", "bob", "--seconds", "60", "--path", "relay"])
        try await listening.event("notice") { $0["kind"] == "bench" }
        #expect(try await listening.end(by: SIGINT) == .code(0))
        #expect(try await measuring.exit(within: .seconds(60)) == .code(1))
        let error = measuring.lines.compactMap { Event($0.text) }.last
        #expect(error?["code"] == "silent" && measuring.problems == [], "\(measuring.lines)")
    }
}
