import Identity
import Messenger
import PeerLab
import SecureTransport
import TestTools
import Testing
import Wire

@Suite struct StrangerTests {
    /// Alice, online, and somebody she does not know.
    private func meet(_ lab: Lab) async throws -> (alice: Person, stranger: ScriptedPeer) {
        let alice = try lab.person(try lab.home("alice"))
        try await alice.online()
        return (alice, try await ScriptedPeer.loggedIn(lab))
    }

    @Test func isRefusedAtOnceWithAReason() async throws {
        try await Lab.run { lab in
            let alice = try lab.person(try lab.home("alice"))
            let home = try lab.home("mallory")
            try Lab.add(alice.id, "alice", to: home)
            let mallory = try lab.person(home)
            try await alice.online()
            try await mallory.online()
            try await mallory.send("let me in", to: "alice")
            // Alice's word: who gives up waiting says that there was no answer.
            #expect(try await mallory.whenOffline() == "does not accept you as a contact")
            #expect(mallory.sessions == 0 && alice.sessions == 0)
            #expect(try alice.home.book().contacts.isEmpty)
            #expect(alice.texts.isEmpty)
        }
    }

    @Test func getsNothingButARefusal() async throws {
        try await Lab.run { lab in
            let (alice, stranger) = try await meet(lab)
            let credentials = try ICECredentials(ufrag: "abcd", password: String(repeating: "p", count: 24))
            try await stranger.signal(
                stranger.seal(
                    .offer(credentials, []), connectionID: [UInt8](repeating: 7, count: 16), time: wallClock(),
                    to: alice.id), to: alice.id)
            try await stranger.dial(alice.id, greeting: stranger.greeting())
            let answer = try await stranger.nextRendezvous()
            let dialed = try await stranger.perform { $0.transport?.firstConnectionID }
            #expect(answer.body == .bye)
            #expect(answer.connectionID == dialed)
            // A repeat of the dial may be refused again.
            #expect(stranger.rendezvous.allSatisfy { $0 == answer || $0.body == .bye && $0.connectionID == dialed })
            #expect(stranger.packets.all.isEmpty)
            try await stranger.vanish()
        }
    }

    @Test func becomesAContactWithAnInvite() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let invite = try home.makeInvite(now: Int64(wallClock() / 1000))
            let alice = try lab.person(home)
            let bobHome = try lab.home("bob")
            try Lab.add(alice.id, "alice", to: bobHome, token: invite.token)
            let bob = try lab.person(bobHome)
            try await alice.online()
            try await bob.online()
            try await bob.send("hi, I am new", to: "alice")
            #expect(try await alice.text() == "hi, I am new")
            let admitted = try #require(
                alice.log.all.compactMap { if case .contact(let contact) = $0 { contact } else { nil } }.first)
            #expect(admitted.peer == bob.id && admitted.name == "bob" && !admitted.verified)
            #expect(try home.book().contact(bob.id)?.row == admitted.row)
            // Also the way back, which needs candidates from alice.
            try await alice.send("welcome", to: "bob")
            #expect(try await bob.text() == "welcome")
            // Perhaps before the message.
            try await bob.log.until("path direct") { _ in bob.paths.contains(.direct) ? () : nil }
        }
    }

    /// Whoever sees the first packet can send it again, or make the bearer of the invite look like a newcomer.
    @Test func replayedFirstPacketMakesNobodyAContact() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let invite = try home.makeInvite(now: Int64(wallClock() / 1000))
            let alice = try lab.person(home)
            // The dial is lost: alice is not there yet.
            let bob = try await ScriptedPeer.loggedIn(lab)
            try await bob.dial(alice.id, greeting: bob.greeting(token: invite.token))
            let packet = try await bob.sent.next("first packet") { $0 }
            try await bob.perform { $0.hangUp() }
            try await alice.online()
            try await bob.relay([packet], to: alice.id)
            // Alice answers, to nobody who could go on.
            _ = try await bob.packets.next("answer") { $0 }
            #expect(try home.book().contacts.isEmpty)
            #expect(alice.sessions == 0)
            try await bob.vanish()
        }
    }

    enum BadToken: CaseIterable { case none, wrong, expired, truncated }

    @Test(arguments: BadToken.allCases)
    func badTokenAdmitsNobody(_ kind: BadToken) async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let now = Int64(wallClock() / 1000)
            let expired = try home.makeInvite(now: now - Home.inviteLifetime - 1)
            let valid = try home.makeInvite(now: now)
            let alice = try lab.person(home)
            try await alice.online()
            let stranger = try await ScriptedPeer.loggedIn(lab)
            let greeting =
                switch kind {
                case .none: stranger.greeting()
                case .wrong: stranger.greeting(token: [UInt8](repeating: 1, count: 16))
                case .expired: stranger.greeting(token: expired.token)
                case .truncated: Array(stranger.greeting(token: valid.token, name: "").dropLast(4))
                }
            try await stranger.dial(alice.id, greeting: greeting)
            #expect(try await stranger.nextRendezvous().body == .bye)
            #expect(try home.book().contacts.isEmpty)
            #expect(alice.sessions == 0)
            try await stranger.vanish()
        }
    }

    /// A contact's name in the greeting of somebody else.
    @Test func greetingWithAnotherIdentityIsRefused() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let friend = try Identity.generate().peerID
            try Lab.add(friend, "friend", to: home)
            let invite = try home.makeInvite(now: Int64(wallClock() / 1000))
            let alice = try lab.person(home)
            try await alice.online()
            let mallory = try await ScriptedPeer.loggedIn(lab)
            try await mallory.dial(alice.id, greeting: mallory.greeting(token: invite.token, as: friend))
            #expect(try await mallory.nextRendezvous().body == .bye)
            #expect(try home.book().contacts.map(\.peer) == [friend])
            #expect(alice.sessions == 0)
            try await mallory.vanish()
        }
    }

    /// Held offers of a newcomer are opened when the session makes them a contact.
    @Test func offerThatOvertakesTheHandshakeIsAnsweredAfterIt() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let invite = try home.makeInvite(now: Int64(wallClock() / 1000))
            let alice = try lab.person(home)
            try await alice.online()
            let bob = try await ScriptedPeer.loggedIn(lab)
            let credentials = try ICECredentials(ufrag: "abcd", password: String(repeating: "p", count: 24))
            let id = [UInt8](repeating: 9, count: 16)
            try await bob.signal(
                bob.seal(.offer(credentials, []), connectionID: id, time: wallClock(), to: alice.id), to: alice.id)
            try await bob.converse(with: alice.id, greeting: bob.greeting(token: invite.token))
            let answer = try await bob.nextRendezvous()
            #expect(answer.connectionID == id)
            guard case .answer(_, let candidates) = answer.body else {
                Issue.record("not an answer: \(answer.body)")
                return
            }
            #expect(candidates.allSatisfy { $0.endpoint.address == .v4(127, 0, 0, 1) })
            try await bob.vanish()
        }
    }
}
