import NATLab
import Testing

/// A symmetric NAT whose router gives ports to those who ask: with a real `miniupnpd` where there is one, and with a stand-in; by PCP, NAT-PMP or
/// UPnP-IGD, whichever it answers to.
@Suite(
    .enabled(if: Programs.areReady, "\(Programs.obstacle)"),
    .enabled(if: !PortMappingDaemon.available.isEmpty, "neither miniupnpd nor python3: port mapping is NOT tested"))
struct MappedPortTests {
    @Test(arguments: PortMappingDaemon.available, PortMappingDaemon.Language.allCases)
    func aSymmetricNATWithAMappingIsDirectByICEAlone(
        daemon: PortMappingDaemon, language: PortMappingDaemon.Language
    ) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            try await site.startPortMapping(daemon, speaking: language)
            let capture = try meeting.alice.host.capture()
            try await meeting.begin(alice: ["--no-port-search"])
            try await meeting.talking {
                try await meeting.waitForPath("direct", within: .seconds(60))
                #expect(try await !site.portMappings().isEmpty)
                #expect(capture.languagesOfMappings == [language])
                try await meeting.waitForMessages(40)
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
            let direct = try #require(meeting.alice.journal.value.paths.last { $0.kind == "direct" })
            MatrixReport.shared.note(
                "symmetric with a port mapping (\(daemon), \(language)) dials port-restricted",
                "direct after \(Int(direct.sinceStart)) ms")
            // Deleted, not left to end by themselves.
            let process = try #require(meeting.alice.process)
            process.closeInput()
            _ = try await process.exit(within: .seconds(20))
            try await site.waitForNoMappings()
        }
    }

    /// UPnP-IGD is spoken by another process, which outlives one that is killed for the time that this takes.
    @Test(arguments: PortMappingDaemon.available)
    func mappingsOfAProgramThatWasKilledAreDeleted(daemon: PortMappingDaemon) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            try await site.startPortMapping(daemon, speaking: .upnp)
            try await meeting.begin(alice: ["--no-port-search"])
            try await meeting.waitForPath("direct", within: .seconds(60))
            #expect(try await !site.portMappings().isEmpty)
            await meeting.alice.process?.kill()
            try await site.waitForNoMappings()
        }
    }

    /// Where neither PCP nor NAT-PMP is answered all would be asked.
    @Test(arguments: PortMappingDaemon.available)
    func nobodyIsAskedWhenTheUserSaysSo(daemon: PortMappingDaemon) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            try await site.startPortMapping(daemon, speaking: .upnp)
            let capture = try meeting.alice.host.capture()
            try await meeting.begin(alice: ["--no-port-search", "--no-port-mapping"])
            try await meeting.talking { try await meeting.waitForMessages(100, within: .seconds(60)) }
            #expect(
                !capture.packets.contains { $0.isOutgoing && $0.isUDP && [1_900, 5_351].contains($0.destination.port) })
            #expect(try await site.portMappings().isEmpty)
        }
    }

    /// NAT behind NAT: the router's own address is private, and a mapping in it leads nowhere. PCP tells it with a mapping only, which is deleted.
    @Test(arguments: PortMappingDaemon.available, PortMappingDaemon.Language.allCases)
    func aRouterWithAPrivateAddressIsNotAskedForPorts(
        daemon: PortMappingDaemon, language: PortMappingDaemon.Language
    ) async throws {
        try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            try await site.startPortMapping(daemon, speaking: language, hasPublicAddress: false)
            let capture = try meeting.alice.host.capture()
            try await meeting.begin(alice: ["--no-port-search"])
            try await meeting.talking {
                _ = try await capture.first("question for the external address", within: .seconds(60)) {
                    language == .upnp
                        ? $0.isOutgoing && !$0.isUDP && $0.destination.port == PortMappingDaemon.descriptionPort
                        : $0.isUDP && $0.destination.port == language.port
                }
                try await meeting.waitForMessages(100, within: .seconds(60))
            }
            try await site.waitForNoMappings()
            #expect(language == .pcp || capture.mappingRequests.isEmpty)
            #expect(meeting.alice.journal.value.paths.allSatisfy { $0.kind == "relay" })
        }
    }
}

extension PacketCapture {
    /// Requests for mappings by PCP and NAT-PMP, and for their end; the beginnings of their packets.
    fileprivate var mappingRequests: [[UInt8]] {
        packets.filter { $0.isOutgoing && $0.isUDP && $0.destination.port == 5_351 }.map(\.beginning)
            .filter { $0.prefix(2) == [2, 1] || $0.prefix(2) == [0, 1] }
    }

    /// How mappings were asked for.
    fileprivate var languagesOfMappings: Set<PortMappingDaemon.Language> {
        let requests = mappingRequests
        guard !requests.isEmpty else { return [.upnp] }
        return Set(requests.map { $0.first == 2 ? .pcp : .natPMP })
    }
}

extension LabSite {
    /// Waits until what was mapped is deleted.
    func waitForNoMappings(within limit: Duration = .seconds(30)) async throws {
        let deadline = ContinuousClock.now + limit
        for await _ in Ticks(every: .milliseconds(50)) {
            let left = try await portMappings()
            if left.isEmpty { return }
            guard ContinuousClock.now < deadline else { throw LabError.unknown("end of the mappings \(left)") }
        }
    }
}
