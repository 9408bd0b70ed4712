import Glibc
import ICE
import Testing
import Wire

/// A TURN server on loopback that relays to loopback, as `ADDRESS:PORT NAME PASSWORD`, for example
/// `turnserver -n -L 127.0.0.1 -E 127.0.0.1 -a -u NAME:PASSWORD -r sotto --allow-loopback-peers --no-cli`.
private let turnServer: (endpoint: Endpoint, name: String, password: String)? = {
    guard let text = getenv("SOTTO_TEST_TURN") else { return nil }
    let parts = String(cString: text).split(separator: " ").map(String.init)
    guard parts.count == 3, let endpoint = try? Endpoint(parts[0]) else { return nil }
    return (endpoint, parts[1], parts[2])
}()

extension ICETests {
    @Suite(.enabled(if: turnServer != nil, "SOTTO_TEST_TURN names no server")) struct Relaying {
        let loop = ICELoop()

        private func peer(_ role: ICEConfiguration.Role, tcp: Bool, relayedOnly: Bool) throws -> Peer {
            let server = try #require(turnServer)
            return Peer(
                loop, role,
                turnServers: [
                    TURNServer(endpoint: server.endpoint, tcp: tcp, username: server.name, credential: server.password)
                ], relayedOnly: relayedOnly)
        }

        @Test(arguments: [false, true]) func packetsPassThroughARelayedCandidate(tcp: Bool) async throws {
            let alice = try peer(.controlling, tcp: tcp, relayedOnly: true)
            let bob = Peer(loop, .controlled)
            let pairs = try await connect(alice, bob)
            #expect(pairs.alice.localType == .relayed)
            #expect(pairs.alice.isRelayed && pairs.bob.isRelayed)
            #expect(pairs.alice.socket == nil)
            #expect(alice.recorder.events.localCandidates.allSatisfy { $0.type == .relayed && $0.related == nil })
            let toAlice = try #require(pairs.bob.socket)
            let burst = [UInt8](repeating: 3, count: 2500)
            burst.withUnsafeBytes { alice.agent.send($0, segmentSize: 1000) }
            #expect(burst.withUnsafeBytes { toAlice.send($0, segmentSize: 1000) } == .sent)
            for side in [alice, bob] {
                let heard = try await side.recorder.wait { $0.packets.count == 3 ? $0.packets : nil }
                #expect(heard.flatMap { $0 } == burst)
            }
            try await alice.closed()
            try await bob.closed()
        }

        @Test func bothMayBeRelayed() async throws {
            let alice = try peer(.controlling, tcp: false, relayedOnly: true)
            let bob = try peer(.controlled, tcp: false, relayedOnly: true)
            let pairs = try await connect(alice, bob)
            #expect(pairs.alice.socket == nil && pairs.bob.socket == nil)
            alice.agent.send([1])
            bob.agent.send([2])
            #expect(try await bob.recorder.wait { $0.packets.first } == [1])
            #expect(try await alice.recorder.wait { $0.packets.first } == [2])
        }

        @Test func closingWhileAllocationsAreOnTheirWayEnds() async throws {
            for turns in 0..<40 {
                let alice = try peer(.controlling, tcp: turns % 2 == 1, relayedOnly: false)
                alice.agent.gather()
                if turns % 4 < 2 { try await alice.wait(for: .localCandidate) }
                if turns % 8 < 4 { for _ in 0..<(turns * 200) { await Task.yield() } }
                try await alice.closed()
            }
        }
    }
}
