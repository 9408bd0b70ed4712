import Messenger
import Paths
import PeerLab
import SecureTransport
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct RestartTests {
    private func talk(_ one: Person, _ other: Person, _ name: String, _ text: String) async throws {
        let id = try await one.send(text, to: name)
        #expect(try await other.text() == text)
        try await one.when(id, is: .delivered)
    }

    /// The same identity in a new process, while the other side still believes in the old session.
    @Test(arguments: [TravelPolicy.auto, .relay])
    func peerThatRestartsIsFoundAgain(_ policy: TravelPolicy) async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple(alice: { $0.policy = policy }, bob: { $0.policy = policy })
            try await alice.reach("bob")
            try await talk(alice, bob, "bob", "one")
            await bob.stop()
            try await alice.whenOffline(because: "left")
            let waiting = try await alice.send("two", to: "bob")
            let again = try lab.person(bob.home) { $0.policy = policy }
            try await again.online()
            #expect(try await again.text() == "two")
            try await alice.when(waiting, is: .delivered)
            try await talk(again, alice, "alice", "back")
            #expect(again.texts == ["two"])
        }
    }

    /// Messages that the old session had carried but nobody had confirmed are sent again, in order, none twice.
    @Test func unconfirmedMessagesAreSentAgainOnce() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let peer = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(peer.id, "peer", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await peer.converse(with: alice.id, greeting: peer.greeting())
            try await peer.perform { $0.confirmsEnvelopes = false }
            let ids = [try await alice.send("a", to: "peer"), try await alice.send("b", to: "peer")]
            let first = try await peer.nextText()
            #expect(first.text == "a" && first.content.id == ids[0].bytes)
            #expect(try await peer.nextText().text == "b")
            try await peer.write(.stored([first.id]))
            try await alice.when(ids[0], is: .delivered)
            let seen = peer.ciphertexts
            // The peer dials anew, as after a restart: its new session takes the old one's place.
            try await peer.converse(with: alice.id, greeting: peer.greeting())
            // The same envelopes, but for the one that was confirmed; the peer's ratchet knows them.
            let again = try await peer.frames.until("b again") { _ -> [[UInt8]]? in
                let now = peer.ciphertexts
                return now.count > seen.count && now.last == seen.last ? now : nil
            }
            #expect(!again.dropFirst(seen.count).contains(where: { Envelope.id(of: $0) == first.id }))
            let third = try await alice.send("c", to: "peer")
            #expect(try await peer.nextText().text == "c")
            try await peer.write(.stored(peer.envelopes.all.map(\.id)))
            try await alice.when(ids[1], is: .delivered)
            try await alice.when(third, is: .delivered)
            // Who sends twice is heard once, and told twice that it has arrived.
            let once = try await peer.say("once", times: 2)
            try await peer.say("then")
            #expect(try await alice.text() == "once")
            #expect(try await alice.text() == "then")
            try await peer.frames.until("told twice") { frames in
                let told = frames.reduce(0) { count, frame in
                    if case .stored(let ids) = frame { count + ids.count { $0 == once } } else { count }
                }
                return told == 2 ? () : nil
            }
            try await peer.vanish()
        }
    }

    /// A peer that writes to a session we lost is told so, and dials again.
    @Test func forgottenSessionIsReplacedAtOnce() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let peer = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(peer.id, "peer", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await peer.answer(greeting: peer.greeting())
            try await alice.reach("peer")
            try await alice.whenOnline()
            let tag = try #require(try await peer.perform { $0.transport?.tag })
            // The peer has lost its session and says so.
            try await peer.perform { $0.hangUp() }
            try await peer.signal(
                peer.seal(
                    .bye, connectionID: tag.bytes + [UInt8](repeating: 0, count: 8), time: wallClock(), to: alice.id),
                to: alice.id)
            #expect(try await alice.whenOffline() == "was restarted")
            try await alice.whenOnline()
            // The other way: a packet for a session that alice does not have.
            let stray = [0x40] + [UInt8](repeating: 0xAB, count: 60)
            try await peer.relay([stray], to: alice.id)
            // A late packet of the session that the peer has lost is answered in the same way.
            let unknown = [UInt8](repeating: 0xAB, count: 8) + [UInt8](repeating: 0, count: 8)
            while try await peer.nextRendezvous().connectionID != unknown {}
            #expect(peer.rendezvous.last { $0.connectionID == unknown }?.body == .bye)
            try await peer.vanish()
        }
    }

    @Test func noticeFromAStrangerOrForAnotherSessionEndsNothing() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let peer = try await ScriptedPeer.loggedIn(lab)
            let stranger = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(peer.id, "peer", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await peer.converse(with: alice.id, greeting: peer.greeting())
            try await alice.whenOnline()
            let tag = try #require(try await peer.perform { $0.transport?.tag })
            let forgotten = tag.bytes + [UInt8](repeating: 0, count: 8)
            try await stranger.signal(
                stranger.seal(.bye, connectionID: forgotten, time: wallClock(), to: alice.id), to: alice.id)
            try await peer.signal(
                peer.seal(
                    .bye, connectionID: forgotten.reversed(), time: wallClock(), to: alice.id), to: alice.id)
            try await stranger.relay([[0x40] + tag.bytes + [UInt8](repeating: 0, count: 40)], to: alice.id)
            try await peer.write(.ping(3))
            _ = try await peer.frames.next("pong") { $0 == .pong(3) ? () : nil }
            #expect(alice.sessions == 1)
            // A stranger's stray packet is not answered.
            #expect(stranger.rendezvous.isEmpty)
            try await peer.vanish()
            try await stranger.vanish()
        }
    }

    @Test func directSessionOutlivesTheServer() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple()
            try await alice.reach("bob")
            try await alice.when(.direct)
            try await bob.when(.direct)
            await lab.stopServer()
            try await alice.log.next("GOAWAY") { event in
                if case .server(.disconnected(_, let retryIn)) = event, retryIn != nil { () } else { nil }
            }
            for number in 0..<10 { try await talk(alice, bob, "bob", "without \(number)") }
            try await talk(bob, alice, "alice", "and back")
            try await lab.startServer()
            try await alice.log.next("ready again") { if case .ready = $0 { () } else { nil } }
            try await talk(alice, bob, "bob", "with")
            #expect(alice.sessions == 1 && bob.sessions == 1)
        }
    }

    @Test func relayedSessionResumes() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple(alice: { $0.policy = .relay }, bob: { $0.policy = .relay })
            try await alice.reach("bob")
            try await talk(alice, bob, "bob", "before")
            await lab.stopServer()
            var ids: [MessageID] = []
            for number in 0..<5 { ids.append(try await alice.send("meanwhile \(number)", to: "bob")) }
            try await lab.startServer()
            for id in ids { try await alice.when(id, is: .delivered) }
            try await talk(bob, alice, "alice", "after")
            #expect(try await bob.texts(6) == ["before"] + (0..<5).map { "meanwhile \($0)" })
            #expect(alice.sessions == 1 && bob.sessions == 1)
        }
    }

    @Test func secondLoginOfTheIdentityIsFatalAndTold() async throws {
        try await Lab.run { lab in
            let alice = try lab.person(try lab.home("alice"))
            try await alice.online()
            let thief = try await ScriptedPeer.loggedIn(lab, alice.home.identity)
            let reason = try await alice.log.next("replaced") { event in
                if case .server(.disconnected(let reason, let retryIn)) = event, retryIn == nil { reason } else { nil }
            }
            #expect(reason == "the same identity has logged in elsewhere")
            try await thief.vanish()
        }
    }

    @Test func secondProcessOnOneHomeIsRefused() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let first = try lab.person(home)
            try await first.online()
            let second = try lab.person(home)
            await #expect(throws: HomeError.self) { try await second.messenger.start() }
            await second.stop()
            try await eventually("still known") { lab.server?.peers == 1 }
            await first.stop()
            let third = try lab.person(home)
            try await third.online()
        }
    }
}
