import NATLab
import Testing

/// The long link as packets of the kernel meet it.
@Suite(.enabled(if: Lab.wanUnavailableReason.isEmpty, "\(Lab.wanUnavailableReason)"))
struct WANTests {
    private func with(
        _ there: WANSettings, back: WANSettings? = nil, behind profile: NATProfile = .open,
        families: AddressFamilies = .ipv4, seed: UInt64 = 1, _ body: (Lab, WAN) async throws -> Void
    ) async throws {
        try await Lab.with { plan in
            plan.host("server", families: families)
            plan.host("alice", behind: profile, families: families)
            plan.host("bob", families: families)
            plan.wan(between: "alice", and: "bob", there, back: back, seed: seed)
        } _: { lab in
            try await body(lab, try lab.wan(between: "bob", and: "alice"))
        }
    }

    /// On a busy machine the link may be behind.
    private func arrival(of count: Int, over wan: WAN) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        for await _ in Ticks(every: .milliseconds(20)) {
            if try wan.statistics(from: "alice").delivered >= count || .now > deadline { return }
        }
    }

    private func say(_ what: String, _ report: FlowReport, _ wan: WANStatistics) {
        print(
            """
            WAN emulator: \(what): \(report.received) of \(report.sent) datagrams, one way p50 \(report.delay(0.5)) \
            p99 \(report.delay(0.99)), \(Int(report.rate / 1_000)) kbit/s, \(report.reordered) reordered; \
            the link: \(wan.dropped) dropped, \(wan.lost) lost, \(wan.mishandled) mishandled
            """)
    }

    @Test(arguments: [false, true])
    func delaysEachDirectionByItsOwnTime(ipv6: Bool) async throws {
        let (there, back) = (WANSettings(delay: .milliseconds(40)), WANSettings(delay: .milliseconds(90)))
        try await with(there, back: back, families: .dual) { lab, wan in
            let (alice, bob) = (try lab.host("alice"), try lab.host("bob"))
            let out = try await alice.flow(to: bob, size: 200, rate: 160_000, count: 50, ipv6: ipv6)
            say("40 ms", out, try wan.statistics(from: "alice"))
            let home = try await bob.flow(to: alice, size: 200, rate: 160_000, count: 50, ipv6: ipv6)
            say("90 ms", home, try wan.statistics(from: "bob"))
            #expect(out.received == 50 && home.received == 50)
            #expect(out.delay(0) >= .milliseconds(40) && home.delay(0) >= .milliseconds(90))
            // How much later depends on how busy the machine is.
            #expect(out.delay(0) < .milliseconds(85))
            #expect(try wan.statistics(from: "alice").packets >= 50)
        }
    }

    @Test func leavesOtherWaysAlone() async throws {
        try await with(WANSettings(delay: .seconds(2)), families: .dual) { lab, wan in
            for ipv6 in [false, true] {
                let report = try await lab.host("alice")
                    .flow(to: lab.host("server"), size: 200, rate: 1_600_000, count: 20, ipv6: ipv6)
                #expect(report.received == 20)
                #expect(report.delay(0) < .seconds(1))
            }
            #expect(try wan.statistics(from: "alice").packets == 0)
        }
    }

    @Test(arguments: [NATProfile.portRestricted, .doubleNAT, .symmetric])
    func leadsToSitesBehindNATs(profile: NATProfile) async throws {
        try await with(WANSettings(delay: .milliseconds(10)), behind: profile, families: .dual) { lab, wan in
            let (alice, bob) = (try lab.host("alice"), try lab.host("bob"))
            let (inside, outside) = (try alice.udpSocket(), try bob.udpSocket(port: 7_001))
            try inside.send("out", to: LabEndpoint(bob.address, 7_001))
            try outside.send("back", to: try await outside.receive("out"))
            try await inside.receive("back")
            let inside6 = try alice.udpSocket(ipv6: true)
            let outside6 = try bob.udpSocket(port: 7_006, ipv6: true)
            try inside6.send("out", to: LabEndpoint(try #require(bob.address6), 7_006))
            try outside6.send("back", to: try await outside6.receive("out"))
            try await inside6.receive("back")
            #expect(try wan.statistics(from: "alice").delivered >= 2)
            #expect(try wan.statistics(from: "bob").delivered >= 2)
        }
    }

    @Test func followsASiteToItsNextPublicAddress() async throws {
        try await with(WANSettings(delay: .milliseconds(10)), behind: .portRestricted) { lab, wan in
            let (alice, bob) = (try lab.host("alice"), try lab.host("bob"))
            try await alice.site.changePublicAddress()
            let (inside, outside) = (try alice.udpSocket(), try bob.udpSocket(port: 7_001))
            try inside.send("out", to: LabEndpoint(bob.address, 7_001))
            let seen = try await outside.receive("out")
            #expect(seen.address == alice.site.publicAddress)
            try outside.send("back", to: seen)
            try await inside.receive("back")
            #expect(try wan.statistics(from: "bob").delivered >= 1)
        }
    }

    @Test func canBeBlockedOneWay() async throws {
        try await with(WANSettings(delay: .milliseconds(1))) { lab, wan in
            let (alice, bob) = (try lab.host("alice"), try lab.host("bob"))
            let (one, other) = (try alice.udpSocket(port: 7_001), try bob.udpSocket(port: 7_001))
            try await lab.block(from: alice, to: bob)
            try one.send("lost", to: LabEndpoint(bob.address, 7_001))
            try other.send("through", to: LabEndpoint(alice.address, 7_001))
            try await one.receive("through")
            try await lab.unblock(from: alice, to: bob)
            try one.send("fence", to: LabEndpoint(bob.address, 7_001))
            #expect(try await other.texts(before: "fence").isEmpty)
        }
    }

    /// What it must be able to carry: the flow is what the benchmark of long paths fills.
    @Test func losesNothingByItself() async throws {
        let settings = WANSettings(delay: .milliseconds(25), rate: 200_000_000, queue: 16 << 20)
        try await with(settings) { lab, wan in
            let report = try await lab.host("alice")
                .flow(to: lab.host("bob"), size: 1_452, rate: 190_000_000, count: 16_000)
            try await arrival(of: 16_000, over: wan)
            let link = try wan.statistics(from: "alice")
            say("190 of 200 Mbit/s", report, link)
            // A receiver that is not given its turn loses packets in front of its own socket: the link is what is tested.
            #expect(link.packets >= 16_000 && link.delivered >= 16_000)
            #expect(link.dropped == 0 && link.lost == 0 && link.mishandled == 0)
            #expect(report.delay(0) >= .milliseconds(25))
        }
    }

    @Test func limitsTheRateAndDropsWhatDoesNotFit() async throws {
        let settings = WANSettings(delay: .milliseconds(5), rate: 10_000_000, queue: 60_000)
        try await with(settings) { lab, wan in
            let report = try await lab.host("alice")
                .flow(to: lab.host("bob"), size: 1_452, rate: 20_000_000, count: 2_000)
            let link = try wan.statistics(from: "alice")
            say("20 Mbit/s into 10", report, link)
            #expect(link.dropped > 0)
            #expect(link.longestQueue <= 60_000 && link.longestQueue > 57_000)
            // A pause of the machine can only make it slower.
            #expect(report.rate < 10_600_000)
            #expect(link.delivered + link.dropped <= link.packets)
        }
    }

    @Test func losesAndReordersTheSharesThatWereAskedFor() async throws {
        var settings = WANSettings(delay: .milliseconds(5))
        (settings.loss, settings.reordering) = (0.1, 0.05)
        try await with(settings, seed: 42) { lab, wan in
            let report = try await lab.host("alice")
                .flow(to: lab.host("bob"), size: 300, rate: 2_400_000, count: 3_000)
            let link = try wan.statistics(from: "alice")
            say("10 % loss, 5 % reordering", report, link)
            // Five standard deviations.
            #expect((0.072...0.128).contains(Double(link.lost) / Double(link.packets)))
            #expect((80...195).contains(link.heldBack))
            #expect(report.reordered > 0 && report.reordered <= link.heldBack)
        }
    }

    @Test func changesWhileItIsInUse() async throws {
        try await with(WANSettings(delay: .milliseconds(1))) { lab, wan in
            let (alice, bob) = (try lab.host("alice"), try lab.host("bob"))
            wan.change { $0.loss = 1 }
            let gone = try await alice.flow(to: bob, size: 200, rate: 1_600_000, count: 20)
            #expect(gone.received == 0)
            try wan.change(from: "alice") {
                ($0.loss, $0.delay, $0.duplication) = (0, .milliseconds(60), 1)
            }
            let slow = try await alice.flow(to: bob, size: 200, rate: 160_000, count: 20)
            #expect(slow.received == 20 && slow.delay(0) >= .milliseconds(60))
            #expect(try wan.statistics(from: "alice").duplicated >= 19)
            #expect(throws: LabError.self) { try wan.change(from: "server") { $0.loss = 0 } }
            #expect(throws: LabError.self) { try lab.wan(between: "alice", and: "server") }
        }
    }

    @Test func carriesTCP() async throws {
        try await with(WANSettings(delay: .milliseconds(20), rate: 50_000_000)) { lab, _ in
            let (alice, bob) = (try lab.host("alice"), try lab.host("bob"))
            let listener = try bob.tcpListener(port: 8_080)
            let began = ContinuousClock.now
            #expect(try await alice.connectsByTCP(to: LabEndpoint(bob.address, 8_080)))
            #expect(.now - began >= .milliseconds(40))
            withExtendedLifetime(listener) {}
        }
    }

    @Test func endsWithTheLaboratory() async throws {
        let lab = try await Lab.start { plan in
            plan.host("alice")
            plan.host("bob")
            plan.wan(between: "alice", and: "bob", WANSettings(delay: .seconds(10)))
        }
        let wan = try lab.wan(between: "alice", and: "bob")
        try lab.host("alice").udpSocket().send("never", to: LabEndpoint(try lab.host("bob").address, 7_001))
        try await lab.close()
        try await lab.close()
        wan.change { $0.delay = .zero }
        #expect(try wan.statistics(from: "alice").delivered == 0)
    }

    @Test func refusesEndsThatAreNoSites() async throws {
        await #expect(throws: LabError.self) {
            try await Lab.start { plan in
                plan.host("alice")
                plan.wan(between: "alice", and: "bob", WANSettings(delay: .zero))
            }
        }
    }
}
