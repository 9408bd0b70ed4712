import Messenger
import PeerLab
import Testing

@Suite struct GlareTests {
    /// Both write first, in the same moment: each message arrives once, and one session is left that becomes direct.
    @Test(arguments: 0..<3)
    func bothWriteAtOnce(_ round: Int) async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple()
            async let there = alice.send("from alice", to: "bob")
            async let back = bob.send("from bob", to: "alice")
            let ids = try await (there, back)
            try await alice.when(ids.0, is: .delivered)
            try await bob.when(ids.1, is: .delivered)
            try await alice.when(.direct)
            try await bob.when(.direct)
            let last = (try await alice.send("end", to: "bob"), try await bob.send("end", to: "alice"))
            try await alice.when(last.0, is: .delivered)
            try await bob.when(last.1, is: .delivered)
            #expect(try await alice.texts(2) == ["from bob", "end"])
            #expect(try await bob.texts(2) == ["from alice", "end"])
            #expect(alice.sessions == 1 && bob.sessions == 1)
        }
    }
}
