import Foundation
import NATLab
import Testing

/// What `sotto netcheck` says of each kind of NAT.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct NetcheckTests {
    private struct Report: Decodable {
        let udp_blocked: Bool?
        let mapping: String?
        let mapped_v4: String?
        let mapped_v6: String?
        let relay_rtt_ms: Double?
    }

    private static func expectedMapping(_ profile: NATProfile) -> String? {
        guard profile.passesUDP else { return nil }
        if profile == .open { return "none" }
        return profile.mapping == .endpointIndependent ? "endpoint-independent" : "endpoint-dependent"
    }

    private func check(_ person: Person) async throws -> Report {
        let output = try await person.host.run(
            Programs.sotto, "--home", person.home, "--json", "netcheck", within: .seconds(30))
        #expect(output.status.succeeded, "\(output.output)\(output.errors)")
        return try JSONDecoder().decode(Report.self, from: Data(output.output.utf8))
    }

    @Test(arguments: NATProfile.allCases)
    func tellsTheKindOfNAT(profile: NATProfile) async throws {
        try await Meeting.with(alice: .behind(profile), bob: .behind(.open)) { meeting in
            let report = try await check(meeting.alice)
            #expect(report.udp_blocked == !profile.passesUDP)
            #expect(report.mapping == Self.expectedMapping(profile))
            #expect((report.mapped_v4 != nil) == profile.passesUDP && report.mapped_v6 == nil)
            #expect(report.relay_rtt_ms != nil)
        }
    }

    @Test func looksAtBothFamiliesWhereTheServerHasBoth() async throws {
        try await Meeting.with(alice: .behind(.symmetric, .dual), bob: .behind(.open)) { meeting in
            let carol = Person("carol", home: meeting.alice.home + "-by-name", on: meeting.alice.host)
            let url = "ws://\(ServerProgram.hostName):\(ServerProgram.port)"
            _ = try await carol.command("init", "--server", url, "--no-passphrase")
            let report = try await check(carol)
            #expect(report.mapping == "endpoint-dependent")
            #expect(report.mapped_v4 != nil && report.mapped_v6?.hasPrefix("[") == true)
        }
    }
}
