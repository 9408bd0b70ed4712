import ICE
import Testing
import Wire

extension ICETests {
    @Suite struct Connecting {
        let loop = ICELoop()

        @Test func agentsFindEachOtherAndPacketsPassBothWays() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let pairs = try await connect(alice, bob)
            #expect(pairs.alice.local == pairs.bob.remote)
            #expect(pairs.alice.remote == pairs.bob.local)
            #expect(!pairs.alice.isRelayed)
            let (toBob, toAlice) = (try #require(pairs.alice.socket), try #require(pairs.bob.socket))
            #expect(toBob.local == pairs.alice.local)
            #expect(toBob.remote == pairs.alice.remote)

            #expect(Array("to bob".utf8).withUnsafeBytes { toBob.send($0, segmentSize: 0) } == .sent)
            #expect(Array("to alice".utf8).withUnsafeBytes { toAlice.send($0, segmentSize: 8) } == .sent)
            #expect(try await bob.recorder.wait { $0.packets.first } == Array("to bob".utf8))
            #expect(try await alice.recorder.wait { $0.packets.first } == Array("to alice".utf8))
            try await alice.closed()
            try await bob.closed()
        }

        @Test func packetsPassThroughLibniceToo() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            try await connect(alice, bob)
            alice.agent.send(Array("to bob".utf8))
            bob.agent.send([])
            Array("twotwono".utf8).withUnsafeBytes { bob.agent.send($0, segmentSize: 3) }
            #expect(try await bob.recorder.wait { $0.packets.first } == Array("to bob".utf8))
            let heard = try await alice.recorder.wait { $0.packets.count == 3 ? $0.packets : nil }
            #expect(heard == ["two", "two", "no"].map { Array($0.utf8) })
        }

        @Test(arguments: [1, 100, 1200, 1452]) func aBurstArrivesAsSegments(size: Int) async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let pairs = try await connect(alice, bob)
            let socket = try #require(pairs.alice.socket)
            let burst = (0..<(size * 40 + (size + 1) / 2)).map { UInt8(truncatingIfNeeded: $0 / size) }
            #expect(burst.withUnsafeBytes { socket.send($0, segmentSize: size) } == .sent)
            let heard = try await bob.recorder.wait { $0.packets.count == 41 ? $0.packets : nil }
            #expect(heard.dropLast().allSatisfy { $0.count == size })
            #expect(heard.flatMap { $0 } == burst)
        }

        @Test func thousandsOfPacketsPassWithoutLossAtTheReceiver() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let pairs = try await connect(alice, bob)
            let socket = try #require(pairs.alice.socket)
            // In windows that fit the smallest receive buffer; more than one turn of the loop's reading.
            for window in 1...60 {
                let burst = [UInt8](repeating: UInt8(truncatingIfNeeded: window), count: 50 * 20)
                #expect(burst.withUnsafeBytes { socket.send($0, segmentSize: 20) } == .sent)
                try await bob.recorder.wait { $0.packets.count == window * 50 ? () : nil }
            }
        }

        @Test func aDatagramLargerThanTheInterfaceIsRefusedWithoutHarm() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let socket = try #require(try await connect(alice, bob).alice.socket)
            let huge = [UInt8](repeating: 7, count: 65_535)
            #expect(huge.withUnsafeBytes { socket.send($0, segmentSize: 0) } == .tooLarge)
            #expect([UInt8]([1]).withUnsafeBytes { socket.send($0, segmentSize: 1200) } == .sent)
            #expect(try await bob.recorder.wait { $0.packets.first } == [1])
        }

        @Test func aPairSocketOutlivesItsAgent() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let socket = try #require(try await connect(alice, bob).alice.socket)
            try await alice.closed()
            #expect([UInt8]([9]).withUnsafeBytes { socket.send($0, segmentSize: 0) } == .sent)
            #expect(try await bob.recorder.wait { $0.packets.first } == [9])
        }

        @Test func strangersAreNotHeard() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let pairs = try await connect(alice, bob)
            let stranger = try SilentSocket()
            for count in 1...20 { stranger.send([UInt8](repeating: 0xEE, count: count), to: pairs.bob.local) }
            alice.agent.send([1])
            try await bob.wait(for: .packet)
            alice.agent.send([2])
            #expect(try await bob.recorder.wait { $0.packets.count >= 2 ? $0.packets : nil } == [[1], [2]])
        }

        @Test func bothSidesMayClaimTheSameRole() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlling))
            let pairs = try await connect(alice, bob)
            #expect(pairs.alice.local == pairs.bob.remote)
        }

        @Test func aPairIsSelectedBeforeItIsReportedAgain() async throws {
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            try await connect(alice, bob)
            alice.agent.send([1])
            try await bob.wait(for: .packet)
            for peer in [alice, bob] {
                let pairs = peer.recorder.events.pairs.map { [$0.local, $0.remote] }
                #expect(zip(pairs, pairs.dropFirst()).allSatisfy { $0 != $1 })
            }
        }

        @Test func bothSidesSettleOnTheSameOfSeveralPairs() async throws {
            let addresses = [loopback, IPAddress.v6(0, 0, 0, 0, 0, 0, 0, 1), .v4(127, 0, 0, 2)]
            let alice = Peer(loop, .controlling, localAddresses: addresses)
            let bob = Peer(loop, .controlled, localAddresses: addresses)
            try await connect(alice, bob)
            try await eventually {
                guard let ofAlice = alice.recorder.events.pairs.last, let ofBob = bob.recorder.events.pairs.last else {
                    return false
                }
                return ofAlice.local == ofBob.remote && ofAlice.remote == ofBob.local
            }
            for pair in alice.recorder.events.pairs + bob.recorder.events.pairs {
                #expect(pair.socket?.local == pair.local)
                #expect(pair.socket?.remote == pair.remote)
            }
        }

        @Test func agentsOfTwoLoopsConnect() async throws {
            let other = ICELoop()
            try await connect(Peer(loop, .controlling), Peer(other, .controlled))
        }

        @Test func ipv6LoopbackConnects() async throws {
            let v6 = IPAddress.v6(0, 0, 0, 0, 0, 0, 0, 1)
            let (alice, bob) = (
                Peer(loop, .controlling, localAddresses: [v6]), Peer(loop, .controlled, localAddresses: [v6])
            )
            let pairs = try await connect(alice, bob)
            let socket = try #require(pairs.alice.socket)
            let burst = [UInt8](repeating: 5, count: 3000)
            #expect(burst.withUnsafeBytes { socket.send($0, segmentSize: 1000) } == .sent)
            #expect(
                try await bob.recorder.wait { $0.packets.count == 3 ? $0.packets : nil }.allSatisfy { $0.count == 1000 }
            )
        }
    }
}
