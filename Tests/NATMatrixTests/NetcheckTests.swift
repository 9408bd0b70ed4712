import Foundation
import NATLab
import Testing

/// What `sotto netcheck` says of each kind of NAT.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct NetcheckTests {
    private struct Report: Decodable {
        let mapping: String?
        let isUDPBlocked: Bool?
        let mappedV4: String?
        let mappedV6: String?
        let relayRoundTrip: Double?
        let portMapping: String?
        let routerAddress: String?

        enum CodingKeys: String, CodingKey {
            case mapping
            case isUDPBlocked = "udp_blocked"
            case mappedV4 = "mapped_v4"
            case mappedV6 = "mapped_v6"
            case relayRoundTrip = "relay_rtt_ms"
            case portMapping = "port_mapping"
            case routerAddress = "router_address"
        }
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
            #expect(report.isUDPBlocked == !profile.passesUDP)
            #expect(report.mapping == Self.expectedMapping(profile))
            #expect((report.mappedV4 != nil) == profile.passesUDP && report.mappedV6 == nil)
            #expect(report.relayRoundTrip != nil)
            #expect(report.portMapping == "none" && report.routerAddress == nil)
        }
    }

    @Test(arguments: PortMappingDaemon.Language.allCases)
    func tellsHowTheRouterGivesOutPorts(language: PortMappingDaemon.Language) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.open)) { meeting in
            try await meeting.alice.host.site.startPortMapping(.standIn, speaking: language)
            let report = try await check(meeting.alice)
            #expect(report.portMapping == language.name)
            #expect(report.routerAddress?.hasPrefix("11.0.0.") == true)
            // What PCP needs to tell the address is gone when it is told.
            #expect(try await meeting.alice.host.site.portMappings().isEmpty)
        }
    }

    @Test func looksAtBothFamiliesWhereTheServerHasBoth() async throws {
        try await Meeting.with(alice: .behind(.symmetric, .dual), bob: .behind(.open)) { meeting in
            let carol = Person("carol", home: meeting.alice.home + "-by-name", on: meeting.alice.host)
            let url = "ws://\(ServerProgram.hostName):\(ServerProgram.port)"
            _ = try await carol.command("init", "--server", url, "--no-passphrase")
            let report = try await check(carol)
            #expect(report.mapping == "endpoint-dependent")
            #expect(report.mappedV4 != nil && report.mappedV6?.hasPrefix("[") == true)
        }
    }
}
