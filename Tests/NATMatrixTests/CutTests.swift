import NATLab
import Testing

/// UDP that stops working in the middle of a conversation.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct CutTests {
    private static let cuts = 5

    /// The bounds are generous, since machines are slow at times; the figures are reported as they are.
    @Test(arguments: [NATProfile.open, .portRestricted, .doubleNAT])
    func fallsBackToTheRelayAndReturns(profile: NATProfile) async throws {
        try await Meeting.with(alice: .behind(profile), bob: .behind(.portRestricted)) { meeting in
            let site = meeting.alice.host.site
            var (gaps, fallbacks, returns) = (Figures(), Figures(), Figures())
            try await meeting.begin()
            try await meeting.talking(every: .milliseconds(10)) {
                for _ in 0..<Self.cuts {
                    try await meeting.waitForPath("direct", within: .seconds(60))
                    try await meeting.waitForMessages(50)
                    let cut = ContinuousClock.now
                    try await site.cutUDP()
                    try await meeting.waitForPath("relay", after: cut)
                    fallbacks.values.append((ContinuousClock.now - cut).milliseconds)
                    try await meeting.waitForMessages(100)
                    gaps.values.append(meeting.longestGap(since: cut))
                    // Before it: on a busy machine the path can be back before the command has returned.
                    let restored = ContinuousClock.now
                    try await site.restoreUDP()
                    try await meeting.waitForPath("direct", after: restored, within: .seconds(60))
                    returns.values.append((ContinuousClock.now - restored).milliseconds)
                }
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
            #expect((gaps.values.max() ?? 0) < 5_000)
            MatrixReport.shared.note(
                "UDP cut and restored, \(profile) with port-restricted",
                "gap \(gaps.summary); on the relay after \(fallbacks.summary); direct again after \(returns.summary): \(returns.list)"
            )
        }
    }

    /// The gap is the longest time in which nothing new came to the application that receives.
    @Test(arguments: [NATProfile.open, .portRestricted, .doubleNAT])
    func transfersGoOnOverTheRelay(profile: NATProfile) async throws {
        try await Meeting.with(alice: .behind(profile), bob: .behind(.portRestricted)) { meeting in
            let (alice, site) = (meeting.alice, meeting.alice.host.site)
            var gaps = Figures()
            try meeting.bob.listen(for: "alice", options: ["--bench"])
            try await meeting.bob.waitUntilReady()
            for _ in 0..<Self.cuts {
                try alice.measure(with: "bob", seconds: 1.5)
                try await alice.first("half a second of download", within: .seconds(60)) {
                    $0.path == "direct" && $0.downloading ?? 0 >= 0.5 ? () : nil
                }
                try await site.cutUDP()
                gaps.values.append(try await alice.first("a measured gap", within: .seconds(60)) { $0.downloadGap })
                #expect(alice.journal.value.paths.last?.kind == "relay" && alice.journal.value.failures == [])
                _ = try await alice.process?.exit(within: .seconds(20))
                try await site.restoreUDP()
            }
            #expect((gaps.values.max() ?? 0) < 5_000)
            MatrixReport.shared.note(
                "UDP cut in mid-transfer, \(profile) with port-restricted", "gap \(gaps.summary): \(gaps.list)")
        }
    }

    /// Only one direction fails: the direct path is of no use then, and both have to see it.
    @Test func fallsBackWhenOneDirectionFails() async throws {
        try await Meeting.with(alice: .behind(.open), bob: .behind(.open)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForPath("direct")
                let cut = ContinuousClock.now
                try await meeting.lab.block(from: meeting.alice.host, to: meeting.bob.host, udpOnly: true)
                try await meeting.alice.waitForPath("relay", after: cut)
                try await meeting.waitForMessages(40)
                let gap = meeting.longestGap(since: cut)
                #expect(gap < 5_000)
                let restored = ContinuousClock.now
                try await meeting.lab.unblock(from: meeting.alice.host, to: meeting.bob.host)
                try await meeting.waitForPath("direct", after: restored, within: .seconds(60))
                let back = (ContinuousClock.now - restored).milliseconds
                MatrixReport.shared.note("one direction cut", "gap \(Int(gap)) ms, direct again after \(Int(back)) ms")
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
        }
    }
}
