import CNice
import Testing
import Wire

@testable import ICE

extension ICETests {
    @Suite struct Trickling {
        let loop = ICELoop()

        /// A step of one side's life before the pair.
        enum Step: Sendable, CaseIterable {
            case gather, credentials, candidates, end
        }

        static let orders = permutations(Step.allCases)

        @Test(arguments: orders) func everyOrderLeadsToAPair(order: [Step]) async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let ofAlice = try await alice.gathered()
            // Bob's candidates reach Alice by themselves as peer-reflexive ones when they come too late.
            alice.agent.setRemoteCredentials(bob.agent.localCredentials)
            for step in order {
                switch step {
                case .gather: bob.agent.gather()
                case .credentials: bob.agent.setRemoteCredentials(alice.agent.localCredentials)
                case .candidates: bob.agent.addRemoteCandidates(ofAlice)
                case .end: bob.agent.endRemoteCandidates()
                }
            }
            alice.agent.addRemoteCandidates(try await bob.gathered())
            alice.agent.endRemoteCandidates()
            let (aliceLocal, bobLocal) = (try await alice.pair().local, try await bob.pair().local)
            #expect(try await alice.pair().remote == bobLocal)
            #expect(try await bob.pair().remote == aliceLocal)
            #expect(bob.recorder.events.count(.failed) == 0)
        }

        @Test func candidatesOnOneSideAreEnough() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let ofAlice = try await alice.gathered()
            _ = try await bob.gathered()
            alice.agent.setRemoteCredentials(bob.agent.localCredentials)
            bob.agent.setRemoteCredentials(alice.agent.localCredentials)
            bob.agent.addRemoteCandidates(ofAlice)
            #expect(try await alice.pair().remoteType == .peerReflexive)
            _ = try await bob.pair()
        }

        @Test func repeatedCandidatesAndCommandsChangeNothing() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let (ofAlice, ofBob) = (try await alice.gathered(), try await bob.gathered())
            for _ in 1...50 {
                alice.agent.gather()
                alice.agent.setRemoteCredentials(bob.agent.localCredentials)
                bob.agent.setRemoteCredentials(alice.agent.localCredentials)
                alice.agent.addRemoteCandidates(ofBob + ofBob)
                bob.agent.addRemoteCandidates(ofAlice)
                bob.agent.endRemoteCandidates()
            }
            _ = try await (alice.pair(), bob.pair())
            alice.agent.addRemoteCandidates(ofBob)
            bob.agent.send([1])
            try await alice.wait(for: .packet)
            #expect(alice.recorder.events.count(.gatheringDone) == 1)
            #expect(alice.recorder.events.localCandidates == ofAlice)
        }

        @Test func theSameEndpointUnderAnotherTypeIsIgnored() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let (ofAlice, ofBob) = (try await alice.gathered(), try await bob.gathered())
            let disguised = try ofBob.map {
                try Candidate(type: .serverReflexive, endpoint: $0.endpoint, priority: 1, foundation: "other")
            }
            alice.agent.setRemoteCredentials(bob.agent.localCredentials)
            bob.agent.setRemoteCredentials(alice.agent.localCredentials)
            alice.agent.addRemoteCandidates(disguised)
            alice.agent.addRemoteCandidates(ofBob)
            bob.agent.addRemoteCandidates(ofAlice)
            #expect(try await alice.pair().remote == bob.pair().local)
        }

        @Test func hundredsOfBogusCandidatesDoNotHideTheRealOne() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let (ofAlice, ofBob) = (try await alice.gathered(), try await bob.gathered())
            alice.agent.setRemoteCredentials(bob.agent.localCredentials)
            bob.agent.setRemoteCredentials(alice.agent.localCredentials)
            let bogus = try bogusCandidates(count: 500)
            alice.agent.addRemoteCandidates(Array(bogus[..<40]))
            alice.agent.addRemoteCandidates(ofBob)
            alice.agent.addRemoteCandidates(bogus)
            // On this side the real one is lost behind the limit: the other side's checks bring it.
            bob.agent.addRemoteCandidates(bogus)
            bob.agent.addRemoteCandidates(ofAlice)
            #expect(try await alice.pair().remote == bob.pair().local)
        }

        @Test func localCandidatesAreValidAndNeverTCP() async throws {
            let peer = Peer(loop, .controlling)
            let candidates = try await peer.gathered()
            #expect(candidates.count == 1)
            #expect(
                candidates.allSatisfy { $0.type == .host && $0.endpoint.address == loopback && $0.endpoint.port != 0 })
        }

        @Test func repeatedLocalAddressesGiveOneCandidate() async throws {
            let peer = Peer(loop, .controlling, localAddresses: [loopback, loopback])
            #expect(try await peer.gathered().count == 1)
        }

        @Test(arguments: Candidate.Kind.allCases) func whatLibniceIsGivenIsAlwaysUDP(kind: Candidate.Kind) throws {
            let candidate = try Candidate(
                type: kind, endpoint: Endpoint("192.0.2.7:4000"), priority: 0x7FFF_FFFF,
                foundation: String(repeating: "f", count: 32))
            let made = try #require(makeNiceCandidate(candidate))
            defer { nice_candidate_free(made) }
            #expect(made.pointee.transport == NICE_CANDIDATE_TRANSPORT_UDP)
            #expect(made.pointee.component_id == 1)
            #expect(made.pointee.endpoint == candidate.endpoint)
            #expect(made.pointee.kind == kind)
            #expect(made.pointee.signalled?.foundation == (kind == .peerReflexive ? nil : candidate.foundation))
        }
    }
}

/// Candidates that nobody answers: closed ports of loopback, documentation addresses, other families.
func bogusCandidates(count: Int) throws -> [Candidate] {
    try (0..<count).map { index in
        let port = UInt16(1 + index % 1000)
        let low = UInt8(truncatingIfNeeded: index)
        let address: IPAddress =
            switch index % 4 {
            case 0: .v4(127, 9, 9, low)
            case 1: .v4(198, 51, 100, low)
            case 2: .v6(0x2001, 0xDB8, 0, 0, 0, 0, 0, UInt16(index))
            default: .v6(0xFE80, 0, 0, 0, 0, 0, 0, UInt16(index))
            }
        return try Candidate(
            type: [.host, .serverReflexive, .relayed, .peerReflexive][index / 4 % 4],
            endpoint: Endpoint(address: address, port: port), priority: 0x7FFF_FFFF - UInt32(index),
            foundation: "b\(index)")
    }
}

private func permutations<T>(_ items: [T]) -> [[T]] {
    guard let first = items.first else { return [[]] }
    return permutations(Array(items.dropFirst())).flatMap { rest in
        (0...rest.count).map { Array(rest[..<$0]) + [first] + Array(rest[$0...]) }
    }
}
