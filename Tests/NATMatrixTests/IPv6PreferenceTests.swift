import NATLab
import Testing

/// Where both families work, the direct path settles on IPv6.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct IPv6PreferenceTests {
    @Test(arguments: [NATProfile.open, .portRestricted])
    func settlesOnIPv6WhereBothFamiliesWork(profile: NATProfile) async throws {
        try await Meeting.with(alice: .behind(profile, .dual), bob: .behind(profile, .dual)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForPath("direct")
                // The first pair that works is used at once; ICE may still move to a better one.
                for person in [meeting.alice, meeting.bob] {
                    try await person.first("a path over IPv6", within: .seconds(30)) { journal in
                        journal.paths.last?.remote?.contains("2001:db8:") == true ? () : nil
                    }
                }
                try await meeting.waitForMessages(40)
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
            for person in [meeting.alice, meeting.bob] {
                #expect(person.journal.value.paths.last?.remote?.contains("2001:db8:") == true)
            }
        }
    }
}
