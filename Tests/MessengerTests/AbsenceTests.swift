import Messenger
import PeerLab
import TestTools
import Testing
import Vault

@Suite struct AbsenceTests {
    private func homes(_ lab: Lab) throws -> (alice: Home, bob: Home) {
        let homes = (alice: try lab.home("alice"), bob: try lab.home("bob"))
        try lab.introduce(homes.alice, homes.bob)
        return homes
    }

    @Test func absenceIsToldAtOnceAndTheMessageKept() async throws {
        try await Lab.run { lab in
            let alice = try lab.person(try homes(lab).alice)
            try await alice.online()
            let id = try await alice.send("anybody there?", to: "bob")
            try await alice.when(id, is: .queued)
            // The server's word: who gives up waiting says that there was no answer.
            #expect(try await alice.whenOffline() == "not online")
            #expect(try await alice.messenger.undelivered(to: alice.contact("bob")) == 1)
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
            #expect(states == [.queued, .delivered])
        }
    }

    @Test func messageWaitsForTheServer() async throws {
        try await Lab.run { lab in
            let homes = try homes(lab)
            let alice = try lab.person(homes.alice)
            let bob = try lab.person(homes.bob)
            await lab.stopServer()
            try await alice.messenger.start()
            try await bob.messenger.start()
            try await alice.send("at last", to: "bob")
            try await alice.log.next("no server") { if case .server(.disconnected) = $0 { () } else { nil } }
            try await lab.startServer()
            #expect(try await bob.text() == "at last")
        }
    }

    /// What was written is on the disk: the next process of the same home delivers it.
    @Test func messageOutlivesTheProgram() async throws {
        try await Lab.run { lab in
            let homes = try homes(lab)
            let alice = try lab.person(homes.alice)
            try await alice.online()
            let ids = [try await alice.send("first", to: "bob"), try await alice.send("second", to: "bob")]
            for id in ids { try await alice.when(id, is: .queued) }
            await alice.stop()
            let bob = try lab.person(homes.bob)
            try await bob.online()
            let again = try lab.person(homes.alice)
            try await again.online()
            #expect(try await bob.text() == "first")
            #expect(try await bob.text() == "second")
            for id in ids { try await again.when(id, is: .delivered) }
            let history = try homes.alice.history(try await again.contact("bob"), last: 10)
            #expect(history.map(\.text) == ["first", "second"] && history.allSatisfy { $0.state == .delivered })
            #expect(try homes.bob.history(try await bob.contact("alice"), last: 10).map(\.text) == ["first", "second"])
        }
    }

    /// A second process puts a message into the outbox of the one that is online.
    @Test func messageOfAnotherProcessGoesOut() async throws {
        try await Lab.run { lab in
            let homes = try homes(lab)
            let alice = try lab.person(homes.alice)
            let bob = try lab.person(homes.bob)
            try await alice.online()
            try await bob.online()
            let second = try Home.open(at: "\(lab.directory)/alice") { nil }
            let contact = try #require(try second.book().contacts.first)
            let id = try second.leave("from elsewhere", for: contact)
            #expect(try await bob.text() == "from elsewhere")
            try await eventually("delivered") { try second.sent(id, to: contact)?.state == .delivered }
            try await alice.send("from here", to: "bob")
            #expect(try await bob.text() == "from here")
            #expect(bob.texts == ["from elsewhere", "from here"])
        }
    }
}
