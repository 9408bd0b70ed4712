import Glibc
import ICE
import Testing
import Wire

extension ICETests {
    @Suite struct Failing {
        let loop = ICELoop()

        @Test func aWrongPasswordFailsOnBothSides() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let (ofAlice, ofBob) = (try await alice.gathered(), try await bob.gathered())
            let wrong = try ICECredentials(
                ufrag: bob.agent.localCredentials.ufrag, password: String(repeating: "x", count: 32))
            alice.agent.setRemoteCredentials(wrong)
            bob.agent.setRemoteCredentials(
                try ICECredentials(ufrag: "abcdefgh", password: alice.agent.localCredentials.password))
            alice.agent.addRemoteCandidates(ofBob)
            bob.agent.addRemoteCandidates(ofAlice)
            alice.agent.endRemoteCandidates()
            bob.agent.endRemoteCandidates()
            try await alice.wait(for: .failed)
            try await bob.wait(for: .failed)
            #expect(alice.recorder.events.pairs.isEmpty && bob.recorder.events.pairs.isEmpty)
            try await alice.closed()
            #expect(alice.recorder.events.count(.failed) == 1)
        }

        @Test func nobodyThereFailsOnlyAfterTheLastCandidate() async throws {
            let alice = Peer(loop, .controlling)
            _ = try await alice.gathered()
            alice.agent.setRemoteCredentials(.random())
            alice.agent.addRemoteCandidates(
                [try Candidate(type: .host, endpoint: Endpoint("127.0.0.1:9"), priority: 1, foundation: "1")])
            alice.agent.endRemoteCandidates()
            try await alice.wait(for: .failed)
        }

        @Test(arguments: [[], ["[2001:db8::1]:4000"], ["[fe80::1]:4000", "[::1]:4000"]])
        func candidatesThatCannotPairFailAfterAWhile(endpoints: [String]) async throws {
            let alice = Peer(loop, .controlling)
            _ = try await alice.gathered()
            alice.agent.setRemoteCredentials(.random())
            alice.agent.addRemoteCandidates(
                try endpoints.map {
                    try Candidate(type: .host, endpoint: Endpoint($0), priority: 1, foundation: "1")
                })
            #expect(alice.recorder.events.count(.failed) == 0)
            alice.agent.endRemoteCandidates()
            try await alice.wait(for: .failed)
        }

        @Test func checksFromAddressesWithoutEndAreCutOff() async throws {
            let victim = Peer(loop, .controlled)
            let candidates = try await victim.gathered()
            victim.agent.setRemoteCredentials(.random())
            let crowd = (1...300).map { _ in Peer(loop, .controlling) }
            for peer in crowd {
                peer.agent.gather()
                peer.agent.setRemoteCredentials(victim.agent.localCredentials)
                peer.agent.addRemoteCandidates(candidates)
            }
            try await victim.wait(for: .closed)
            #expect(victim.recorder.events.count(.failed) == 1)
            for peer in crowd { try await peer.closed() }
        }

        @Test func anAddressThatIsNotOursGathersNothingAndFails() async throws {
            let alice = Peer(loop, .controlling, localAddresses: [.v4(203, 0, 113, 7)])
            #expect(try await alice.gathered() == [])
            alice.agent.setRemoteCredentials(.random())
            alice.agent.endRemoteCandidates()
            try await alice.wait(for: .failed)
        }

        @Test func noAddressesGatherNothing() async throws {
            #expect(try await Peer(loop, .controlling, localAddresses: []).gathered() == [])
        }

        @Test func withoutAPolicySomeAddressIsFound() async throws {
            let (alice, bob) = (
                Peer(loop, .controlling, localAddresses: nil), Peer(loop, .controlled, localAddresses: nil)
            )
            try await connect(alice, bob)
            let addresses = alice.recorder.events.localCandidates.map(\.endpoint.address)
            #expect(!addresses.isEmpty)
            #expect(!addresses.contains { $0.isV6 && $0.isLinkLocal })
        }

        @Test func aDeadSTUNServerDelaysNeitherCandidatesNorThePair() async throws {
            let silent = try SilentSocket()
            let alice = Peer(loop, .controlling, stunServers: [silent.endpoint])
            let bob = Peer(loop, .controlled, stunServers: [silent.endpoint])
            alice.agent.gather()
            bob.agent.gather()
            let ofAlice = try await alice.recorder.wait { $0.localCandidates.first }
            let ofBob = try await bob.recorder.wait { $0.localCandidates.first }
            alice.agent.setRemoteCredentials(bob.agent.localCredentials)
            bob.agent.setRemoteCredentials(alice.agent.localCredentials)
            alice.agent.addRemoteCandidates([ofBob])
            bob.agent.addRemoteCandidates([ofAlice])
            _ = try await (alice.pair(), bob.pair())
            #expect(alice.recorder.events.count(.gatheringDone) == 0)
            try await alice.wait(for: .gatheringDone)
            try await bob.wait(for: .gatheringDone)
        }

        @Test func aSTUNServerOfTheOtherFamilyIsNotWaitedFor() async throws {
            let alice = Peer(loop, .controlling, stunServers: [try Endpoint("[::1]:9")])
            #expect(try await alice.gathered().count == 1)
        }
    }
}
