import NATLab
import Testing

/// People who are not there, go without a word, or call each other at the same moment.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct VanishTests {
    @Test(arguments: [NATProfile.portRestricted, .udpBlocked])
    func welcomesBackWhoVanished(profile: NATProfile) async throws {
        try await Meeting.with(alice: .behind(profile), bob: .behind(.portRestricted)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                if profile.passesUDP { try await meeting.waitForPath("direct") }
                try await meeting.waitForMessages(40)
            }
            try await meeting.waitForAll()
            let vanished = ContinuousClock.now
            await meeting.bob.process?.kill()
            try meeting.alice.sayNext()
            try meeting.bob.listen(for: "alice")
            try await meeting.bob.waitUntilReady()
            try await meeting.talking {
                try await meeting.waitForMessages(40, within: .seconds(60))
                if profile.passesUDP { try await meeting.waitForPath("direct", within: .seconds(60)) }
            }
            try await meeting.waitForAll(within: .seconds(60))
            // All was confirmed before he vanished. What he was shown in the last moment before may be shown again, as unread.
            let back = meeting.delivery(from: meeting.bob, to: meeting.alice)
            #expect(back.isPerfect, "\(back)")
            expectNothingLostAndNothingTwiceInARun(meeting)
            let first = meeting.bob.journal.value.messages.first
            let after = first.map { Int(($0.time - vanished).milliseconds) }
            MatrixReport.shared.note(
                "vanished and came back, \(profile)", "heard again after \(after.map { "\($0) ms" } ?? "–")")
        }
    }

    /// Of what alice says to bob.
    @discardableResult
    private func expectNothingLostAndNothingTwiceInARun(_ meeting: Meeting) -> Delivery {
        let delivery = meeting.delivery(from: meeting.alice, to: meeting.bob)
        #expect(delivery.lost.isEmpty, "\(delivery)")
        for journal in meeting.bob.previousJournals + [meeting.bob.journal.value] {
            let own = Delivery(said: [], heard: journal.messages)
            #expect(own.repeated.isEmpty && own.isInOrder, "\(own)")
        }
        return delivery
    }

    /// In the middle of the flow: what was not confirmed comes again, so that nothing of alice's is lost. What bob was
    /// shown and had not noted as seen is shown to his next run, too.
    @Test func losesNothingOfTheOneWhoStays() async throws {
        try await Meeting.with(alice: .behind(.portRestricted), bob: .behind(.portRestricted)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForPath("direct")
                try await meeting.waitForMessages(40)
                await meeting.bob.process?.kill()
                try meeting.bob.listen(for: "alice")
                try await meeting.bob.waitUntilReady()
                try await meeting.waitForMessages(40, within: .seconds(60))
            }
            let last = "alice \(meeting.alice.sentCount - 1)"
            try await meeting.bob.first("'\(last)'", within: .seconds(30)) { $0.messages.last?.text == last ? () : nil }
            let delivery = expectNothingLostAndNothingTwiceInARun(meeting)
            MatrixReport.shared.note(
                "killed in mid-flow", "\(delivery.repeated.count) messages came to both of bob's runs")
        }
    }

    @Test func callEachOtherAtOnce() async throws {
        try await Meeting.with(alice: .behind(.portRestricted), bob: .behind(.portRestricted)) { meeting in
            try meeting.alice.chat(with: "bob")
            try meeting.bob.chat(with: "alice")
            try await meeting.talking {
                try await meeting.waitForPath("direct")
                try await meeting.waitForMessages(80)
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
            let sessions = [meeting.alice, meeting.bob].map { $0.journal.value.sessions }
            MatrixReport.shared.note("both dial at once", "sessions seen by alice and bob: \(sessions)")
        }
    }

    @Test func keepsWhatIsSentToSomebodyWhoIsNotThere() async throws {
        try await Meeting.with(alice: .behind(.portRestricted), bob: .behind(.open)) { meeting in
            let began = ContinuousClock.now
            let process = try meeting.alice.host.spawn(
                Programs.sotto, ["--home", meeting.alice.home, "--json", "send", "bob", "hello"],
                environment: ["HOME": meeting.alice.home])
            #expect(try await process.exit(within: .seconds(30)) == .code(0))
            let events = process.lines.compactMap { Event($0.text) }
            #expect(events.last { $0.event == "state" }?.state == "queued", "\(process.lines.map(\.text))")
            MatrixReport.shared.note(
                "sending to a contact who was never online",
                "says *queued* after \(Int((ContinuousClock.now - began).milliseconds)) ms")
        }
    }
}
