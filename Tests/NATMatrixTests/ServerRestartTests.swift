import NATLab
import Testing

@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct ServerRestartTests {
    enum Ending: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case killed, terminated

        var testDescription: String { rawValue }
    }

    private func end(_ server: ServerProgram, _ ending: Ending) async {
        switch ending {
        case .killed: await server.kill()
        case .terminated: await server.terminate()
        }
    }

    @Test(arguments: Ending.allCases)
    func directConversationLivesOn(ending: Ending) async throws {
        try await Meeting.with(alice: .behind(.portRestricted), bob: .behind(.portRestricted)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForPath("direct")
                let ended = ContinuousClock.now
                await end(meeting.server, ending)
                try await meeting.waitForMessages(80)
                let gap = meeting.longestGap(since: ended)
                #expect(gap < 2_000)
                for person in [meeting.alice, meeting.bob] {
                    let journal = person.journal.value
                    #expect(journal.path == "direct" && journal.paths.allSatisfy { $0.session == 1 })
                }
                try await meeting.server.start()
                try await meeting.waitForMessages(40)
                MatrixReport.shared.note("server \(ending) and restarted, direct", "gap \(Int(gap)) ms")
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
        }
    }

    @Test(arguments: Ending.allCases)
    func relayedConversationResumes(ending: Ending) async throws {
        try await Meeting.with(alice: .behind(.udpBlocked), bob: .behind(.portRestricted)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForMessages(20)
                await end(meeting.server, ending)
                try await meeting.server.start()
                let restarted = ContinuousClock.now
                try await meeting.waitForMessages(40, within: .seconds(60))
                let gap = meeting.longestGap(since: restarted)
                #expect(gap < 40_000)
                MatrixReport.shared.note(
                    "server \(ending) and restarted, relayed", "gap from the restart on \(Int(gap)) ms")
            }
            try await meeting.waitForAll(within: .seconds(60))
            meeting.expectPerfectDelivery()
        }
    }

    /// With the server away and then the path: the relay is there again once the server is.
    @Test func fallsBackToAServerThatWasRestarted() async throws {
        try await Meeting.with(alice: .behind(.portRestricted), bob: .behind(.portRestricted)) { meeting in
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForPath("direct")
                await meeting.server.kill()
                try await meeting.server.start()
                for person in [meeting.alice, meeting.bob] {
                    try await person.first("new login", within: .seconds(60)) { $0.logins >= 2 ? () : nil }
                }
                let cut = ContinuousClock.now
                try await meeting.alice.host.site.cutUDP()
                try await meeting.waitForPath("relay", after: cut)
                try await meeting.waitForMessages(20)
                #expect(meeting.longestGap(since: cut) < 5_000)
            }
            try await meeting.waitForAll(within: .seconds(60))
            meeting.expectPerfectDelivery()
        }
    }
}
