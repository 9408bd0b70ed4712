import Testing
import Wire

@testable import ICE

extension ICETests {
    @Suite struct Admission {
        @Test(arguments: [
            ("192.0.2.1:1", Candidate.Kind.host, false, true),
            ("192.0.2.1:1", .serverReflexive, false, true),
            ("192.0.2.1:1", .relayed, false, true),
            ("192.0.2.1:1", .peerReflexive, false, false),
            ("169.254.1.1:1", .host, false, true),
            ("10.0.0.1:65535", .host, false, true),
            ("[2001:db8::1]:1", .host, false, true),
            ("[fd00::1]:1", .host, false, true),
            ("[fe80::1]:1", .host, true, false),
            ("[febf::1]:1", .host, true, false),
            ("127.0.0.1:1", .host, false, false),
            ("127.255.255.254:1", .relayed, false, false),
            ("[::1]:1", .host, false, false),
            ("127.0.0.1:1", .host, true, true),
            ("[::1]:1", .host, true, true),
        ])
        func onlyUsableCandidatesAreAdmitted(
            endpoint: String, kind: Candidate.Kind, reachesLoopback: Bool, expected: Bool
        ) throws {
            var remote = RemoteCandidates()
            let candidate = try Candidate(type: kind, endpoint: Endpoint(endpoint), priority: 1, foundation: "1")
            let first = remote.admit(candidate, reachesLoopback: reachesLoopback)
            let second = remote.admit(candidate, reachesLoopback: reachesLoopback)
            #expect(first == expected)
            #expect(!second)
        }

        @Test func theirNumberIsBounded() throws {
            var remote = RemoteCandidates()
            let admitted = try bogusCandidates(count: 1000).filter { remote.admit($0, reachesLoopback: true) }.count
            #expect(admitted == RemoteCandidates.maximum)
        }

        @Test func pairsDoNotMixFamilies() throws {
            var remote = RemoteCandidates()
            #expect(!remote.canPair(with: [loopback]))
            let v6 = try Candidate(type: .host, endpoint: Endpoint("[2001:db8::1]:1"), priority: 1, foundation: "1")
            let isAdmitted = remote.admit(v6, reachesLoopback: false)
            #expect(isAdmitted)
            #expect(!remote.canPair(with: [loopback]))
            #expect(!remote.canPair(with: []))
            #expect(remote.canPair(with: [loopback, try IPAddress("2001:db8::2")]))
        }

        @Test func randomCredentialsAreLongAndDiffer() {
            let made = (1...1000).map { _ in ICECredentials.random() }
            #expect(Set(made.map(\.ufrag)).count == 1000)
            #expect(Set(made.map(\.password)).count == 1000)
            #expect(made.allSatisfy { $0.ufrag.utf8.count == 8 && $0.password.utf8.count == 32 })
        }

        @Test func theQueueToTheLoopIsBounded() {
            var queue = OutgoingQueue()
            let wakes = (1...5000).count { queue.append([UInt8(truncatingIfNeeded: $0)]) }
            #expect(wakes == 1)
            let taken = queue.takeAll()
            #expect(taken.count == OutgoingQueue.maximumPackets)
            #expect(taken.first == [1])
            #expect(queue.packets.isEmpty)
            for _ in 1...100 { _ = queue.append([UInt8](repeating: 0, count: 60_000)) }
            #expect(queue.packets.reduce(0) { $0 + $1.count } <= OutgoingQueue.maximumBytes)
        }
    }
}
