import NATLab
import Testing

/// RFC 4787 §4.3: how long a NAT remembers.
@Suite(.enabled(if: Lab.isAvailable, "\(Lab.unavailableReason)"))
struct TimeoutTests {
    @Test(arguments: NATProfile.allCases.filter { $0 != .open })
    func hasTheTimeoutsThatWereAskedFor(profile: NATProfile) async throws {
        try await Lab.with { plan in
            plan.host("inner", behind: profile, timeouts: NATTimeouts(flow: 77, mapping: 420))
        } _: { lab in
            let states = try await lab.host("inner").site.natState()
            #expect(states.count == profile.layers)
            for state in states {
                #expect(state.contains("nf_conntrack_udp_timeout:77\n"))
                #expect(state.contains("nf_conntrack_udp_timeout_stream:77"))
                #expect(state.contains("timeout 7m") == (profile.mapping == .endpointIndependent))
            }
        }
    }

    @Test(arguments: [NATProfile.fullCone, .portRestricted, .doubleNAT])
    func forgetsASilentMapping(profile: NATProfile) async throws {
        try await NATObservation.with(profile, timeouts: NATTimeouts(flow: 1, mapping: 1)) { nat in
            let mapped = try await usedAtOnce(nat)
            await #expect(throws: LabError.self) {
                try await nat.inner.receive("never sent", within: .milliseconds(2_200))
            }
            try nat.partner.send("late", to: mapped)
            // Going out again opens it again, and what was late is still lost.
            _ = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try nat.partner.send("fence", to: mapped)
            #expect(try await nat.inner.texts(before: "fence").isEmpty)
        }
    }

    /// A mapping that was used soon after it was made; on a busy machine even that can take a second.
    private func usedAtOnce(_ nat: NATObservation) async throws -> LabEndpoint {
        for attempt in 0..<20 {
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            try nat.partner.send("soon \(attempt)", to: mapped)
            if (try? await nat.inner.receive("soon \(attempt)", within: .milliseconds(500))) != nil { return mapped }
        }
        throw LabError.unknown("mapping that holds for a moment")
    }

    /// RFC 4787 REQ-6: outgoing packets keep the mapping, also for partners that were never sent to.
    @Test func keepsAMappingThatIsUsed() async throws {
        try await NATObservation.with(.fullCone, timeouts: NATTimeouts(flow: 1, mapping: 1)) { nat in
            let mapped = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
            for _ in 0..<8 {
                await #expect(throws: LabError.self) {
                    try await nat.inner.receive("never sent", within: .milliseconds(300))
                }
                #expect(try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner) == mapped)
            }
            for attempt in 0..<20 {
                _ = try await nat.mapping(towards: nat.partnerEndpoint, at: nat.partner)
                try nat.stranger.send("question \(attempt)", to: mapped)
                if (try? await nat.inner.receive("question \(attempt)", within: .milliseconds(500))) != nil { return }
            }
            Issue.record("a stranger never got in")
        }
    }
}
