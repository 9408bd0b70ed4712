import Messenger
import PeerLab
import TestTools
import Testing

@Suite struct RelayFirstTests {
    @Test func firstMessageArrivesOverTheRelay() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple(alice: { $0.policy = .relay }, bob: { $0.policy = .relay })
            let id = try await alice.send("hello", to: "bob")
            #expect(try await bob.text() == "hello")
            try await alice.when(id, is: .delivered)
            #expect(lab.counter("relay_frames_total") > 0)
            for person in [alice, bob] {
                let kinds = person.log.all.compactMap { event in
                    switch event {
                    case .online: "online"
                    case .path(_, let path): "path \(path.kind)"
                    case .message: "message"
                    case .state(_, _, let state, _): "\(state)"
                    default: nil as String?
                    }
                }
                let path = try #require(kinds.firstIndex(of: "path relay"))
                let word = try #require(kinds.firstIndex { $0 == "delivered" || $0 == "message" })
                #expect(kinds.firstIndex(of: "online") == path - 1)
                #expect(path < word)
            }
        }
    }

    @Test func changesToADirectPath() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple()
            try await alice.reach("bob")
            try await alice.when(.direct)
            try await bob.when(.direct)
            #expect(alice.paths == [.relay, .direct])
            #expect(bob.paths == [.relay, .direct])
            #expect(alice.sessions == 1 && bob.sessions == 1)
            let before = lab.counter("relay_bytes_total")
            let text = String(repeating: "x", count: 60_000)
            let id = try await alice.send(text, to: "bob")
            #expect(try await bob.text() == text)
            try await alice.when(id, is: .delivered)
            #expect(lab.counter("relay_bytes_total") - before < 20_000)
        }
    }

    @Test func streamOfMessagesBothWaysSurvivesTheChange() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple()
            let count = 500
            async let there: Void = {
                for number in 0..<count { try await alice.send("a\(number)", to: "bob") }
            }()
            async let back: Void = {
                for number in 0..<count { try await bob.send("b\(number)", to: "alice") }
            }()
            _ = try await (there, back)
            try await bob.log.until("all of alice's") { $0.count(where: \.isMessage) >= count ? () : nil }
            try await alice.log.until("all of bob's") { $0.count(where: \.isMessage) >= count ? () : nil }
            try await alice.log.until("direct") { $0.contains { $0.isPath(.direct) } ? () : nil }
            try await bob.log.until("direct") { $0.contains { $0.isPath(.direct) } ? () : nil }
            // Nothing comes a second time after this.
            try await alice.send("end", to: "bob")
            try await bob.log.until("end") { $0.count(where: \.isMessage) > count ? () : nil }
            #expect(bob.texts == (0..<count).map { "a\($0)" } + ["end"])
            #expect(alice.texts == (0..<count).map { "b\($0)" })
        }
    }

    @Test func pingTellsTheTimeAndThePath() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple(alice: { $0.policy = .relay })
            try await alice.reach("bob")
            try await alice.whenOnline()
            for _ in 0..<3 {
                try await alice.ping("bob")
                let (path, elapsed) = try await alice.log.next("pong") { event in
                    if case .pong(_, let path, let elapsed) = event { (path, elapsed) } else { nil }
                }
                #expect(path?.kind == .relay)
                #expect(elapsed > 0 && elapsed < 10_000)
            }
            withExtendedLifetime(bob) {}
        }
    }
}

extension MessengerEvent {
    var isMessage: Bool { if case .message = self { true } else { false } }
    var isDelivered: Bool { if case .state(_, _, .delivered, _) = self { true } else { false } }

    func isPath(_ kind: ConversationPath.Kind) -> Bool {
        if case .path(_, let path) = self { path.kind == kind } else { false }
    }
}
