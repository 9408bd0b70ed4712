import NATLab
import Testing

/// Two people on the same local network.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct SameNATTests {
    /// No NAT of the laboratory hairpins, so a direct path can only be the local one, even where UDP is blocked outwards.
    @Test(arguments: [NATProfile.portRestricted, .symmetric, .doubleNAT, .udpBlocked])
    func talkDirectlyOnTheirLocalNetwork(profile: NATProfile) async throws {
        try await Meeting.with(both: .behind(profile)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                let path = try await meeting.alice.waitForPath("direct")
                try await meeting.bob.waitForPath("direct")
                let address = try #require(meeting.bob.host.address4)
                #expect(path.remote?.hasPrefix(address + ":") == true, "\(path)")
                MatrixReport.shared.note("same NAT, \(profile)", "direct after \(Int(path.sinceStart)) ms")
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
        }
    }
}
