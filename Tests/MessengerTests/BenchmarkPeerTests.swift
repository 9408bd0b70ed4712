import Messenger
import PeerLab
import Peering
import SecureTransport
import TestTools
import Testing
import Wire

/// Benchmarks between a messenger and peers that are older, or worse.
@Suite struct BenchmarkPeerTests {
    private struct Scene {
        let alice: Person
        let peer: ScriptedPeer
    }

    /// Alice talks with a peer whose HELLO has these features.
    private func scene(
        _ lab: Lab, offers: Bool = false, features: UInt32 = ConversationFrame.speaksEnvelopes
    ) async throws -> Scene {
        let home = try lab.home("alice")
        let peer = try await ScriptedPeer.loggedIn(lab)
        try Lab.add(peer.id, "peer", to: home, isIntroduced: true)
        let alice = try lab.person(home) {
            $0.policy = .relay
            $0.offersBenchmarks = offers
        }
        try await alice.online()
        try await peer.dial(alice.id, greeting: peer.greeting())
        try await peer.session.next("handshake") { if case .handshakeCompleted = $0 { () } else { nil } }
        try await peer.perform {
            try $0.openConversation(features: features)
        }
        try await alice.whenOnline()
        return Scene(alice: alice, peer: peer)
    }

    private func benchmark(_ scene: Scene) async throws -> BenchmarkFailure {
        let contact = try await scene.alice.contact("peer")
        await scene.alice.messenger.benchmark(contact, milliseconds: 500)
        return try await scene.alice.log.next("failure") {
            if case .benchmark(_, .failed(let failure)) = $0 { failure } else { nil }
        }
    }

    @Test func anOlderPeerIsNotAsked() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab)
            #expect(try await benchmark(scene) == .notOffered)
            #expect(try await scene.peer.perform { $0.streams } == [])
        }
    }

    @Test func aPeerThatRefusesTheStreamHasNotOfferedIt() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab, features: 3)
            async let failure = benchmark(scene)
            let stream = try await scene.peer.session.next("stream") {
                if case .streamOpened(let stream) = $0 { stream } else { nil }
            }
            try await scene.peer.perform { core in
                try core.transport?.stopSending(stream, code: CloseCode.protocolError)
                try core.transport?.reset(stream, code: CloseCode.protocolError)
            }
            #expect(try await failure == .notOffered)
            try await aliceStillTalks(scene)
        }
    }

    @Test func rubbishOnTheStreamEndsTheBenchmarkAndNotTheSession() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab, features: 3)
            async let failure = benchmark(scene)
            let stream = try await scene.peer.session.next("stream") {
                if case .streamOpened(let stream) = $0 { stream } else { nil }
            }
            _ = try await scene.peer.perform {
                try $0.transport?.write([UInt8](repeating: 0xEE, count: 100_000), to: stream)
            }
            #expect(try await failure == .misbehaved)
            try await aliceStillTalks(scene)
        }
    }

    @Test func aPeerThatLeavesInterruptsIt() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab, features: 3)
            async let failure = benchmark(scene)
            try await scene.peer.session.next("stream") { if case .streamOpened = $0 { () } else { nil } }
            try await scene.peer.perform { $0.transport?.close(code: 0, reason: "", now: $0.now) }
            guard case .interrupted = try await failure else {
                Issue.record("not interrupted")
                return
            }
        }
    }

    /// Opens a stream to Alice, as soon as there may be another one, and writes.
    private func ask(_ scene: Scene, _ bytes: [UInt8]) async throws -> StreamID {
        while true {
            let stream = try await scene.peer.perform { core -> StreamID? in
                guard let transport = core.transport else { throw TransportError.closed }
                do {
                    let stream = try transport.openStream()
                    _ = try transport.write(bytes, to: stream)
                    return stream
                } catch TransportError.streamLimit {
                    return nil
                }
            }
            if let stream { return stream }
            try await scene.peer.session.next("room") { if case .streamsAvailable = $0 { () } else { nil } }
        }
    }

    private func isRefused(_ stream: StreamID, by scene: Scene) async throws {
        try await scene.peer.session.next("refusal") { event in
            if case .streamStopped(stream, _) = event { () } else { nil }
        }
    }

    @Test func nobodyMeasuresWithWhoDoesNotOfferIt() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab)
            _ = try await scene.peer.frames.next("hello") { if case .hello(_, 1) = $0 { () } else { nil } }
            let open = [BenchmarkFrame.streamKind] + BenchmarkFrame.open(version: 1).encode()
            // More often than streams may be open at a time.
            for _ in 0..<200 { try await isRefused(try await ask(scene, open), by: scene) }
            try await aliceStillTalks(scene)
            #expect(!scene.alice.log.all.contains { if case .benchmark = $0 { true } else { false } })
        }
    }

    @Test func oneMeasuresAtATime() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab, offers: true)
            _ = try await scene.peer.frames.next("hello") { if case .hello(_, 3) = $0 { () } else { nil } }
            let open = [BenchmarkFrame.streamKind] + BenchmarkFrame.open(version: 1).encode()
            let first = try await ask(scene, open)
            try await scene.alice.log.next("began") { if case .benchmark(_, .began) = $0 { () } else { nil } }
            // Refused politely, as often as there is room; those that wait for the asker are refused at once.
            for _ in 0..<10 { _ = try await ask(scene, open) }
            try await aliceStillTalks(scene)
            try await scene.peer.perform {
                try $0.transport?.write(BenchmarkFrame.begin(.upload, milliseconds: 10).encode(), to: first)
                try $0.transport?.write([0xEE], to: first)
            }
            try await scene.alice.log.next("ended") { if case .benchmark(_, .ended(0)) = $0 { () } else { nil } }
            try await aliceStillTalks(scene)
            #expect(scene.alice.log.all.count { if case .benchmark(_, .began) = $0 { true } else { false } } == 1)
        }
    }

    @Test func rubbishOfAnAskerEndsNothingElse() async throws {
        try await Lab.run { lab in
            let scene = try await scene(lab, offers: true)
            for rubbish in [[0], [1, 0xFF], [1, 5, 0, 0, 0, 1, 0], [UInt8](repeating: 1, count: 70_000)] as [[UInt8]] {
                try await isRefused(try await ask(scene, rubbish), by: scene)
            }
            try await aliceStillTalks(scene)
        }
    }

    /// The session is as it was.
    private func aliceStillTalks(_ scene: Scene) async throws {
        try await scene.peer.write(.ping(77))
        _ = try await scene.peer.frames.next("pong") { if case .pong(77) = $0 { () } else { nil } }
        #expect(scene.alice.sessions == 1)
    }
}
