import NATLab
import Testing

/// A symmetric NAT whose router gives ports to those who ask: with a real `miniupnpd` where there is one, and with a stand-in.
@Suite(
    .enabled(if: Programs.areReady, "\(Programs.obstacle)"),
    .enabled(if: !PortMappingDaemon.available.isEmpty, "neither miniupnpd nor python3: port mapping is NOT tested"))
struct MappedPortTests {
    @Test(arguments: PortMappingDaemon.available)
    func aSymmetricNATWithAMappingIsDirectByICEAlone(daemon: PortMappingDaemon) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            try await site.startPortMapping(daemon)
            try await meeting.begin(alice: ["--no-port-search"])
            try await meeting.talking {
                try await meeting.waitForPath("direct", within: .seconds(30))
                #expect(try await !site.portMappings().isEmpty)
                try await meeting.waitForMessages(40)
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
            let direct = try #require(meeting.alice.journal.value.paths.last { $0.kind == "direct" })
            MatrixReport.shared.note(
                "symmetric with a port mapping (\(daemon)) dials port-restricted",
                "direct after \(Int(direct.sinceStart)) ms")
            // Deleted, not left to end by themselves.
            let process = try #require(meeting.alice.process)
            process.closeInput()
            _ = try await process.exit(within: .seconds(20))
            #expect(try await site.portMappings().isEmpty)
        }
    }

    @Test(arguments: PortMappingDaemon.available)
    func nobodyIsAskedWhenTheUserSaysSo(daemon: PortMappingDaemon) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            try await site.startPortMapping(daemon)
            let capture = try meeting.alice.host.capture()
            try await meeting.begin(alice: ["--no-port-search", "--no-port-mapping"])
            try await meeting.talking { try await meeting.waitForMessages(100) }
            #expect(!capture.packets.contains { $0.isUDP && $0.destination.port == 5351 })
            #expect(try await site.portMappings().isEmpty)
        }
    }

    /// NAT behind NAT: the router's own address is private, and a mapping in it leads nowhere.
    @Test(arguments: PortMappingDaemon.available)
    func aRouterWithAPrivateAddressIsNotAskedForPorts(daemon: PortMappingDaemon) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            try await site.startPortMapping(daemon, hasPublicAddress: false)
            let capture = try meeting.alice.host.capture()
            try await meeting.begin(alice: ["--no-port-search"])
            try await meeting.talking {
                _ = try await capture.first("question for the external address", within: .seconds(20)) {
                    $0.isUDP && $0.destination.port == 5351
                }
                try await meeting.waitForMessages(100)
            }
            #expect(try await site.portMappings().isEmpty)
            #expect(meeting.alice.journal.value.paths.allSatisfy { $0.kind == "relay" })
        }
    }
}
