import NATLab
import Testing

/// Addresses and mappings that change under a conversation.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct MovingTests {
    /// What happens to the network, with the expectation that the conversation is direct again afterwards.
    enum Move: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case mappingsFlushed = "NAT mappings flushed"
        case portsChanged = "NAT mappings flushed, new ports"
        case publicAddressChanged = "NAT's public address changed"
        case localAddressChanged = "address behind the NAT changed"
        case addressChanged = "address of an open host changed"
        case interfaceDownAndUp = "interface down and up"

        var testDescription: String { rawValue }

        /// Where alice is.
        var profile: NATProfile {
            switch self {
            case .addressChanged: .open
            case .portsChanged: .symmetric
            default: .portRestricted
            }
        }

        /// Where bob is: such that they can reach each other.
        var partner: NATProfile { self == .portsChanged ? .addressRestricted : .portRestricted }

        func happen(to host: LabHost) async throws {
            switch self {
            case .mappingsFlushed, .portsChanged: try await host.site.flushMappings()
            case .publicAddressChanged: try await host.site.changePublicAddress()
            case .localAddressChanged, .addressChanged: try await host.changeAddress()
            case .interfaceDownAndUp:
                try await host.takeDown()
                try await host.bringUp()
            }
        }
    }

    @Test(arguments: Move.allCases)
    func keepsTheConversation(move: Move) async throws {
        try await Meeting.with(alice: .behind(move.profile), bob: .behind(move.partner)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForPath("direct")
                try await meeting.waitForMessages(20)
                let moved = ContinuousClock.now
                try await move.happen(to: meeting.alice.host)
                try await meeting.waitForMessages(20, within: .seconds(60))
                try await meeting.waitForPath("direct", within: .seconds(60))
                try await meeting.waitForMessages(40, within: .seconds(30))
                #expect(meeting.alice.journal.value.path == "direct")
                let gap = meeting.longestGap(since: moved)
                #expect(gap < 40_000)
                let back = try #require(meeting.alice.journal.value.paths.last).time - moved
                let change = back > .zero ? "direct again after \(Int(back.milliseconds)) ms" : "the path never changed"
                MatrixReport.shared.note(move.rawValue, "gap \(Int(gap)) ms, \(change)")
            }
            try await meeting.waitForAll(within: .seconds(60))
            meeting.expectPerfectDelivery()
        }
    }
}
