import NATLab
import Testing

/// Every ordered pair of profiles, with the real programs.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct MatrixTests {
    struct Cell: Sendable, CustomTestStringConvertible {
        let alice: NATProfile
        let bob: NATProfile

        var testDescription: String { "\(alice) dials \(bob)" }

        /// Exactly one of them maps by destination, and ICE finds no way.
        var isForPortSearch: Bool {
            alice.passesUDP && bob.passesUDP && !alice.canReachDirectly(bob) && alice.mapping != bob.mapping
        }

        static let all = NATProfile.allCases.flatMap { alice in
            NATProfile.allCases.map { Cell(alice: alice, bob: $0) }
        }
    }

    /// When all of ICE's checks have come to an end where no path can be found, and some time on top.
    private static let hopelessness = Duration.seconds(8)
    private static let certainty = Duration.seconds(3)

    @Test(arguments: Cell.all)
    func startsOnTheRelayAndEndsOnTheExpectedRoute(cell: Cell) async throws {
        var result = CellResult()
        do {
            try await Meeting.with(alice: .behind(cell.alice), bob: .behind(cell.bob)) { meeting in
                try await run(cell, meeting, &result)
            }
        } catch {
            result.failed = true
            MatrixReport.shared.record(cell.alice, cell.bob, result)
            throw error
        }
        MatrixReport.shared.record(cell.alice, cell.bob, result)
    }

    private func run(_ cell: Cell, _ meeting: Meeting, _ result: inout CellResult) async throws {
        let (alice, bob) = (meeting.alice, meeting.bob)
        let isDirect = cell.alice.canReachDirectly(cell.bob)
        let captures = [try alice.host.capture(), try bob.host.capture()]
        // What a search for ports makes of the cells that ICE cannot connect is HardNATTests' matter.
        let options = cell.isForPortSearch ? ["--no-port-search"] : []
        try await meeting.begin(alice: options, bob: options)
        let started = ContinuousClock.now
        try await meeting.talking {
            if isDirect {
                result.direct = try await alice.waitForPath("direct").sinceStart
                try await bob.waitForPath("direct")
                try await hold(meeting, until: .now + .seconds(1))
            } else {
                try await hold(meeting, until: started + Self.hopelessness + Self.certainty)
            }
        }
        try await meeting.waitForAll()
        result.route = alice.journal.value.path
        result.firstMessage = try expectRelayFirst(meeting)
        expectDelivery(meeting)
        expectSecurityEvents(meeting)
        for person in [alice, bob] {
            #expect(person.journal.value.path == (isDirect ? "direct" : "relay"), "\(person.name)")
            #expect(person.journal.value.failures.isEmpty, "\(person.name)")
        }
        if !isDirect { expectNoPacketsPastTheServer(meeting, captures) }
        result.failed = result.route != (isDirect ? "direct" : "relay")
    }

    /// Lets the conversation go on, and both sides hear each other, until the given time.
    private func hold(_ meeting: Meeting, until end: ContinuousClock.Instant) async throws {
        for person in [meeting.alice, meeting.bob] {
            try await person.first("messages until the end", within: end - .now + .seconds(20)) { journal in
                journal.messages.last.flatMap { $0.time >= end ? () : nil }
            }
        }
    }

    /// The time in milliseconds from the dial until bob had the first message. The session begins on the relay; the first message ever needs a ratchet session, which may take
    /// until the direct path is there.
    ///
    /// Each path event of alice's tells when the dial was, as seen from the moment it was read; the earliest is the
    /// one read with the least delay.
    private func expectRelayFirst(_ meeting: Meeting) throws -> Double {
        let bob = meeting.bob.journal.value
        let (first, dialed) = (try #require(bob.messages.first), try #require(meeting.alice.journal.value.paths.first))
        #expect(dialed.kind == "relay")
        #expect(bob.paths.first?.kind == "relay")
        #expect(first.text == "alice 0")
        let estimates = meeting.alice.journal.value.paths.filter { $0.session == dialed.session }
            .map { (first.time - $0.time).milliseconds + $0.sinceStart }
        return estimates.max() ?? .nan
    }

    private func expectDelivery(_ meeting: Meeting) {
        for (speaker, listener) in [(meeting.alice, meeting.bob), (meeting.bob, meeting.alice)] {
            let delivery = meeting.delivery(from: speaker, to: listener)
            #expect(delivery.isPerfect, "from \(speaker.name): \(delivery)")
        }
    }

    /// Alice has compared the safety number, bob has not: that is what each one's events say, always.
    private func expectSecurityEvents(_ meeting: Meeting) {
        for (person, isVerified) in [(meeting.alice, true), (meeting.bob, false)] {
            let paths = person.journal.value.paths
            #expect(paths.allSatisfy { $0.verified == isVerified }, "\(person.name)")
        }
    }

    /// On the relay means: no packet has come from anybody but the server.
    private func expectNoPacketsPastTheServer(_ meeting: Meeting, _ captures: [PacketCapture]) {
        for capture in captures {
            let strangers = capture.packets.filter {
                $0.isUDP && !$0.isOutgoing && $0.source.address != meeting.server.host.address4
            }
            #expect(strangers.isEmpty)
            #expect(capture.lostPackets == 0)
        }
    }
}
