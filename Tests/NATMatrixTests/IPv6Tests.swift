import NATLab
import Testing

@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct IPv6Tests {
    struct Pair: Sendable, CustomTestStringConvertible {
        let alice: Meeting.Place
        let bob: Meeting.Place
        let isDirect: Bool
        let testDescription: String
    }

    static let pairs = [
        Pair(
            alice: .behind(.open, .ipv6), bob: .behind(.open, .ipv6), isDirect: true, testDescription: "IPv6 only"),
        Pair(
            alice: .behind(.portRestricted, .ipv6), bob: .behind(.portRestricted, .ipv6), isDirect: true,
            testDescription: "IPv6 only, behind stateful filters"),
        Pair(
            alice: .behind(.open, .dual), bob: .behind(.open, .ipv6), isDirect: true,
            testDescription: "both families with IPv6 only"),
        Pair(
            alice: .behind(.open, .ipv4), bob: .behind(.portRestricted, .dual), isDirect: true,
            testDescription: "IPv4 only with both families"),
        Pair(
            alice: .behind(.symmetric, .dual), bob: .behind(.symmetric, .dual), isDirect: true,
            testDescription: "both families, where IPv4 has no way"),
        Pair(
            alice: .behind(.open, .ipv6), bob: .behind(.open, .ipv4), isDirect: false,
            testDescription: "IPv6 only with IPv4 only"),
    ]

    @Test(arguments: pairs)
    func findsThePathThatTheFamiliesAllow(pair: Pair) async throws {
        try await Meeting.with(alice: pair.alice, bob: pair.bob) { meeting in
            try await meeting.begin()
            let began = ContinuousClock.now
            try await meeting.talking {
                if pair.isDirect {
                    let path = try await meeting.alice.waitForPath("direct")
                    try await meeting.bob.waitForPath("direct")
                    if !(pair.alice.families.hasIPv4 && pair.bob.families.hasIPv4) || pair.alice.profile == .symmetric {
                        #expect(path.remote?.contains("2001:db8:") == true, "\(path)")
                    }
                    MatrixReport.shared.note(pair.testDescription, "direct after \(Int(path.sinceStart)) ms")
                } else {
                    try await meeting.bob.first("eleven seconds of messages") { journal in
                        journal.messages.last.flatMap { $0.time - began > .seconds(11) ? () : nil }
                    }
                    #expect(meeting.alice.journal.value.paths.allSatisfy { $0.kind == "relay" })
                    MatrixReport.shared.note(pair.testDescription, "relay")
                }
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
        }
    }
}
