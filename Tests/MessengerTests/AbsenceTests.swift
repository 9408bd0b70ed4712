import Messenger
import PeerLab
import Testing

@Suite struct AbsenceTests {
    private func homes(_ lab: Lab) throws -> (alice: Home, bob: Home) {
        let homes = (alice: try lab.home("alice"), bob: try lab.home("bob"))
        try lab.introduce(homes.alice, homes.bob)
        return homes
    }

    @Test func absenceIsToldAtOnceAndFailsTheMessage() async throws {
        try await Lab.run { lab in
            let alice = try lab.person(try homes(lab).alice) { $0.failsWhenAbsent = true }
            try await alice.online()
            let id = try await alice.send("anybody there?", to: "bob")
            // The server's word: who gives up waiting says that there was no answer.
            #expect(try await alice.when(id, is: .failed) == "not online")
            #expect(try await alice.messenger.undelivered(to: alice.contact("bob")) == 0)
        }
    }

    @Test func messageWaitsForWhoComesOnlineLater() async throws {
        try await Lab.run { lab in
            let homes = try homes(lab)
            let alice = try lab.person(homes.alice)
            try await alice.online()
            let first = try await alice.send("first", to: "bob")
            #expect(try await alice.whenOffline() == "not online")
            let second = try await alice.send("second", to: "bob")
            let bob = try lab.person(homes.bob)
            try await bob.online()
            #expect(try await bob.text() == "first")
            #expect(try await bob.text() == "second")
            try await alice.when(first, is: .delivered)
            try await alice.when(second, is: .delivered)
            let states = alice.log.all.compactMap { event in
                if case .state(first, _, let state, _) = event { state } else { nil }
            }
            #expect(states == [.queued, .sent, .delivered])
        }
    }

    @Test func messageWaitsForTheServer() async throws {
        try await Lab.run { lab in
            let homes = try homes(lab)
            let alice = try lab.person(homes.alice) { $0.failsWhenAbsent = true }
            let bob = try lab.person(homes.bob)
            await lab.stopServer()
            try await alice.messenger.start()
            try await bob.messenger.start()
            try await alice.send("at last", to: "bob")
            try await alice.log.next("no server") { if case .server(.disconnected) = $0 { () } else { nil } }
            // Bob first: nobody may be told that he is absent.
            try await lab.startServer()
            let text = try? await bob.text(within: 5)
            // Either alice came first and was told at once, or the message arrived.
            let failed = alice.log.all.contains { if case .state(_, _, .failed, _) = $0 { true } else { false } }
            #expect(failed != (text == "at last"))
        }
    }

    @Test func withdrawnMessageIsNeverSent() async throws {
        try await Lab.run { lab in
            let homes = try homes(lab)
            let alice = try lab.person(homes.alice)
            try await alice.online()
            let id = try await alice.send("regretted", to: "bob")
            await alice.messenger.withdraw(id, to: try await alice.contact("bob"), reason: "changed my mind")
            #expect(try await alice.when(id, is: .failed) == "changed my mind")
            let bob = try lab.person(homes.bob)
            try await bob.online()
            try await alice.send("kept", to: "bob")
            #expect(try await bob.text() == "kept")
            #expect(bob.texts == ["kept"])
        }
    }
}
