import Messenger
import PeerLab
import SecureTransport
import TestTools
import Testing
import Wire

/// A contact that breaks the rules inside its session.
@Suite struct MisbehaviourTests {
    private struct Scene {
        let alice: Person
        let bad: ScriptedPeer
        let good: ScriptedPeer
    }

    /// Alice talks to two contacts, one of whom will misbehave.
    private func scene(_ lab: Lab) async throws -> Scene {
        let home = try lab.home("alice")
        let bad = try await ScriptedPeer.loggedIn(lab)
        let good = try await ScriptedPeer.loggedIn(lab)
        try Lab.add(bad.id, "bad", to: home, isIntroduced: true)
        try Lab.add(good.id, "good", to: home, isIntroduced: true)
        let alice = try lab.person(home) { $0.policy = .relay }
        try await alice.online()
        for peer in [bad, good] { try await peer.converse(with: alice.id, greeting: peer.greeting()) }
        for peer in [bad, good] {
            _ = try await peer.frames.next("hello") { if case .hello("alice", _) = $0 { () } else { nil } }
        }
        return Scene(alice: alice, bad: bad, good: good)
    }

    /// The other conversation goes on, and so does the server's connection.
    private func expectOthersWell(_ scene: Scene) async throws {
        try await scene.good.say("all well")
        try await scene.alice.log.until("all well") { events in
            events.contains { if case .message(let message) = $0 { message.text == "all well" } else { false } }
                ? () : nil
        }
        try await scene.good.write(.ping(77))
        _ = try await scene.good.frames.next("pong") { $0 == .pong(77) ? () : nil }
        try await scene.bad.vanish()
        try await scene.good.vanish()
    }

    enum Malformed: CaseIterable {
        case hugeLength, emptyFrame, emptyEnvelope, longEnvelope, badHello, storedTooShort, badTyping, badText

        var bytes: [UInt8] {
            switch self {
            case .hugeLength: [0x00, 0x04, 0x00, 0x01, 0x02]
            case .emptyFrame: [0, 0, 0, 0]
            case .emptyEnvelope: [0, 0, 0, 1, 0x06]
            case .badText: [0, 0, 0, 8, 0x01, 0, 0, 0, 1, 2, 0xC0, 0xAF]
            case .longEnvelope:
                [0, 1, 0x20, 2, 0x06] + [UInt8](repeating: 0x61, count: ConversationFrame.maximumEnvelope + 1)
            case .badHello: [0, 0, 0, 2, 0x01, 9]
            case .storedTooShort: [0, 0, 0, 3, 0x07, 1, 2]
            case .badTyping: [0, 0, 0, 2, 0x0A, 7]
            }
        }
    }

    @Test(arguments: Malformed.allCases)
    func malformedFrameClosesTheSession(_ malformed: Malformed) async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab)
            // What came before it counts.
            try await scene.bad.say("before", and: malformed.bytes)
            guard case .remote(code: 3, _) = try await scene.bad.closed() else {
                Issue.record("not closed with protocolError")
                return
            }
            _ = try await scene.alice.whenOffline()
            #expect(try await scene.alice.texts(1) == ["before"])
            try await expectOthersWell(scene)
        }
    }

    @Test func unknownFramesAreSkipped() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab)
            try await scene.bad.write([0, 0, 0, 4, 0x7F, 1, 2, 3] + [0, 0, 0, 1, 0xFF])
            try await scene.bad.write(.ping(5))
            _ = try await scene.bad.frames.next("pong") { $0 == .pong(5) ? () : nil }
            // Frames that answer nothing mean nothing.
            try await scene.bad.write(.pong(99))
            try await scene.bad.write(.stored([[UInt8](repeating: 4, count: 16)]))
            try await scene.bad.write(.unreadable([[UInt8](repeating: 4, count: 16)]))
            try await scene.bad.write(.ping(6))
            _ = try await scene.bad.frames.next("pong") { $0 == .pong(6) ? () : nil }
            try await expectOthersWell(scene)
        }
    }

    @Test func extraStreamsAreRefusedAndDisturbNothing() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab)
            try await scene.bad.perform { core in
                // With the conversation those are all that it may have open.
                for _ in 0..<7 {
                    guard let stream = try core.transport?.openStream() else { continue }
                    try core.transport?.write([UInt8](repeating: 0, count: 200_000), to: stream)
                }
                #expect(throws: TransportError.streamLimit) { try core.transport?.openStream() }
            }
            for _ in 0..<7 {
                try await scene.bad.session.next("stopped") { if case .streamStopped = $0 { () } else { nil } }
            }
            try await scene.bad.write(.ping(5))
            _ = try await scene.bad.frames.next("pong") { $0 == .pong(5) ? () : nil }
            try await expectOthersWell(scene)
        }
    }

    enum Ending: CaseIterable { case reset, finish, stop }

    @Test(arguments: Ending.allCases)
    func endedConversationStreamClosesTheSession(_ ending: Ending) async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab)
            try await scene.bad.perform { core in
                guard let stream = core.conversation else { return }
                switch ending {
                case .reset: try core.transport?.reset(stream, code: 9)
                case .finish: try core.transport?.write([], to: stream, finish: true)
                case .stop:
                    try core.transport?.stopSending(stream, code: 9)
                }
            }
            // Alice notices that she is to stop when she has something to say: the answers to these.
            if ending == .stop {
                try await eventually("closed") {
                    try? await scene.bad.write(.ping(1))
                    return scene.bad.session.all.contains { if case .closed = $0 { true } else { false } }
                }
            }
            guard case .remote(code: 3, _) = try await scene.bad.closed() else {
                Issue.record("not closed with protocolError")
                return
            }
            try await expectOthersWell(scene)
        }
    }

    /// The answers to a flood of pings wait in a bounded queue; who does not take them is not read any more.
    @Test func floodOfPingsIsAnsweredInBoundedMemory() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab)
            let flood = try (0..<20_000).flatMap { try ConversationFrame.ping(UInt64($0)).encode() }
            try await scene.bad.write(flood)
            try await expectPong(19_999, scene.bad)
            try await expectOthersWell(scene)
        }
    }

    private func expectPong(_ number: UInt64, _ peer: ScriptedPeer) async throws {
        _ = try await peer.frames.next("pong \(number)") { $0 == .pong(number) ? () : nil }
    }
}
