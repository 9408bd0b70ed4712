import Synchronization
import Testing
import Wire

@testable import ICE

extension ICETests {
    @Suite struct Closing {
        let loop = ICELoop()

        /// How far an agent has come when it is closed.
        enum Stage: Sendable, CaseIterable {
            case new, gatheringStarted, waitingForSTUN, gathered, credentials, candidates, ended, checking, connected,
                failed
        }

        @Test(arguments: Stage.allCases, [1, 2]) func everyStateCanBeClosed(stage: Stage, times: Int) async throws {
            let silent = try SilentSocket()
            let alice = Peer(
                loop, .controlling, stunServers: stage == .waitingForSTUN ? [silent.endpoint] : [])
            let bob = Peer(loop, .controlled)
            try await bring(alice, bob, to: stage)
            for _ in 1...times { alice.agent.close() }
            try await alice.wait(for: .closed)
            alice.agent.close()
            useAll(alice.agent)
            try await bob.closed()
            for peer in [alice, bob] {
                #expect(peer.recorder.events.count(.closed) == 1)
                #expect(peer.recorder.events.last.map { EventName.closed.matches($0) } == true)
            }
        }

        private func bring(_ alice: Peer, _ bob: Peer, to stage: Stage) async throws {
            if stage == .new { return }
            if stage == .gatheringStarted { return alice.agent.gather() }
            if stage == .waitingForSTUN {
                alice.agent.gather()
                return try await alice.wait(for: .localCandidate)
            }
            if stage == .connected {
                _ = try await connect(alice, bob)
                return
            }
            _ = try await alice.gathered()
            let ofBob = try await bob.gathered()
            if stage == .gathered { return }
            alice.agent.setRemoteCredentials(stage == .failed ? .random() : bob.agent.localCredentials)
            if stage == .credentials { return }
            alice.agent.addRemoteCandidates(stage == .failed ? [] : ofBob)
            if stage == .candidates { return }
            alice.agent.endRemoteCandidates()
            if stage == .failed { return try await alice.wait(for: .failed) }
            if stage == .checking { return try await loopTurns(3) }
        }

        /// Waits until the loop has run jobs so many times.
        private func loopTurns(_ count: Int) async throws {
            for _ in 1...count {
                await withCheckedContinuation { continuation in
                    loop.core.post { continuation.resume() }
                }
            }
        }

        private func useAll(_ agent: ICEAgent) {
            agent.gather()
            agent.setRemoteCredentials(.random())
            agent.addRemoteCandidates([])
            agent.endRemoteCandidates()
            agent.send([1])
        }

        @Test(arguments: [EventName.localCandidate, .gatheringDone, .selectedPair, .packet, .failed, .closed])
        func anAgentCanBeClosedFromWithinAnEvent(name: EventName) async throws {
            let slot = Locked<ICEAgent?>(nil)
            let alice = Peer(loop, .controlling) { event in
                guard name.matches(event) else { return }
                let agent = slot.withLock { $0 }
                agent?.close()
                agent?.close()
            }
            slot.withLock { $0 = alice.agent }
            defer { slot.withLock { $0 = nil } }
            let bob = Peer(loop, .controlled)
            switch name {
            case .localCandidate, .gatheringDone: alice.agent.gather()
            case .selectedPair: try await connectHalf(alice, bob)
            case .packet:
                try await connectHalf(alice, bob)
                _ = try await bob.pair()
                for _ in 1...100 { bob.agent.send([1, 2, 3]) }
            case .failed:
                _ = try await alice.gathered()
                alice.agent.setRemoteCredentials(.random())
                alice.agent.endRemoteCandidates()
            case .closed: alice.agent.close()
            }
            try await alice.wait(for: .closed)
            let events = alice.recorder.events
            #expect(events.count(.closed) == 1)
            // Nothing but `closed` follows the event in which the agent was closed.
            #expect(events.firstIndex { name.matches($0) }.map { events.count - $0 <= 2 } == true)
            try await bob.closed()
        }

        private func connectHalf(_ alice: Peer, _ bob: Peer) async throws {
            let ofBob = try await bob.gathered()
            bob.agent.setRemoteCredentials(alice.agent.localCredentials)
            alice.agent.gather()
            alice.agent.setRemoteCredentials(bob.agent.localCredentials)
            alice.agent.addRemoteCandidates(ofBob)
        }

        @Test func agentsCloseUnderTraffic() async throws {
            for _ in 1...10 {
                let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
                let pairs = try await connect(alice, bob)
                let (toBob, toAlice) = (try #require(pairs.alice.socket), try #require(pairs.bob.socket))
                let isRunning = Flag()
                let burst = [UInt8](repeating: 1, count: 64 * 500)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for socket in [toBob, toAlice] {
                        group.addTask {
                            while isRunning.value.load(ordering: .relaxed) {
                                _ = burst.withUnsafeBytes { socket.send($0, segmentSize: 500) }
                                await Task.yield()
                            }
                        }
                    }
                    group.addTask {
                        defer { isRunning.value.store(false, ordering: .relaxed) }
                        try await alice.recorder.wait { $0.count(.packet) > 500 ? () : nil }
                        alice.agent.send([1])
                        try await alice.closed()
                        bob.agent.send([1])
                        try await bob.closed()
                    }
                    try await group.waitForAll()
                }
            }
        }

        @Test func aForgottenAgentClosesItself() async throws {
            let recorder = Recorder()
            do {
                let agent = ICEAgent(
                    loop: loop, configuration: ICEConfiguration(role: .controlled, localAddresses: [loopback])
                ) { recorder.record($0) }
                agent.gather()
            }
            try await recorder.wait { $0.count(.closed) == 1 ? () : nil }
        }

        @Test func turnServersThatDoNotAnswerDelayClosingByLittle() async throws {
            let silent = try SilentSocket()
            for tcp in [false, true] {
                let server = TURNServer(endpoint: silent.endpoint, tcp: tcp, username: "name", credential: "secret")
                let alice = Peer(loop, .controlling, turnServers: [server])
                alice.agent.gather()
                try await alice.wait(for: .localCandidate)
                try await alice.closed()
            }
        }

        @Test func shutdownClosesEveryAgentAndEndsTheThread() async throws {
            let own = ICELoop()
            let peers = (1...10).map { _ in Peer(own, .controlled) }
            for peer in peers.dropLast(3) { peer.agent.gather() }
            own.shutdown()
            own.shutdown()
            for peer in peers { try await peer.wait(for: .closed) }
            let late = Peer(own, .controlling)
            late.agent.gather()
            try await late.wait(for: .closed)
            #expect(late.recorder.events.count == 1)
        }

        @Test func aLoopThatNeverRanCanBeShutDown() async throws {
            let own = ICELoop()
            own.shutdown()
            let late = Peer(own, .controlling)
            try await late.closed()
            #expect(late.recorder.events.count(.closed) == 1)
        }
    }
}

private final class Flag: Sendable {
    let value = Atomic<Bool>(true)
}
