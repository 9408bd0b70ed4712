import Testing
import Wire

@testable import ICE

#if compiler(>=6.2)
    extension ICETests {
        /// In processes of their own, where nobody else opens descriptors and threads.
        @Suite struct Resources {
            @Test func aThousandAgentsLeaveNothingBehind() async {
                await #expect(processExitsWith: .success) {
                    let loop = ICELoop()
                    let silent = try SilentSocket()
                    func round(_ pairs: Int) async throws {
                        for index in 0..<pairs {
                            let stun = index % 3 == 0 ? [silent.endpoint] : []
                            let (alice, bob) = (
                                Peer(loop, .controlling, stunServers: stun), Peer(loop, .controlled, stunServers: stun)
                            )
                            switch index % 5 {
                            case 0 where stun.isEmpty: try await connect(alice, bob)
                            case 1: break
                            case 2: alice.agent.gather()
                            default:
                                alice.agent.gather()
                                bob.agent.gather()
                                alice.agent.setRemoteCredentials(bob.agent.localCredentials)
                                alice.agent.addRemoteCandidates(try bogusCandidates(count: 30))
                                try await bob.wait(for: .localCandidate)
                            }
                            alice.agent.close()
                            bob.agent.close()
                            try await alice.wait(for: .closed)
                            try await bob.wait(for: .closed)
                        }
                    }
                    try await round(100)
                    let (descriptors, memory) = (Process.descriptors, Process.residentBytes)
                    try await round(500)
                    #expect(AgentRegistry.count == 0)
                    try await eventually { Process.descriptors <= descriptors }
                    // Sanitizers keep what was freed for a while.
                    #expect(Process.residentBytes - memory < 6 << 20 || Process.isSanitized)
                    // GLib has one thread of its own, and starts others for what Sotto does not use.
                    #expect(Process.threadNames.count { $0 == "gmain" } <= 1)
                    #expect(!Process.threadNames.contains { $0.hasPrefix("pool") || $0.hasPrefix("gdbus") })
                    #expect(Process.threads < 30)
                }
            }

            @Test func hundredsOfAgentsAtOnceShareOneThread() async {
                await #expect(processExitsWith: .success) {
                    let loop = ICELoop()
                    try await warmUp()
                    let before = Process.descriptors
                    let peers = (0..<400).map { Peer(loop, $0 % 2 == 0 ? .controlling : .controlled) }
                    for peer in peers { peer.agent.gather() }
                    for peer in peers { try await peer.wait(for: .gatheringDone) }
                    #expect(Process.threads < 30)
                    for peer in peers { peer.agent.close() }
                    for peer in peers { try await peer.wait(for: .closed) }
                    try await eventually { Process.descriptors <= before + 1 }
                }
            }

            @Test func loopsEndWithTheirLastOwner() async {
                await #expect(processExitsWith: .success) {
                    try await warmUp()
                    let before = Process.descriptors
                    for _ in 1...50 {
                        let peer = Peer(ICELoop(), .controlling)
                        _ = try await peer.gathered()
                    }
                    // The thread owns the context and its descriptor, and lets them go when it ends.
                    try await eventually { Process.descriptors <= before }
                    #expect(AgentRegistry.count == 0)
                }
            }
        }
    }

    /// What the runtimes open once and keep: event queues, timers, threads.
    private func warmUp() async throws {
        let peer = Peer(ICELoop(), .controlling)
        _ = try await peer.gathered()
        try await peer.closed()
    }
#endif
