import Messenger
import PeerLab
import TestTools
import Testing
import Wire

@Suite struct PolicyTests {
    /// Which of the two wants the relay only.
    enum Shy: CaseIterable { case dialer, answerer, both }

    @Test(arguments: Shy.allCases)
    func staysOnTheRelay(_ shy: Shy) async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple(
                alice: { $0.policy = shy == .answerer ? .auto : .relay },
                bob: { $0.policy = shy == .dialer ? .auto : .relay })
            try await alice.reach("bob")
            try await alice.whenOnline()
            // An offer and its refusal; or, when the dialer is shy, nothing at all.
            if shy == .answerer {
                try await eventually("offer and refusal") { lab.counter("signal_frames_total") >= 2 }
            }
            for number in 0..<20 {
                let id = try await alice.send("\(number)", to: "bob")
                try await alice.when(id, is: .delivered)
            }
            #expect(try await bob.texts(20) == (0..<20).map { "\($0)" })
            #expect(alice.paths == [.relay] && bob.paths == [.relay])
            // What a shy answerer signals: `relayOnlyNeverSignalsACandidate`. In how many pieces an offer comes is a matter of time.
            if shy != .answerer { #expect(lab.counter("signal_frames_total") == 0) }
        }
    }

    /// The peer writes down all that the messenger signals.
    @Test func relayOnlyNeverSignalsACandidate() async throws {
        try await Lab.run { lab in
            let peer = try await ScriptedPeer.loggedIn(lab)
            let home = try lab.home("alice")
            try Lab.add(peer.id, "peer", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await peer.converse(with: alice.id, greeting: peer.greeting())
            let credentials = try ICECredentials(ufrag: "abcd", password: String(repeating: "p", count: 24))
            let candidate = try Candidate(
                type: .host, endpoint: Endpoint(address: .v4(127, 0, 0, 1), port: 9), priority: 1, foundation: "1",
                related: nil)
            let bodies: [Rendezvous.Body] = [
                .offer(credentials, [candidate]), .restart, .answer(credentials, [candidate]), .candidates([candidate]),
                .endOfCandidates, .offer(credentials, []),
            ]
            for (number, body) in bodies.enumerated() {
                let id = [UInt8](repeating: UInt8(number + 1), count: 16)
                try await peer.signal(
                    peer.seal(body, connectionID: id, time: wallClock(), to: alice.id), to: alice.id)
            }
            let first = try await peer.nextRendezvous()
            let second = try await peer.nextRendezvous()
            #expect([first.body, second.body] == [.bye, .bye])
            #expect([first.connectionID[0], second.connectionID[0]] == [1, 6])
            // Everything before this has been dealt with.
            try await peer.write(.ping(1))
            _ = try await peer.frames.next("pong") { $0 == .pong(1) ? () : nil }
            #expect(peer.rendezvous.count == 2)
            #expect(alice.paths == [.relay])
            try await peer.vanish()
        }
    }

    @Test func directOnlyWaitsForADirectPath() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple(alice: { $0.policy = .direct })
            let id = try await alice.send("only to you", to: "bob")
            #expect(try await bob.text() == "only to you")
            try await alice.when(id, is: .delivered)
            let events = alice.log.all
            let direct = try #require(events.firstIndex { $0.isPath(.direct) })
            let delivered = try #require(
                events.firstIndex { if case .state(id, _, .delivered, _) = $0 { true } else { false } })
            #expect(direct < delivered)
        }
    }

    @Test func directOnlyKeepsTheMessageWhenThereIsNoDirectPath() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple(alice: { $0.policy = .direct }, bob: { $0.policy = .relay })
            try await alice.send("only to you", to: "bob")
            try await alice.whenOnline()
            // What is not said by people still travels.
            try await alice.ping("bob")
            try await alice.log.next("pong") { if case .pong = $0 { () } else { nil } }
            #expect(try await alice.messenger.undelivered(to: alice.contact("bob")) == 1)
            #expect(bob.texts.isEmpty)
        }
    }
}
