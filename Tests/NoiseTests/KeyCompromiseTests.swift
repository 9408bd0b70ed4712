import Testing

@testable import Noise

/// What the thief of one party's static key can do, as the tables of §7.7 say (source and destination properties).
/// The thief computes messages from the symmetric state itself, with every key that it has.
@Suite("Key compromise")
struct KeyCompromiseTests {
    private let keys = Keys()
    private let prologue: [UInt8] = [1, 2, 3]

    private func alice() throws -> KeyPair { try Keys.pair(keys.initiator) }
    private func bob() throws -> KeyPair { try Keys.pair(keys.responder) }

    /// A first message of IK or X that names Alice, made with Bob's secret key instead of hers.
    private func forgeFirstMessage(
        _ name: ProtocolName, e: borrowing KeyPair, payload: [UInt8]
    ) throws -> (message: [UInt8], hash: [UInt8]) {
        let victim = try bob()
        let alice = try alice().publicKey
        var symmetric = SymmetricState(name)
        symmetric.mixHash(prologue)
        symmetric.mixHash(victim.publicKey.bytes)
        symmetric.mixHash(e.publicKey.bytes)
        try symmetric.mixKey(e.dh(victim.publicKey))
        var message = try e.publicKey.bytes + symmetric.encryptAndHash(alice.bytes)
        // ss = DH(Alice's secret, Bob's public) = DH(Bob's secret, Alice's public).
        try symmetric.mixKey(victim.dh(alice))
        message += try symmetric.encryptAndHash(payload)
        return (message, symmetric.handshakeHash)
    }

    @Test("IK, source 1: the thief of the responder's key can name anybody in message 1 …")
    func firstMessageOfIKCanBeForgedByTheThief() throws {
        let name = try ProtocolName(Sides.fullName("IK"))
        let e = KeyPair.generate()
        let forged = try forgeFirstMessage(name, e: e, payload: [6, 6, 6])
        let responder = try HandshakeBox(Sides.state(name, .responder, keys))
        #expect(try responder.state.readMessage(forged.message) == [6, 6, 6])
        #expect(try responder.state.remoteStatic == alice().publicKey)
        #expect(responder.state.handshakeHash == forged.hash)
    }

    @Test(
        "… but cannot read message 2, so it never gets the transport keys",
        arguments: ["bob", "own", "ephemeral", "alice"])
    func theThiefStopsAtMessageTwo(_ substitute: String) throws {
        let name = try ProtocolName(Sides.fullName("IK"))
        let e = KeyPair.generate()
        let forged = try forgeFirstMessage(name, e: e, payload: [])
        let responder = try HandshakeBox(Sides.state(name, .responder, keys))
        _ = try responder.state.readMessage(forged.message)
        let answer = try responder.state.writeMessage([1])
        let bob = try TransportBox(Self.take(responder))
        let sent = try bob.transport.send.encryptWithAd([], [2])

        // The thief goes on from its own state; se = DH(Alice's secret, Bob's ephemeral) is what it lacks.
        var symmetric = try symmetricAfterForgery(name, e)
        let re = try PublicKey(answer.prefix(32))
        symmetric.mixHash(re.bytes)
        try symmetric.mixKey(e.dh(re))
        let guess =
            switch substitute {
            case "bob": try self.bob()
            case "own": KeyPair.generate()
            // The control: the same steps succeed with the key that the thief lacks.
            case "alice": try alice()
            default: e.copy()
            }
        let expected: NoiseError? = substitute == "alice" ? nil : .authenticationFailed
        try symmetric.mixKey(guess.dh(re))
        let error = failure { () throws(NoiseError) in try symmetric.decryptAndHash(Array(answer.dropFirst(32))) }
        #expect(error == expected)
        let transport = try TransportHolder(symmetric.split(as: .initiator, oneWay: false))
        let opened = failure { () throws(NoiseError) in try transport.transport.receive.decryptWithAd([], sent) }
        #expect(opened == expected)
        let pushed = try transport.transport.send.encryptWithAd([], [3])
        let accepted = failure { () throws(NoiseError) in try bob.transport.receive.decryptWithAd([], pushed) }
        #expect(accepted == expected)
    }

    private static func take(_ box: HandshakeBox) throws -> HandshakeState {
        let other = try ProtocolName(Sides.fullName("NN"))
        var state = try HandshakeState(other, role: .initiator)
        swap(&state, &box.state)
        return state
    }

    private func symmetricAfterForgery(_ name: ProtocolName, _ e: borrowing KeyPair) throws -> SymmetricState {
        let victim = try bob()
        let alice = try alice().publicKey
        var symmetric = SymmetricState(name)
        symmetric.mixHash(prologue)
        symmetric.mixHash(victim.publicKey.bytes)
        symmetric.mixHash(e.publicKey.bytes)
        try symmetric.mixKey(e.dh(victim.publicKey))
        _ = try symmetric.encryptAndHash(alice.bytes)
        try symmetric.mixKey(victim.dh(alice))
        _ = try symmetric.encryptAndHash([])
        return symmetric
    }

    @Test("X, source 1: the thief of the recipient's key can write to the recipient in anybody's name")
    func oneWayMessageCanBeForgedByTheThief() throws {
        let name = try ProtocolName(Sides.fullName("X"))
        let forged = try forgeFirstMessage(name, e: KeyPair.generate(), payload: [6])
        let responder = try HandshakeBox(Sides.state(name, .responder, keys))
        #expect(try responder.state.readMessage(forged.message) == [6])
        #expect(try responder.state.remoteStatic == alice().publicKey)
    }

    @Test("without the recipient's secret key nobody can write in another's name", arguments: ["X", "IK"])
    func nobodyElseCanForge(_ pattern: String) throws {
        let name = try ProtocolName(Sides.fullName(pattern))
        let (e, mallory, alice, bob) = try Self.quartet(alice().publicKey, bob().publicKey)
        for guess in ["mallory", "ephemeral"] {
            var symmetric = SymmetricState(name)
            symmetric.mixHash(prologue)
            symmetric.mixHash(bob.bytes)
            symmetric.mixHash(e.pair.publicKey.bytes)
            try symmetric.mixKey(e.pair.dh(bob))
            var message = try e.pair.publicKey.bytes + symmetric.encryptAndHash(alice.bytes)
            try symmetric.mixKey(guess == "mallory" ? mallory.pair.dh(bob) : e.pair.dh(bob))
            message += try symmetric.encryptAndHash([1])
            let responder = try HandshakeBox(Sides.state(name, .responder, keys))
            #expect(responder.readError(message) == .authenticationFailed)
            #expect(responder.state.remoteStatic == nil)
        }
    }

    private final class PairBox {
        let pair: KeyPair
        init(_ pair: consuming KeyPair) { self.pair = pair }
    }

    private static func quartet(_ alice: PublicKey, _ bob: PublicKey) -> (PairBox, PairBox, PublicKey, PublicKey) {
        (PairBox(.generate()), PairBox(.generate()), alice, bob)
    }

    @Test("XX, source 2: not even the thief of the responder's key can name somebody else in message 3")
    func lastMessageOfXXResistsTheThief() throws {
        let name = try ProtocolName(Sides.fullName("XX"))
        let (alice, bob) = (PairBox(try alice()), PairBox(try bob()))
        // The last is the control: the same steps succeed with the key that the thief lacks.
        for guess in ["bob", "ephemeral", "own", "alice"] {
            let e = KeyPair.generate()
            let responder = try HandshakeBox(Sides.state(name, .responder, keys))
            // The thief runs messages 1 and 2 honestly, and claims Alice's key in message 3.
            var symmetric = SymmetricState(name)
            symmetric.mixHash(prologue)
            symmetric.mixHash(e.publicKey.bytes)
            symmetric.mixHash([])
            _ = try responder.state.readMessage(e.publicKey.bytes)
            let answer = try responder.state.writeMessage([])
            let re = try PublicKey(answer.prefix(32))
            symmetric.mixHash(re.bytes)
            try symmetric.mixKey(e.dh(re))
            let rs = try PublicKey(symmetric.decryptAndHash(Array(answer[32..<80])))
            #expect(rs == bob.pair.publicKey)
            try symmetric.mixKey(e.dh(rs))
            _ = try symmetric.decryptAndHash(Array(answer[80...]))

            var message = try symmetric.encryptAndHash(alice.pair.publicKey.bytes)
            switch guess {
            case "bob": try symmetric.mixKey(bob.pair.dh(re))
            case "alice": try symmetric.mixKey(alice.pair.dh(re))
            case "ephemeral": try symmetric.mixKey(e.dh(re))
            default: try symmetric.mixKey(KeyPair.generate().dh(re))
            }
            message += try symmetric.encryptAndHash([])
            #expect(responder.readError(message) == (guess == "alice" ? nil : .authenticationFailed))
            #expect(responder.state.remoteStatic == (guess == "alice" ? alice.pair.publicKey : nil))
        }
    }

    @Test("IK, source 2: the thief of the initiator's key cannot answer in the responder's name")
    func thiefOfInitiatorCannotPlayResponder() throws {
        let name = try ProtocolName(Sides.fullName("IK"))
        let initiator = try HandshakeBox(Sides.state(name, .initiator, keys))
        let first = try initiator.state.writeMessage([1])

        // With Alice's secret and any responder key of its own, the thief cannot open message 1 …
        var mallory = keys
        mallory.responder = Sodium.randomBytes(count: 32)
        let impostor = try HandshakeBox(Sides.state(name, .responder, mallory))
        #expect(impostor.readError(first) == .authenticationFailed)
        let asAlice = try HandshakeBox(
            HandshakeState(name, role: .responder, prologue: prologue, s: alice()))
        #expect(asAlice.readError(first) == .authenticationFailed)

        // … nor make an answer: it knows ss and, once it has sent an ephemeral key, ee and se, but never es.
        let (alice, bob) = (PairBox(try alice()), PairBox(try bob()))
        let guessed = try answer(to: first, name, es: alice, alice, bob.pair.publicKey)
        #expect(initiator.readError(guessed) == .authenticationFailed)
        // The control: the same steps succeed with the key that the thief lacks.
        let right = try answer(to: first, name, es: bob, alice, bob.pair.publicKey)
        #expect(initiator.readError(right) == nil)
    }

    /// Message 2 of IK, computed with Alice's secret key and with `es` in Bob's place.
    private func answer(
        to first: [UInt8], _ name: ProtocolName, es: PairBox, _ alice: PairBox, _ bob: PublicKey
    ) throws -> [UInt8] {
        let e = KeyPair.generate()
        let re = try PublicKey(first.prefix(32))
        var symmetric = SymmetricState(name)
        symmetric.mixHash(prologue)
        symmetric.mixHash(bob.bytes)
        symmetric.mixHash(re.bytes)
        try symmetric.mixKey(es.pair.dh(re))
        symmetric.mixHash(Array(first[32..<80]))
        try symmetric.mixKey(alice.pair.dh(bob))
        symmetric.mixHash(Array(first[80...]))
        symmetric.mixHash(e.publicKey.bytes)
        try symmetric.mixKey(e.dh(re))
        try symmetric.mixKey(e.dh(alice.pair.publicKey))
        return try e.publicKey.bytes + symmetric.encryptAndHash([])
    }

    @Test("IK: who later gets both static keys can read message 1, but no transport message (forward secrecy)")
    func laterCompromiseOpensOnlyTheFirstMessage() throws {
        let name = try ProtocolName(Sides.fullName("IK"))
        var sides = try Sides("IK", keys)
        let first = try sides.write([1])
        _ = try sides.read(first, by: .responder)
        let second = try sides.write([2])
        _ = try sides.read(second, by: .initiator)
        let (left, right) = (try TransportBox(sides.initiator), try TransportBox(sides.responder))
        let recorded = try left.transport.send.encryptWithAd([], [3])
        #expect(try right.transport.receive.decryptWithAd([], recorded) == [3])

        let responder = try HandshakeBox(Sides.state(name, .responder, keys))
        #expect(try responder.state.readMessage(first) == [1])
        // Its own ephemeral key instead of the one that was wiped: other keys follow.
        _ = try responder.state.writeMessage([2])
        let late = try TransportBox(Self.take(responder))
        let error = failure { () throws(NoiseError) in try late.transport.receive.decryptWithAd([], recorded) }
        #expect(error == .authenticationFailed)
    }
}

private final class TransportHolder {
    var transport: Transport

    init(_ transport: consuming Transport) {
        self.transport = transport
    }
}
