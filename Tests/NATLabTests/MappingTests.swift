import NATLab
import Testing

/// RFC 4787 §4: which public endpoint an inner endpoint gets.
@Suite(.enabled(if: Lab.isAvailable, "\(Lab.unavailableReason)"))
struct MappingTests {
    static let profiles = NATProfile.allCases.filter(\.passesUDP)

    @Test(arguments: profiles)
    func mapsAsTheProfileSays(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let first = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            let otherPort = try await nat.mapping(towards: nat.partnerOtherEndpoint, at: nat.partnerOtherPort)
            let otherAddress = try await nat.mapping(towards: nat.strangerEndpoint, at: nat.stranger)
            let again = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            #expect(first.address == (try nat.lab.host("inner").site.publicAddress))
            #expect(again == first)
            switch profile.mapping {
            case .endpointIndependent:
                #expect(otherPort == first)
                #expect(otherAddress == first)
            case .addressAndPortDependent:
                #expect(otherPort.port != first.port)
                #expect(otherAddress.port != first.port)
            }
        }
    }

    /// RFC 4787 §4.2.1, REQ-3.
    @Test(arguments: profiles)
    func preservesThePortUnlessSymmetric(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let seen = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            #expect((seen.port == nat.inner.port) == (profile.mapping == .endpointIndependent))
        }
    }

    /// What plain masquerading gets wrong: a packet that comes in first takes the port.
    @Test(arguments: profiles.filter { $0.mapping == .endpointIndependent && $0 != .open })
    func keepsTheMappingWhenThePartnerSendsFirst(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let mapped = LabEndpoint(try nat.lab.host("inner").site.publicAddress, nat.inner.port)
            try nat.stranger.send("early, before any mapping", to: mapped)
            let first = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try nat.partnerOtherPort.send("early, before its permission", to: mapped)
            #expect(try await nat.mapping(towards: nat.strangerEndpoint, at: nat.stranger) == first)
            #expect(try await nat.mapping(towards: nat.partnerOtherEndpoint, at: nat.partnerOtherPort) == first)
        }
    }

    @Test func givesTwoHostsBehindTheSameNATDifferentPorts() async throws {
        try await Lab.with { plan in
            plan.host("partner")
            plan.site("home", behind: .portRestricted, hosts: ["one", "other"])
        } _: { lab in
            let partner = try lab.host("partner").udpSocket(port: 7001)
            let destination = LabEndpoint(try lab.host("partner").address, 7001)
            let one = try lab.host("one").udpSocket(port: 5000)
            let other = try lab.host("other").udpSocket(port: 5000)
            // One after the other: Linux drops one of two new flows that choose the same port at the same instant.
            try one.send("one", to: destination)
            let first = try await partner.receive("one")
            try other.send("other", to: destination)
            let second = try await partner.receive("other")
            #expect(first.address == second.address)
            #expect(first.port != second.port)
        }
    }

    @Test func blocksUDPButLetsTCPPassWhereUDPIsBlocked() async throws {
        try await NATObservation.with(.udpBlocked) { nat in
            let listener = try nat.lab.host("partner").tcpListener(port: 8080)
            let capture = try nat.lab.host("partner").capture()
            try nat.inner.send("out", to: nat.partnerEndpoint)
            let isReached = try await nat.lab.host("inner").connectsByTCP(to: LabEndpoint(nat.partnerAddress, 8080))
            #expect(isReached)
            #expect(!capture.packets.contains { $0.isUDP })
            withExtendedLifetime(listener) {}
        }
    }
}
