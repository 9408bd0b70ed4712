import ICE
import Identity
import Paths
import PeerLab
import SecureTransport
import TestTools
import Testing
import Wire

@testable import Peering

/// What a node makes of rendezvous payloads.
@Suite struct RendezvousTests {
    private let credentials: ICECredentials
    private let id = [UInt8](repeating: 7, count: 16)

    init() throws {
        credentials = try ICECredentials(ufrag: "abcd", password: String(repeating: "p", count: 24))
    }

    private func candidate(_ port: UInt16) throws -> Candidate {
        try Candidate(
            type: .host, endpoint: Endpoint(address: .v4(127, 0, 0, 1), port: port), priority: 1, foundation: "1",
            related: nil)
    }

    private func run(_ body: (TestNode, ScriptedPeer) async throws -> Void) async throws {
        try await Lab.run { lab in
            let peer = try await ScriptedPeer.loggedIn(lab)
            let node = try await TestNode.online(lab, contacts: [peer.id])
            try await body(node, peer)
            try await node.stop()
            try await peer.vanish()
        }
    }

    /// Sends an offer that must be answered, and so shows that everything before it has been dealt with.
    private func barrier(_ node: TestNode, _ peer: ScriptedPeer) async throws {
        let last = [UInt8](repeating: 0xEE, count: 16)
        try await peer.signal(
            peer.seal(.offer(credentials, []), connectionID: last, time: wallClock(), to: node.id), to: node.id)
        while true {
            let answer = try await peer.nextRendezvous()
            if answer.connectionID == last { return }
        }
    }

    private func answers(_ peer: ScriptedPeer, to id: [UInt8]) -> Int {
        peer.rendezvous.count { if case .answer = $0.body { $0.connectionID == id } else { false } }
    }

    @Test func offerIsAnsweredWithCandidates() async throws {
        try await run { node, peer in
            try await peer.signal(
                peer.seal(.offer(credentials, []), connectionID: id, time: wallClock(), to: node.id), to: node.id)
            let answer = try await peer.nextRendezvous()
            guard case .answer(let own, let candidates) = answer.body else {
                Issue.record("\(answer.body)")
                return
            }
            #expect(answer.connectionID == id)
            #expect(own == .answering(credentials, connectionID: id))
            #expect(candidates.allSatisfy { $0.endpoint.address == .v4(127, 0, 0, 1) })
            #expect(try await node.agents(peer.id) == 1)
        }
    }

    enum Bad: CaseIterable { case replayed, stale, fromTheFuture, otherKey, otherRecipient, stranger, rubbish }

    @Test(arguments: Bad.allCases)
    func badOfferIsIgnored(_ kind: Bad) async throws {
        try await run { node, peer in
            let now = wallClock()
            let offer = Rendezvous.Body.offer(credentials, [])
            let good = try peer.seal(offer, connectionID: id, time: now, to: node.id)
            let other = try Identity.generate()
            var expected = 0
            switch kind {
            case .replayed:
                try await peer.signal(good, to: node.id)
                // Closes the agent of the first, so that the second could be taken for new.
                try await peer.signal(
                    peer.seal(.bye, connectionID: id, time: now, to: node.id), to: node.id)
                try await peer.signal(good, to: node.id)
                expected = 1
            case .stale:
                try await peer.signal(
                    peer.seal(offer, connectionID: id, time: now - 301_000, to: node.id), to: node.id)
            case .fromTheFuture:
                try await peer.signal(
                    peer.seal(offer, connectionID: id, time: now + 301_000, to: node.id), to: node.id)
            case .otherKey:
                try await peer.signal(
                    peer.seal(offer, connectionID: id, time: now, to: node.id, as: other), to: node.id)
            case .otherRecipient:
                try await peer.signal(
                    peer.seal(offer, connectionID: id, time: now, to: other.peerID), to: node.id)
            case .stranger:
                node.refuse(peer.id)
                try await peer.signal(good, to: node.id)
                // The server hands on in order: with the answer to this, the offer has come and was put aside.
                try await peer.dial(node.id, greeting: [])
                #expect(try await peer.nextRendezvous().body == .bye)
                // A repeat of the dial may be refused again.
                #expect(peer.rendezvous.allSatisfy { $0.body == .bye && $0.connectionID != id })
                return
            case .rubbish:
                var broken = good
                broken[broken.count - 1] ^= 1
                try await peer.signal(broken, to: node.id)
                try await peer.signal([0], to: node.id)
                try await peer.signal(Array(good.prefix(40)), to: node.id)
            }
            try await barrier(node, peer)
            #expect(answers(peer, to: id) <= expected)
            if kind == .replayed { #expect(try await node.agents(peer.id) == 1) }
        }
    }

    @Test func candidatesBeforeTheOfferAndOfNoOfferDoNothing() async throws {
        try await run { node, peer in
            for body: Rendezvous.Body in [
                .candidates([try candidate(9)]), .endOfCandidates, .answer(credentials, [try candidate(9)]), .bye,
                .restart,
            ] {
                try await peer.signal(
                    peer.seal(body, connectionID: id, time: wallClock(), to: node.id), to: node.id)
            }
            try await barrier(node, peer)
            #expect(try await node.agents(peer.id) == 1)
            #expect(peer.rendezvous.allSatisfy { $0.connectionID != id })
        }
    }

    @Test func thousandCandidatesAreBorne() async throws {
        try await run { node, peer in
            try await peer.signal(
                peer.seal(.offer(credentials, []), connectionID: id, time: wallClock(), to: node.id), to: node.id)
            _ = try await peer.nextRendezvous()
            for batch in 0..<20 {
                let candidates = try (0..<50).map { try candidate(UInt16(10_000 + batch * 50 + $0)) }
                try await peer.signal(
                    peer.seal(.candidates(candidates), connectionID: id, time: wallClock(), to: node.id), to: node.id)
            }
            try await barrier(node, peer)
            #expect(try await node.agents(peer.id) <= DirectConnector.maximumAttempts)
        }
    }

    @Test func floodOfOffersKeepsTwoAgentsAtMost() async throws {
        try await run { node, peer in
            for number in 0..<100 {
                let id = [UInt8](repeating: UInt8(number), count: 16)
                try await peer.signal(
                    peer.seal(.offer(credentials, []), connectionID: id, time: wallClock(), to: node.id), to: node.id)
                #expect(try await node.agents(peer.id) <= DirectConnector.maximumAttempts)
            }
            try await eventually("an answer") { !peer.rendezvous.isEmpty }
            #expect(try await node.agents(peer.id) <= DirectConnector.maximumAttempts)
        }
    }

    /// Packets for sessions that are not there are answered a few times, not each.
    @Test func strayPacketsAreAnsweredSparingly() async throws {
        try await run { node, peer in
            let start = ContinuousClock.now
            for number in 0..<200 {
                let stray = [0x40] + [UInt8](repeating: UInt8(number), count: 60)
                try await peer.relay([stray], to: node.id)
            }
            try await barrier(node, peer)
            // Four at once, and one a second.
            let allowed = 5 + Int((ContinuousClock.now - start) / .seconds(1))
            #expect((1...allowed).contains(peer.rendezvous.count { $0.body == .bye }))
        }
    }

    /// Agents close in their own time, and find nobody when node and links are gone before them.
    @Test func nodeMayGoBeforeItsAgents() async throws {
        try await Lab.run { lab in
            var timing = PeerTiming()
            timing.sweep = .milliseconds(5)
            let peer = try await ScriptedPeer.loggedIn(lab)
            for number in 0..<20 {
                let node = try await TestNode.online(lab, contacts: [peer.id], timing: timing)
                try await peer.signal(
                    peer.seal(.offer(credentials, []), connectionID: id, time: wallClock(), to: node.id), to: node.id)
                try await eventually("an agent") { try await node.agents(peer.id) == 1 }
                if number % 2 == 0 { try await node.drop() } else { try await node.stop() }
            }
            try await peer.vanish()
        }
    }

    /// An offer whose session never comes leaves no agent behind.
    @Test func agentWithoutASessionIsClosed() async throws {
        try await Lab.run { lab in
            var timing = PeerTiming()
            timing.attempt = .milliseconds(200)
            timing.silentAgent = .milliseconds(200)
            timing.sweep = .milliseconds(50)
            let peer = try await ScriptedPeer.loggedIn(lab)
            let node = try await TestNode.online(lab, contacts: [peer.id], timing: timing)
            try await peer.signal(
                peer.seal(.offer(credentials, []), connectionID: id, time: wallClock(), to: node.id), to: node.id)
            _ = try await peer.nextRendezvous()
            try await eventually("the agent is gone") { try await node.agents(peer.id) == 0 }
            try await eventually("the link too") { try await node.perform { $0.knownLink(peer.id) == nil } }
            try await node.stop()
            try await peer.vanish()
        }
    }
}
