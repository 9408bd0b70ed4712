import Glibc
import ICE
import Identity
import NIOCore
import Paths
import PeerLab
import TestTools
import Testing
import Wire

@testable import Peering

/// Sessions between nodes on loopback, over real agents of libnice.
@Suite struct SteeringTests {
    @Test(arguments: [IPAddress.v4(127, 0, 0, 1), .v6(0, 0, 0, 0, 0, 0, 0, 1)])
    func aDirectPathIsSteeredAndSaysSo(address: IPAddress) async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await direct(lab, address)
            for (node, peer) in [(alice, bob.id), (bob, alice.id)] {
                let report = try await node.perform { $0.session(with: peer)?.currentPath }
                #expect(report?.kind == .direct && report?.dataPlane == .steered)
                #expect(report?.local?.address == address)
            }
            try await alice.write("from alice", to: bob.id)
            try await bob.read("from alice")
            try await untilSteered(alice, bob.id, above: 0)
            try await untilSteered(bob, alice.id, above: 0)
            for node in [alice, bob] { try await node.stop() }
        }
    }

    /// Each side reads as it can; the other does not notice.
    @Test func aSideThatCannotSteerReadsThroughTheLibrary() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await direct(lab, bobs: .library)
            #expect(try await alice.perform { $0.session(with: bob.id)?.currentPath?.dataPlane } == .steered)
            #expect(try await bob.perform { $0.session(with: alice.id)?.currentPath?.dataPlane } == .library)
            try await send(1 << 20, from: alice, to: bob)
            try await bob.write("from bob", to: alice.id)
            try await alice.read("from bob")
            #expect(try await readers(bob, alice.id).isEmpty)
            for node in [alice, bob] { try await node.stop() }
        }
    }

    @Test func theRelayHasNoDataPlane() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await relayed(lab)
            let report = try await alice.perform { $0.session(with: bob.id)?.currentPath }
            #expect(report?.kind == .relay && report?.dataPlane == nil)
            for node in [alice, bob] { try await node.stop() }
        }
    }

    /// A network change in mid-transfer: a fresh agent, its pair steered like the first, and the old path taken away from under the session.
    @Test func aTransferSurvivesTheChangeToAFreshAgent() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await direct(lab)
            let old = try await paths(alice, bob.id)
            try await send(1 << 20, from: alice, to: bob)
            async let transfer: Void = send(4 << 20, from: alice, to: bob)
            try await alice.perform { $0.networkChanged() }
            try await eventually("both have a pair of the fresh agent") {
                let (there, here) = (try await paths(alice, bob.id), try await paths(bob, alice.id))
                return !there.subtracting(old).isEmpty && here.count > 1
            }
            for (node, peer) in [(alice, bob.id), (bob, alice.id)] {
                try await node.perform { $0.knownLink(peer)?.dropOldestPath() }
            }
            try await transfer
            try await eventually("the fresh path carries the session") {
                let report = try await bob.perform { $0.session(with: alice.id)?.currentPath }
                return report?.kind == .direct && report?.dataPlane == .steered
            }
            try await send(1 << 20, from: alice, to: bob)
            let readers = try await readers(bob, alice.id)
            #expect(readers.count >= 1 && readers.allSatisfy { $0 > 100 }, "\(readers)")
            for node in [alice, bob] { try await node.stop() }
        }
    }

    /// The second socket goes without a word: everything comes through libnice again, and the path says so.
    @Test func aSessionOutlivesItsSecondSocket() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await direct(lab)
            async let transfer: Void = send(4 << 20, from: alice, to: bob)
            try await untilSteered(bob, alice.id, above: 50)
            try await bob.perform { node in
                for attempt in node.knownLink(alice.id)?.direct.attempts ?? [] {
                    for reader in attempt.readers { reader.channel?.close(promise: nil) }
                }
            }
            try await transfer
            #expect(try await bob.perform { $0.session(with: alice.id)?.currentPath?.dataPlane } == .library)
            for node in [alice, bob] { try await node.stop() }
        }
    }

    /// What a port search finds is read as steered sockets are, and a fresh find takes its place.
    @Test func aSocketThatASearchFoundIsReadTheSameWay() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await relayed(lab)
            for _ in 0..<2 {
                try await find(alice, bob)
                try await eventually("the found path carries the session") {
                    let report = try await bob.perform { $0.session(with: alice.id)?.currentPath }
                    return report?.kind == .direct && report?.dataPlane == .steered
                }
                try await send(2 << 20, from: alice, to: bob)
                let packets = try await bob.perform { $0.knownLink(alice.id)?.direct.found?.reader.packets ?? 0 }
                #expect(packets > 1_000)
            }
            for node in [alice, bob] { try await node.stop() }
        }
    }

    // MARK: Helpers

    /// Two nodes with a session that looks for no direct path.
    private func relayed(_ lab: Lab) async throws -> (alice: TestNode, bob: TestNode) {
        let alice = try await TestNode.online(lab, policy: .relay)
        let bob = try await TestNode.online(lab, contacts: [alice.id], policy: .relay)
        alice.accept(bob.id)
        try await alice.connect(to: bob.id)
        for node in [alice, bob] { try await node.read("hi ") }
        return (alice, bob)
    }

    /// As if a search had found a socket on each side.
    private func find(_ alice: TestNode, _ bob: TestNode) async throws {
        let sets = [SocketSet(), SocketSet()]
        let ends = try sets.map { set in
            try #require(set.open())
            return Endpoint(address: .v4(127, 0, 0, 1), port: set.port(of: 0))
        }
        for (index, (node, peer)) in [(alice, bob.id), (bob, alice.id)].enumerated() {
            let taken = try #require(sets[index].take(0, remote: ends[1 - index]))
            let found = FoundSocket(
                local: ends[index], remote: ends[1 - index], sender: taken.sender, receiver: taken.receiver)
            try await node.perform { $0.knownLink(peer)?.direct.found(found) }
        }
    }

    /// Two nodes with a session, each on a direct path.
    private func direct(
        _ lab: Lab, _ address: IPAddress = .v4(127, 0, 0, 1), bobs: DataPlane = .steered
    ) async throws -> (alice: TestNode, bob: TestNode) {
        let alice = try await TestNode.online(lab, localAddresses: [address])
        let bob = try await TestNode.online(lab, contacts: [alice.id], dataPlane: bobs, localAddresses: [address])
        alice.accept(bob.id)
        try await alice.connect(to: bob.id)
        for node in [alice, bob] {
            try await node.path(.direct)
            try await node.read("hi ")
        }
        return (alice, bob)
    }

    /// Sends so many bytes, and returns when they have arrived unaltered.
    private func send(_ count: Int, from alice: TestNode, to bob: TestNode) async throws {
        let before = received(bob).count
        let block = (0..<(32 << 10)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let peer = bob.id
        var left = count / block.count
        try await eventually("all is written") {
            left -= try await alice.perform { [left] node in
                var written = 0
                while written < left, node.session(with: peer)?.write(block) == true { written += 1 }
                return written
            }
            return left == 0
        }
        let wanted = count / block.count * block.count
        try await eventually("\(wanted) bytes arrive") {
            bob.log.all.reduce(0) { if case .read(let bytes) = $1 { $0 + bytes.count } else { $0 } } >= before + wanted
        }
        let arrived = received(bob)
        for start in stride(from: before, to: before + wanted, by: block.count) {
            let isEqual = arrived[start...].withUnsafeBytes { bytes in
                bytes.baseAddress.map { memcmp($0, block, block.count) } == 0
            }
            #expect(isEqual)
        }
    }

    private func received(_ node: TestNode) -> [UInt8] {
        var bytes: [UInt8] = []
        for case .read(let more) in node.log.all { bytes += more }
        return bytes
    }

    /// How many packets came past libnice, for each socket that is read.
    private func readers(_ node: TestNode, _ peer: PeerID) async throws -> [UInt64] {
        try await node.perform { node in
            (node.knownLink(peer)?.direct.attempts ?? []).flatMap { $0.readers.map(\.packets) }
        }
    }

    private func untilSteered(_ node: TestNode, _ peer: PeerID, above count: UInt64) async throws {
        try await eventually("packets come past libnice") {
            try await readers(node, peer).contains { $0 > count }
        }
    }

    private func paths(_ node: TestNode, _ peer: PeerID) async throws -> Set<PathID> {
        try await node.perform { Set(($0.knownLink(peer)?.direct.paths ?? []).map(\.id)) }
    }
}

extension PeerLink {
    /// Takes the oldest direct path away from the session, as if it had gone dark for good.
    fileprivate func dropOldestPath() {
        guard let oldest = direct.paths.map(\.id).min(by: { $0.rawValue < $1.rawValue }) else { return }
        active?.removePath(oldest)
    }
}
