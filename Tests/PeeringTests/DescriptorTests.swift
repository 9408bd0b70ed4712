import Foundation
import Paths
import PeerLab
import TestTools
import Testing

@testable import Peering

#if compiler(>=6.2)
    /// In a process of its own, where nobody else opens descriptors.
    @Suite struct DescriptorTests {
        @Test func aHundredSessionsLeaveNoneBehind() async {
            await #expect(processExitsWith: .success) {
                try await Lab.run { lab in
                    let alice = try await TestNode.online(lab)
                    let bob = try await TestNode.online(lab, contacts: [alice.id])
                    alice.accept(bob.id)
                    func session() async throws {
                        try await alice.connect(to: bob.id)
                        for node in [alice, bob] { try await node.path(.direct) }
                        let plane = try await bob.perform { $0.session(with: alice.id)?.currentPath?.dataPlane }
                        #expect(plane == .steered)
                        try await alice.perform { $0.session(with: bob.id)?.close() }
                        for node in [alice, bob] { _ = try await node.closed() }
                    }
                    for _ in 0..<5 { try await session() }
                    try await eventually("agents are gone") { try await alice.agents(bob.id) == 0 }
                    let before = try descriptors()
                    for _ in 0..<100 { try await session() }
                    try await eventually("descriptors are closed") { try descriptors() <= before }
                    for node in [alice, bob] { try await node.stop() }
                }
            }
        }
    }

    private func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
#endif
