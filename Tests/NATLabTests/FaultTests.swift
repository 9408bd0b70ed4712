import NATLab
import Testing

/// What can be done to a network while it is in use.
@Suite(.enabled(if: Lab.isAvailable, "\(Lab.unavailableReason)"))
struct FaultTests {
    @Test(arguments: [NATProfile.open, .portRestricted, .doubleNAT])
    func cutsAndRestoresUDPBothWays(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let listener = try nat.lab.host("partner").tcpListener(port: 8080)
            let site = try nat.lab.host("inner").site
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try await site.cutUDP()
            try nat.inner.send("lost", to: nat.partnerEndpoint)
            try nat.partner.send("lost", to: mapped)
            let isReached = try await nat.lab.host("inner").connectsByTCP(to: LabEndpoint(nat.partnerAddress, 8080))
            #expect(isReached)
            try await site.restoreUDP()
            try nat.inner.send("fence", to: nat.partnerEndpoint)
            #expect(try await nat.partner.texts(before: "fence").isEmpty)
            #expect(try await nat.lets(nat.partner, in: mapped))
            #expect(nat.inner.datagrams.isEmpty)
            withExtendedLifetime(listener) {}
        }
    }

    @Test(arguments: [NATProfile.fullCone, .addressRestricted, .portRestricted, .symmetric, .doubleNAT])
    func forgetsMappingsWhenFlushed(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let before = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            #expect(try await nat.lets(nat.partner, in: before))
            try await nat.lab.host("inner").site.flushMappings()
            try nat.partner.send("lost", to: before)
            let after = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            #expect((after == before) == (profile.mapping == .endpointIndependent))
            try nat.partner.send("fence", to: after)
            #expect(try await nat.inner.texts(before: "fence").isEmpty)
        }
    }

    @Test(arguments: [NATProfile.portRestricted, .symmetric, .doubleNAT])
    func changesThePublicAddressOfANAT(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let before = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try await nat.lab.host("inner").site.changePublicAddress()
            let after = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            #expect(after.address != before.address)
            #expect(after.address == (try nat.lab.host("inner").site.publicAddress))
            #expect(try await nat.lets(nat.partner, in: after))
        }
    }

    @Test(arguments: [NATProfile.open, .portRestricted])
    func changesAHostsAddress(profile: NATProfile) async throws {
        try await NATObservation.with(profile) { nat in
            let host = try nat.lab.host("inner")
            let before = host.address
            _ = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try await host.changeAddress()
            #expect(host.address != before)
            let addresses = try await host.run("ip", "-4", "addr", "show", "dev", "eth0").output
            #expect(addresses.contains(host.address + "/") && !addresses.contains(before + "/"))
            let after = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            #expect(after.address == host.site.publicAddress)
            #expect(try await nat.lets(nat.partner, in: after))
        }
    }

    @Test func takesAnInterfaceDownAndUp() async throws {
        try await NATObservation.with(.portRestricted) { nat in
            let host = try nat.lab.host("inner")
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try await host.takeDown()
            try nat.inner.send("lost", to: nat.partnerEndpoint)
            try await host.bringUp()
            try nat.inner.send("fence", to: nat.partnerEndpoint)
            #expect(try await nat.partner.texts(before: "fence").isEmpty)
            #expect(try await nat.lets(nat.partner, in: mapped))
        }
    }

    @Test func losesTheShareOfPacketsThatWasAskedFor() async throws {
        try await NATObservation.with(.portRestricted) { nat in
            let site = try nat.lab.host("inner").site
            try await site.setLoss(percent: 20)
            let (rounds, each) = (40, 50)
            var arrived = 0
            for round in 0..<rounds {
                for number in 0..<each { try nat.inner.send("\(round)/\(number)", to: nat.partnerEndpoint) }
                arrived += try await countBeforeFence(round, nat)
            }
            let loss = 1 - Double(arrived) / Double(rounds * each)
            // Five standard deviations of a binomial distribution with 2000 trials.
            #expect(abs(loss - 0.2) < 0.045)
            try await site.setLoss(percent: 0)
            for number in 0..<100 { try nat.inner.send("\(number)", to: nat.partnerEndpoint) }
            try nat.inner.send("end", to: nat.partnerEndpoint)
            #expect(try await nat.partner.texts(before: "end").filter { !$0.hasPrefix("fence") }.count == 100)
        }
    }

    private func countBeforeFence(_ round: Int, _ nat: NATObservation) async throws -> Int {
        for attempt in 0..<100 {
            try nat.inner.send("fence \(round)", to: nat.partnerEndpoint)
            let texts = try? await nat.partner.texts(before: "fence \(round)", within: .milliseconds(50 + attempt * 20))
            if let texts { return texts.count { !$0.hasPrefix("fence") } }
        }
        throw LabError.unknown("way through the loss")
    }

    @Test func blocksOneWayBetweenTwoHosts() async throws {
        try await NATObservation.with(.open) { nat in
            let (inner, partner) = (try nat.lab.host("inner"), try nat.lab.host("partner"))
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try await nat.lab.block(from: inner, to: partner)
            try nat.inner.send("lost", to: nat.partnerEndpoint)
            #expect(try await nat.lets(nat.partner, in: mapped), "the other way is free")
            #expect(try await nat.mapping(towards: nat.strangerEndpoint, at: nat.stranger) == mapped)
            try await nat.lab.unblock(from: inner, to: partner)
            try nat.inner.send("fence", to: nat.partnerEndpoint)
            #expect(try await nat.partner.texts(before: "fence").isEmpty)
        }
    }

    @Test func capturesWhatAHostSends() async throws {
        try await NATObservation.with(.portRestricted) { nat in
            let capture = try nat.lab.host("inner").capture()
            _ = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            _ = try await nat.mapping(towards: nat.strangerEndpoint, at: nat.stranger)
            try nat.partner.send("in", to: LabEndpoint(try nat.lab.host("inner").site.publicAddress, 5000))
            try await nat.inner.receive("in")
            let incoming = try await capture.first("incoming") { $0.isUDP && !$0.isOutgoing }
            #expect(incoming.source == nat.partnerEndpoint)
            #expect(incoming.beginning == Array("in".utf8))
            #expect(capture.outgoingUDP() == 2)
            #expect(capture.outgoingUDP(toPortsOtherThan: [7001]) == 0)
            #expect(capture.lostPackets == 0)
        }
    }
}
