import Identity
import Paths
import PeerLab
import SecureTransport
import TestTools
import Testing

@testable import Peering

@Suite struct VanishTests {
    private var quick: PeerTiming {
        var timing = PeerTiming()
        timing.relayRetry = .milliseconds(50)
        timing.absence = .milliseconds(400)
        timing.silence = .milliseconds(200)
        return timing
    }

    @Test func peerThatVanishesIsReportedWithinTheAbsenceLimit() async throws {
        try await Lab.run { lab in
            let peer = try await ScriptedPeer.loggedIn(lab)
            let alice = try await TestNode.online(lab, contacts: [peer.id], policy: .relay, timing: quick)
            try await peer.answer(greeting: [])
            try await alice.connect(to: peer.id)
            try await alice.opened()
            try await alice.perform { $0.session(with: peer.id)?.setOnScreen(true) }
            try await peer.vanish()
            #expect(try await alice.closed() == .timedOut)
            // Attempts to dial anew beside the open session are nobody's concern.
            #expect(!alice.log.all.contains { if case .dialFailed = $0 { true } else { false } })
            try await alice.connect(to: peer.id)
            #expect(try await alice.dialFailed() == .notConnected)
            try await alice.stop()
        }
    }

    /// Gone and back before anybody noticed, without its session: it says so.
    @Test func peerThatRestartsUnnoticedIsDialedAgain() async throws {
        try await Lab.run { lab in
            let identity = try Identity.generate()
            let alice = try await TestNode.online(lab, contacts: [identity.peerID], policy: .relay)
            let peer = try await ScriptedPeer.loggedIn(lab, identity)
            try await peer.answer(greeting: [])
            try await alice.connect(to: peer.id)
            try await alice.opened()
            try await peer.vanish()
            let again = try await TestNode.online(lab, identity, contacts: [alice.id], policy: .relay)
            try await alice.write("are you there?", to: peer.id)
            #expect(try await alice.closed() == .forgotten)
            try await alice.connect(to: peer.id)
            try await again.opened()
            try await again.stop()
            try await alice.stop()
        }
    }

    /// Gone and back before the limit, without its session and without a word about it.
    @Test func peerThatComesBackAnswersAnew() async throws {
        try await Lab.run { lab in
            var timing = quick
            timing.absence = .seconds(30)
            let identity = try Identity.generate()
            let alice = try await TestNode.online(lab, contacts: [identity.peerID], policy: .relay, timing: timing)
            let peer = try await ScriptedPeer.loggedIn(lab, identity)
            try await peer.answer(greeting: [])
            try await alice.connect(to: peer.id)
            try await alice.opened()
            try await alice.perform { $0.session(with: identity.peerID)?.setOnScreen(true) }
            try await peer.vanish()
            try await eventually("silence noticed") {
                try await alice.perform { $0.session(with: identity.peerID)?.isSilent(for: $0.timing.silence) == true }
            }
            // From now on it dials with every try of the relay.
            let before = lab.counter("unreachable_total")
            try await eventually("tries go on") { lab.counter("unreachable_total") > before + 2 }
            let again = try await ScriptedPeer.loggedIn(lab, identity)
            try await again.answer(greeting: [])
            #expect(try await alice.closed() == .replaced)
            try await alice.opened()
            try await alice.stop()
            try await again.vanish()
        }
    }
}
