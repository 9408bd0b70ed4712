import NATLab
import Testing

@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct LossTests {
    /// Lost in each direction on both people's links, for UDP and TCP alike: about one packet in ten between them.
    @Test(arguments: [NATProfile.portRestricted, .udpBlocked])
    func deliversEverythingInSpiteOfLoss(profile: NATProfile) async throws {
        try await Meeting.with(alice: .behind(profile), bob: .behind(.portRestricted)) { meeting in
            try await meeting.alice.host.site.setLoss(percent: 5)
            try await meeting.bob.host.site.setLoss(percent: 5)
            try await meeting.begin()
            let began = ContinuousClock.now
            try await meeting.talking(every: .milliseconds(10)) {
                if profile.passesUDP { try await meeting.waitForPath("direct", within: .seconds(40)) }
                try await meeting.waitForMessages(400, within: .seconds(60))
            }
            try await meeting.waitForAll(within: .seconds(60))
            meeting.expectPerfectDelivery()
            let gap = meeting.longestGap(since: began)
            MatrixReport.shared.note(
                "5 % loss on each link, \(profile)", "longest gap between messages \(Int(gap)) ms")
        }
    }
}
