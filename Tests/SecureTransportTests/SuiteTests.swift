import Noise
import Paths
import Testing

@testable import SecureTransport

/// Classical and hybrid handshakes: who talks to whom, and that nobody in between has a say in it.
@Suite struct SuiteTests {
    private static func configuration(_ suites: [HandshakeSuite]) -> SessionConfiguration {
        var configuration = SessionConfiguration()
        configuration.suites = suites
        return configuration
    }

    private static func network(
        _ client: [HandshakeSuite], _ server: [HandshakeSuite]
    ) throws -> VirtualNetwork {
        try VirtualNetwork(client: configuration(client), server: configuration(server))
    }

    @Test func hybridIsTheDefault() throws {
        #expect(SessionConfiguration().suites == [.hybrid])
        let network = try VirtualNetwork()
        #expect(network.connect())
        #expect(network.client.session.suite == .hybrid)
        #expect(network.server?.session.suite == .hybrid)
    }

    /// What the client lists, what the server takes, and what comes of it.
    struct Pair: Sendable, CustomTestStringConvertible {
        let client: [HandshakeSuite]
        let server: [HandshakeSuite]
        let result: HandshakeSuite?

        init(_ client: [HandshakeSuite], _ server: [HandshakeSuite], _ result: HandshakeSuite?) {
            self.client = client
            self.server = server
            self.result = result
        }

        var testDescription: String { "\(client) calls \(server)" }
    }

    @Test(arguments: [
        Pair([.hybrid], [.hybrid], .hybrid), Pair([.hybrid], [.hybrid, .classical], .hybrid),
        Pair([.hybrid], [.classical, .hybrid], .hybrid), Pair([.hybrid], [.classical], nil), Pair([.hybrid], [], nil),
        Pair([.hybrid, .classical], [.hybrid], .hybrid), Pair([.hybrid, .classical], [.hybrid, .classical], .hybrid),
        Pair([.hybrid, .classical], [.classical], nil),
        Pair([.classical], [.hybrid], nil), Pair([.classical], [.hybrid, .classical], .classical),
        Pair([.classical], [.classical], .classical), Pair([.classical], [], nil),
        // Who could do better must.
        Pair([.classical, .hybrid], [.hybrid, .classical], nil), Pair([.classical, .hybrid], [.hybrid], nil),
        Pair([.classical, .hybrid], [.classical], .classical),
    ])
    func bothSidesMustWantASuite(pair: Pair) throws {
        let network = try Self.network(pair.client, pair.server)
        var answers = 0
        network.tap = { side, _, _ in if side == .server { answers += 1 } }
        let connected = network.connect(within: .seconds(2))
        #expect(connected == (pair.result != nil))
        if let result = pair.result {
            #expect(network.client.session.suite == result)
            #expect(network.server?.session.suite == result)
        } else {
            // Not a packet comes back, and nobody was asked.
            #expect(answers == 0)
            #expect(network.accepted == 0)
            #expect(network.acceptErrors.allSatisfy { $0 == .handshakeFailed })
        }
    }

    @Test func aSuiteThatIsNotTakenCostsNoPublicKeyWork() throws {
        let network = try Self.network([.classical], [.hybrid])
        let call = try IncomingCall(
            network.client.session.packets(now: network.now), to: network.serverKeys.publicKey, now: network.now)
        #expect(call.isComplete)
        #expect(throws: TransportError.handshakeFailed) {
            try SecureSession.accept(
                call, keys: network.serverKeys.copy(), on: .relay, authorize: { _, _ in [] }, now: network.now)
        }
        // The state, with which that work would begin, was never made.
        #expect(call.connection.handshake.suite == nil)
        #expect(call.connection.handshake.remoteStatic == nil)
    }

    @Test func aCallerNeedsASuite() {
        #expect(throws: TransportError.internalFailure) { try Self.network([], [.hybrid]) }
    }

    // MARK: Attacks. The attacker knows the peer id, sees everything and can forge Initial packets: so it may write the list as it likes.

    private final class Ends {
        let keys: KeyPair
        let caller: NoiseHandshake
        let body: [UInt8]

        init(_ suites: [HandshakeSuite]) throws {
            keys = .generate()
            caller = try NoiseHandshake(
                initiator: .generate(), responder: keys.publicKey, firstConnectionID: [9], greeting: [1],
                suites: suites,
                ciphers: [.chaCha20Poly1305])
            body = Array(try caller.writeInitiatorMessage(transportParameters: [5]).dropFirst(3))
        }

        func answerer(_ suites: [HandshakeSuite], body: [UInt8]) -> NoiseHandshake {
            let answerer = NoiseHandshake(
                responder: keys.publicKey, firstConnectionID: [9], suites: suites, ciphers: [.chaCha20Poly1305])
            answerer.keep(initiatorMessage: body)
            return answerer
        }
    }

    @Test(
        arguments: [
            [1, 1], [1, 2], [2, 1, 2], [2, 2, 2], [3, 2, 1, 1], [3, 2, 1, 99], [2, 2, 99], [1, 99],
        ] as [[UInt8]])
    func aListThatWasRewrittenMakesTheHandshakeFail(list: [UInt8]) throws {
        for suites in [[HandshakeSuite.hybrid, .classical], [.hybrid]] {
            let ends = try Ends(suites)
            let original = SuiteList.encode(suites.map(\.rawValue))
            guard list != original else { continue }
            let answerer = ends.answerer([.hybrid, .classical], body: list + ends.body.dropFirst(original.count))
            #expect(throws: (any Error).self) { try answerer.readInitiatorMessage(keys: ends.keys.copy()) }
            #expect(answerer.remoteStatic == nil)
            // As it was written, it is taken.
            let honest = ends.answerer([.hybrid, .classical], body: ends.body)
            try honest.readInitiatorMessage(keys: ends.keys.copy())
            #expect(honest.suite == .hybrid)
        }
    }

    @Test func theHybridPartCannotBeCutOut() throws {
        // e and the rest without the KEM's key, as a classical message 1 has them.
        let ends = try Ends([.hybrid, .classical])
        let noise = Array(ends.body.dropFirst(3))
        let stripped = [1, 1] + noise.prefix(32) + noise.dropFirst(32 + 1200)
        let answerer = ends.answerer([.hybrid, .classical], body: Array(stripped))
        #expect(throws: NoiseError.authenticationFailed) { try answerer.readInitiatorMessage(keys: ends.keys.copy()) }
    }

    @Test func aClassicalAnswerToAHybridCallIsRefused() throws {
        // The worst case: whoever answers holds the right static key and goes by the classical pattern.
        let ends = try Ends([.hybrid, .classical])
        let honest = ends.answerer([.hybrid], body: ends.body)
        try honest.readInitiatorMessage(keys: ends.keys.copy())
        let message = Array(try honest.writeResponderMessage(transportParameters: []).message.dropFirst(3))
        let stripped = message.prefix(32) + message.dropFirst(32 + 1104)
        #expect(throws: NoiseError.self) { _ = try ends.caller.readResponderMessage(Array(stripped)) }
        // The caller is where it was: the true answer is still taken.
        _ = try ends.caller.readResponderMessage(message)
    }

    @Test func aClassicalCallRecordedElsewhereDoesNotMakeAHybridServerAnswer() throws {
        let keys = KeyPair.generate()
        let old = try SecureSession.connect(
            keys: .generate(), to: keys.publicKey, greeting: [], configuration: Self.configuration([.classical]),
            now: VirtualNetwork.start)
        old.addPath(.relay, kind: .relay, now: VirtualNetwork.start)
        let recorded = old.packets(now: VirtualNetwork.start)
        #expect(recorded.count == 1)
        #expect(throws: TransportError.handshakeFailed) {
            try SecureSession.accept(recorded, keys: keys.copy(), now: VirtualNetwork.start)
        }
    }

    @Test(
        arguments: [
            ([2], [HandshakeSuite.hybrid], HandshakeSuite.hybrid), ([2, 1], [.hybrid], .hybrid), ([1], [.hybrid], nil),
            ([1, 2], [.hybrid, .classical], nil), ([1, 2], [.classical], .classical), ([99, 2], [.hybrid], nil),
            ([2, 99], [.hybrid], .hybrid), ([], [.hybrid], nil), ([2], [], nil),
        ] as [([UInt8], [HandshakeSuite], HandshakeSuite?)])
    func theFirstOfTheListIsTakenOrNone(offered: [UInt8], ours: [HandshakeSuite], chosen: HandshakeSuite?) {
        #expect(HandshakeSuite.choose(offered: offered, ours: ours) == chosen)
    }
}
