import NATLab
import Testing

/// RFC 4787 §5: who may send to an existing mapping.
@Suite(.enabled(if: Lab.isAvailable, "\(Lab.unavailableReason)"))
struct FilteringTests {
    @Test(arguments: NATProfile.allCases.filter(\.passesUDP))
    func letsInWhomTheProfileSays(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            #expect(try await nat.lets(nat.partner, in: mapped))
            #expect(
                try await nat.lets(nat.partnerOtherPort, in: mapped) == (profile.filtering != .addressAndPortDependent))
            #expect(try await nat.lets(nat.stranger, in: mapped) == (profile.filtering == .endpointIndependent))
        }
    }

    /// Address-dependent filtering is about the inner endpoint, not the whole NAT.
    @Test func grantsAnAddressOnlyToTheSocketThatSentThere() async throws {
        try await NATObservation.with(.addressRestricted) { nat in
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            let other = try nat.lab.host("inner").udpSocket(port: 5001)
            try other.send("out", to: nat.strangerEndpoint)
            try await nat.stranger.receive("out")
            #expect(try await !nat.lets(nat.stranger, in: mapped))
        }
    }

    @Test func dropsWhatNoMappingExistsFor() async throws {
        try await NATObservation.with(.fullCone) { nat in
            let address = try nat.lab.host("inner").site.publicAddress
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            let capture = try nat.lab.host("stranger").capture()
            let (icmp, udp): (UInt8, UInt8) = (1, 17)
            try nat.stranger.send("question", to: LabEndpoint(address, mapped.port + 1))
            #expect(try await nat.lets(nat.stranger, in: mapped))
            let answers = capture.packets.filter { !$0.isOutgoing && [icmp, udp].contains($0.transport) }
            #expect(answers.isEmpty, "a NAT that drops says nothing")
        }
    }

    @Test func predictsTheRouteOfEveryPair() {
        // Measured with libnice, ordered as the profiles are; D is direct, R is relay.
        let measured = ["DDDDDDR", "DDDDDDR", "DDDDDDR", "DDDDRDR", "DDDRRRR", "DDDDRDR", "RRRRRRR"]
        let predicted = NATProfile.allCases.map { one in
            NATProfile.allCases.map { one.canReachDirectly($0) ? "D" : "R" }.joined()
        }
        #expect(predicted == measured)
    }
}
