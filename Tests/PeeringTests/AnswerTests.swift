import ICE
import Identity
import PeerLab
import TestTools
import Testing
import Wire

@testable import Peering

/// What the offerer of a direct path makes of the answer, and of none.
@Suite struct AnswerTests {
    /// Has a node offer a direct path to a peer.
    private func run(
        _ body: (TestNode, ScriptedPeer, _ connectionID: [UInt8], ICECredentials, [Candidate]) async throws -> Void
    ) async throws {
        try await Lab.run { lab in
            let peer = try await ScriptedPeer.loggedIn(lab)
            let node = try await TestNode.online(lab, contacts: [peer.id])
            try await node.connect(to: peer.id)
            while case let message = try await peer.nextRendezvous() {
                guard case .offer(let credentials, let candidates) = message.body else { continue }
                try await body(node, peer, message.connectionID, credentials, candidates)
                break
            }
            try await node.stop()
            try await peer.vanish()
        }
    }

    /// The relay may be slower than the path, and lose the answer: the peer's checks are enough.
    @Test func checksThatOvertakeTheAnswerLeadToAPair() async throws {
        try await run { node, peer, id, credentials, candidates in
            let (loop, peer) = (ICELoop(), peer.id)
            let events = EventLog<ICEEvent>()
            let agent = ICEAgent(
                loop: loop,
                configuration: ICEConfiguration(
                    role: .controlled, localCredentials: .answering(credentials, connectionID: id),
                    localAddresses: [.v4(127, 0, 0, 1)]),
                events: { events.append($0) })
            agent.setRemoteCredentials(credentials)
            agent.addRemoteCandidates(candidates)
            agent.gather()
            try await events.next("a pair at the answerer") { if case .selectedPair = $0 { () } else { nil } }
            try await eventually("a pair at the offerer") {
                try await node.perform { $0.knownLink(peer)?.direct.attempts.contains { $0.path != nil } == true }
            }
            agent.close()
            loop.shutdown()
            await withCheckedContinuation { done in loop.whenEnded { done.resume() } }
        }
    }

    @Test func otherCredentialsThanThoseThatFollowFromTheOfferEndTheAttempt() async throws {
        try await run { node, peer, id, _, candidates in
            try await peer.signal(
                peer.seal(.answer(.random(), candidates), connectionID: id, time: wallClock(), to: node.id),
                to: node.id)
            try await eventually("the attempt is over") { try await node.agents(peer.id) == 0 }
        }
    }
}
