import Identity
import Noise
import Paths
import Testing

@testable import SecureTransport

@Suite struct HandshakeTests {
    @Test func bothEndsAgreeAndExchangeGreetings() throws {
        let network = try VirtualNetwork()
        var asked: [(PublicKey, [UInt8])] = []
        network.authorize = { key, greeting in
            asked.append((key, greeting))
            return Array("come in".utf8)
        }
        #expect(network.connect())
        #expect(network.client.contains(.handshakeCompleted(greeting: Array("come in".utf8))))
        let server = try #require(network.server)
        #expect(server.contains(.handshakeCompleted(greeting: Array("hello".utf8))))
        #expect(asked.count == 1)
        #expect(asked[0].1 == Array("hello".utf8))
        #expect(server.session.peer == asked[0].0)
        #expect(network.client.session.peer == network.serverKeys.publicKey)
        #expect(network.client.session.isInitiator)
        #expect(!server.session.isInitiator)
        #expect(network.client.session.firstConnectionID == server.session.firstConnectionID)
    }

    @Test func identitiesAreAllThatIsNeeded() throws {
        let alice = try Identity.generate()
        let bob = try Identity.generate()
        let now = VirtualNetwork.start
        let caller = try SecureSession.connect(identity: alice, to: bob.peerID, greeting: [1], now: now)
        caller.addPath(.relay, kind: .relay, now: now)
        var seen: PublicKey?
        let call = try IncomingCall(caller.packets(now: now), to: bob.peerID.noisePublicKey, now: now)
        let answerer = try SecureSession.accept(
            call, identity: bob, on: .relay,
            authorize: { key, _ in
                seen = key
                return []
            }, now: now)
        #expect(seen == alice.peerID.noisePublicKey)
        #expect(answerer.peer == alice.peerID.noisePublicKey)
        #expect(caller.peer == bob.peerID.noisePublicKey)
    }

    @Test func takesOneRoundTripForTheCallerAndOneAndAHalfForTheAnswerer() throws {
        let network = try VirtualNetwork()
        network.run { network.client.isConnected }
        #expect(network.now - VirtualNetwork.start < .milliseconds(22))
        network.run { network.server?.isConnected == true }
        #expect(network.now - VirtualNetwork.start < .milliseconds(33))
    }

    @Test func aMessageWrittenAtOnceArrivesWithTheConfirmation() throws {
        let network = try VirtualNetwork()
        network.run { network.client.isConnected }
        let stream = try network.client.session.openStream()
        #expect(stream.rawValue == 0)
        network.client.send(Array("first".utf8), on: stream)
        network.run { network.server?.received[stream] == Array("first".utf8) }
        #expect(network.now - VirtualNetwork.start < .milliseconds(33))
    }

    @Test func greetingsHaveALimitOnBothSides() throws {
        let longest = [UInt8](repeating: 7, count: 256)
        let network = try VirtualNetwork(greeting: longest)
        network.authorize = { _, _ in longest }
        #expect(network.connect())
        #expect(network.client.contains(.handshakeCompleted(greeting: longest)))
        #expect(network.server?.contains(.handshakeCompleted(greeting: longest)) == true)
        #expect(throws: TransportError.greetingTooLong) { try VirtualNetwork(greeting: longest + [0]) }
        let other = try VirtualNetwork()
        other.authorize = { _, _ in longest + [0] }
        other.run(for: .milliseconds(50))
        #expect(other.acceptErrors == [.greetingTooLong])
    }

    @Test func aRefusedCallerGetsNoAnswerAndGivesUpAfterTheHandshakeTimeout() throws {
        let network = try VirtualNetwork()
        network.authorize = { _, _ in nil }
        var answers = 0
        network.tap = { side, _, _ in if side == .server { answers += 1 } }
        network.run(for: .seconds(20)) { network.client.closeReason != nil }
        #expect(network.client.closeReason == .handshakeTimeout)
        #expect(network.now - VirtualNetwork.start < .seconds(11))
        #expect(answers == 0)
        #expect(network.accepted == 0)
        #expect(network.acceptErrors.allSatisfy { $0 == .refused })
        #expect(network.client.session.isFinished)
    }

    @Test func whoDoesNotKnowWhomItCallsGetsNoAnswerAndCausesNoWork() throws {
        let network = try VirtualNetwork(calling: KeyPair.generate().publicKey)
        var asked = 0
        network.authorize = { _, _ in
            asked += 1
            return []
        }
        var answers = 0
        network.tap = { side, _, _ in if side == .server { answers += 1 } }
        network.run(for: .seconds(2))
        #expect(asked == 0)
        #expect(answers == 0)
        #expect(!network.acceptErrors.isEmpty)
        #expect(network.acceptErrors.allSatisfy { $0 == .notForUs })
    }

    @Test func aRepeatedFirstPacketDoesNotStartTheHandshakeAgain() throws {
        let network = try VirtualNetwork(relay: Link(duplication: 1))
        #expect(network.connect())
        #expect(network.accepted == 1)
        #expect(network.acceptErrors.isEmpty)
    }

    @Test func aReplayedCallIsNeverCompletedAndIsForgottenInTime() throws {
        let network = try VirtualNetwork(greeting: VirtualNetwork.longGreeting)
        var first: [[UInt8]] = []
        network.tap = { side, _, bytes in if side == .client, network.server == nil { first.append(bytes) } }
        #expect(network.connect())
        #expect(first.count == 2)
        var asked = 0
        let replay = try SecureSession.accept(
            first, keys: network.serverKeys.copy(),
            authorize: { _, _ in
                asked += 1
                return []
            }, now: network.now)
        #expect(asked == 1)
        var now = network.now
        var events: [SessionEvent] = []
        var sentBytes = 0
        while let next = replay.nextTimeout, next < network.now + .seconds(70) {
            replay.transmit(now: now) { bytes, _, _ in sentBytes += bytes.count }
            now = max(now, next)
            replay.handleTimeout(now: now)
            while let event = replay.pollEvent() { events.append(event) }
        }
        #expect(replay.isFinished)
        #expect(events.last == .closed(.handshakeTimeout))
        #expect(!events.contains { if case .handshakeCompleted = $0 { true } else { false } })
        #expect(sentBytes <= 3 * first.reduce(0) { $0 + $1.count })
    }

    @Test(arguments: [
        ([PacketCipher.chaCha20Poly1305], [PacketCipher.chaCha20Poly1305], PacketCipher.chaCha20Poly1305),
        ([.chaCha20Poly1305, .aes256GCM], [.chaCha20Poly1305], .chaCha20Poly1305),
        ([.chaCha20Poly1305], [.aes256GCM, .chaCha20Poly1305], .chaCha20Poly1305),
        ([.chaCha20Poly1305, .aes256GCM], [.aes256GCM, .chaCha20Poly1305], .aes256GCM),
    ])
    func theAnswererChoosesTheCipher(offered: [PacketCipher], accepted: [PacketCipher], chosen: PacketCipher) throws {
        guard PacketCipher.available().contains(chosen) else { return }
        var client = SessionConfiguration()
        client.ciphers = offered
        var server = SessionConfiguration()
        server.ciphers = accepted
        let network = try VirtualNetwork(client: client, server: server)
        #expect(network.connect())
        #expect(network.client.session.cipher == chosen)
        #expect(network.server?.session.cipher == chosen)
        let stream = try network.client.session.openStream()
        network.client.send(pattern(100_000), on: stream)
        #expect(network.run { network.server?.received[stream] == pattern(100_000) })
    }

    @Test func withoutACommonCipherThereIsNoSession() throws {
        var client = SessionConfiguration()
        client.ciphers = [.chaCha20Poly1305]
        var server = SessionConfiguration()
        server.ciphers = [.aes256GCM]
        let network = try VirtualNetwork(client: client, server: server)
        network.run(for: .seconds(1))
        #expect(network.accepted == 0)
        #expect(network.acceptErrors.allSatisfy { $0 == .handshakeFailed })
    }

    @Test func nothingCanBeOpenedBeforeTheHandshakeIsFinished() throws {
        let network = try VirtualNetwork()
        #expect(throws: TransportError.notReady) { try network.client.session.openStream() }
        #expect(throws: TransportError.notReady) { try network.client.session.sendDatagram([1]) }
        #expect(throws: TransportError.notReady) {
            try network.client.session.write([1], to: StreamID(rawValue: 0))
        }
        #expect(!network.client.session.updateKeys())
    }

    @Test func aCallWithoutAPathWaitsForOne() throws {
        let now = VirtualNetwork.start
        let session = try SecureSession.connect(
            keys: .generate(), to: KeyPair.generate().publicKey, greeting: [], now: now)
        #expect(session.packets(now: now).isEmpty)
        session.addPath(.relay, kind: .relay, now: now)
        #expect(!session.packets(now: now).isEmpty)
    }

    @Test(arguments: 1...8) func survivesABadNetwork(seed: UInt64) throws {
        let link = Link(jitter: .milliseconds(30), loss: 0.2, duplication: 0.1, corruption: 0.05)
        let network = try VirtualNetwork(seed: seed, relay: link)
        #expect(network.connect(within: .seconds(10)))
        #expect(network.accepted >= 1)
    }
}
