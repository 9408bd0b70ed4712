import Testing

@testable import Noise

/// What somebody with some of the keys can do to IKhfs (docs/protocol/handshake-argument.md). The attacker computes from the symmetric state
/// itself; a key that it lacks is a random one. Each attack has a control: the same steps succeed with the key that was missing.
@Suite("Key compromise, hybrid")
struct HybridCompromiseTests {
    /// The secrets of a handshake.
    enum Secret: CaseIterable {
        /// X25519: Alice is the initiator, Bob the responder.
        case aliceStatic, bobStatic, aliceEphemeral, bobEphemeral
        /// The seed of Alice's ephemeral ML-KEM key.
        case kem
    }

    private static let prologue: [UInt8] = [1, 2, 3]
    private static let classical: Set<Secret> = [.aliceStatic, .bobStatic, .aliceEphemeral, .bobEphemeral]

    /// Key pairs that are copied out to whoever is to have them.
    private final class Pairs {
        private var bytes: [Secret: [UInt8]] = [:]

        init() {
            for secret in Secret.allCases { bytes[secret] = Sodium.randomBytes(count: secret == .kem ? 64 : 32) }
        }

        /// As an attacker sees them who knows some.
        init(_ other: Pairs, knowing known: Set<Secret>) {
            for secret in Secret.allCases {
                let random = Sodium.randomBytes(count: secret == .kem ? 64 : 32)
                bytes[secret] = known.contains(secret) ? other.bytes[secret] : random
            }
        }

        func pair(_ secret: Secret) throws -> KeyPair { try Keys.pair(bytes[secret] ?? []) }

        func kem() throws -> KEMKeyPair { try KEMKeyPair(seed: SecretBytes(copying: bytes[.kem] ?? [])) }
    }

    /// A finished handshake between honest ends, as the network saw it.
    private struct Recording {
        let pairs = Pairs()
        let first: [UInt8]
        let second: [UInt8]
        let transport: [UInt8]

        init() throws {
            let name = try ProtocolName(Sides.fullName("IKhfs"))
            var alice = try HandshakeState(
                name, role: .initiator, prologue: prologue, s: pairs.pair(.aliceStatic), e: pairs.pair(.aliceEphemeral),
                rs: pairs.pair(.bobStatic).publicKey, hybrid: HybridKeys(e1: pairs.kem()))
            var bob = try HandshakeState(
                name, role: .responder, prologue: prologue, s: pairs.pair(.bobStatic), e: pairs.pair(.bobEphemeral))
            first = try alice.writeMessage([1])
            _ = try bob.readMessage(first)
            second = try bob.writeMessage([2])
            _ = try alice.readMessage(second)
            let (left, right) = (try TransportBox(alice), try TransportBox(bob))
            transport = try left.transport.send.encryptWithAd([], [3])
            _ = try right.transport.receive.decryptWithAd([], transport)
        }
    }

    /// What a reader of a recording gets to know.
    private struct Reading: Equatable {
        var caller = false, firstPayload = false, kemCiphertext = false, secondPayload = false, transport = false

        static let nothing = Reading()
        static let everything = Reading(
            caller: true, firstPayload: true, kemCiphertext: true, secondPayload: true, transport: true)
    }

    /// Reads along with the secrets in `known`. Either half of a Diffie-Hellman operation will do.
    private func read(_ recording: Recording, knowing known: Set<Secret>) throws -> Reading {
        let own = Pairs(recording.pairs, knowing: known)
        let (alice, bob) = (
            try recording.pairs.pair(.aliceStatic).publicKey, try recording.pairs.pair(.bobStatic).publicKey
        )
        let e = try PublicKey(recording.first.prefix(32))
        let re = try PublicKey(recording.second.prefix(32))
        func dh(_ left: Secret, _ right: Secret, _ leftKey: PublicKey, _ rightKey: PublicKey) throws -> SecretBytes {
            known.contains(left) ? try own.pair(left).dh(rightKey) : try own.pair(right).dh(leftKey)
        }
        var reading = Reading()
        var symmetric = SymmetricState(try ProtocolName(Sides.fullName("IKhfs")))
        symmetric.mixHash(Self.prologue)
        symmetric.mixHash(bob.bytes)
        symmetric.mixHash(e.bytes)
        try symmetric.mixKey(dh(.aliceEphemeral, .bobStatic, e, bob))
        _ = open(Array(recording.first[32..<1232]), &symmetric)
        reading.caller = open(Array(recording.first[1232..<1280]), &symmetric) == alice.bytes
        try symmetric.mixKey(dh(.aliceStatic, .bobStatic, alice, bob))
        reading.firstPayload = open(Array(recording.first[1280...]), &symmetric) == [1]
        symmetric.mixHash(re.bytes)
        try symmetric.mixKey(dh(.aliceEphemeral, .bobEphemeral, e, re))
        let ciphertext = open(Array(recording.second[32..<1136]), &symmetric)
        reading.kemCiphertext = ciphertext != nil
        try symmetric.mixKey(own.kem().decapsulate(ciphertext ?? [UInt8](repeating: 0, count: 1088)))
        try symmetric.mixKey(dh(.aliceStatic, .bobEphemeral, alice, re))
        reading.secondPayload = open(Array(recording.second[1136...]), &symmetric) == [2]
        let end = try SplitBox(symmetric.split(as: .responder, oneWay: false))
        reading.transport = (try? end.transport.receive.decryptWithAd([], recording.transport)) == [3]
        return reading
    }

    /// Opens a field. The hash goes on with what was on the wire, whether it opened or not.
    private func open(_ field: [UInt8], _ symmetric: inout SymmetricState) -> [UInt8]? {
        if let plaintext = try? symmetric.decryptAndHash(field) { return plaintext }
        symmetric.mixHash(field)
        return nil
    }

    @Test("with all secrets everything is read (the control)")
    func readsEverythingWithEverything() throws {
        #expect(try read(Recording(), knowing: Set(Secret.allCases)) == .everything)
        // Alice's own, or Bob's, are enough for either.
        #expect(try read(Recording(), knowing: [.aliceStatic, .aliceEphemeral, .kem]) == .everything)
    }

    @Test(
        "who has broken X25519, with every secret of both sides, reads message 1 and the ciphertext, and nothing that follows"
    )
    func survivesTheEndOfX25519() throws {
        let reading = try read(Recording(), knowing: Self.classical)
        #expect(
            reading
                == Reading(
                    caller: true, firstPayload: true, kemCiphertext: true, secondPayload: false, transport: false))
    }

    @Test("who has broken ML-KEM, and nothing else, reads nothing")
    func survivesTheEndOfMLKEM() throws {
        #expect(try read(Recording(), knowing: [.kem]) == .nothing)
    }

    @Test("who has broken ML-KEM and later gets both static keys reads message 1 alone (forward secrecy of X25519)")
    func keepsClassicalForwardSecrecy() throws {
        let reading = try read(Recording(), knowing: [.kem, .aliceStatic, .bobStatic])
        #expect(reading == Reading(caller: true, firstPayload: true))
    }

    @Test("who later gets both static keys reads message 1 alone (forward secrecy)")
    func keepsForwardSecrecy() throws {
        let reading = try read(Recording(), knowing: [.aliceStatic, .bobStatic])
        #expect(reading == Reading(caller: true, firstPayload: true))
    }

    @Test("the thief of one side's ephemeral keys, without a static key, reads no more than message 1")
    func staticKeysGuardAgainstBadEphemeralKeys() throws {
        let ofAlice = try read(Recording(), knowing: [.aliceEphemeral, .kem])
        #expect(!ofAlice.secondPayload && !ofAlice.transport)
        let ofBob = try read(Recording(), knowing: [.bobEphemeral, .kem])
        #expect(!ofBob.transport && !ofBob.firstPayload)
    }

    /// A message 1 in Alice's name, from who has Bob's key (§7.7, source 1), and what its maker knows after it.
    private func forge(_ pairs: Pairs) throws -> (message: [UInt8], state: StateBox) {
        let e = try pairs.pair(.aliceEphemeral)
        let bob = try pairs.pair(.bobStatic)
        let alice = try pairs.pair(.aliceStatic).publicKey
        var symmetric = SymmetricState(try ProtocolName(Sides.fullName("IKhfs")))
        symmetric.mixHash(Self.prologue)
        symmetric.mixHash(bob.publicKey.bytes)
        symmetric.mixHash(e.publicKey.bytes)
        try symmetric.mixKey(e.dh(bob.publicKey))
        var message = try e.publicKey.bytes + symmetric.encryptAndHash(pairs.kem().publicKey)
        message += try symmetric.encryptAndHash(alice.bytes)
        try symmetric.mixKey(bob.dh(alice))
        message += try symmetric.encryptAndHash([6])
        return (message, StateBox(symmetric))
    }

    @Test(
        "the thief of the responder's key can name anybody in message 1, but cannot read the answer or go on",
        arguments: [Secret.bobStatic, .aliceEphemeral, .bobEphemeral, .aliceStatic])
    func theThiefOfTheRespondersKeyStopsAtMessageTwo(guess: Secret) throws {
        let pairs = Pairs()
        let forged = try forge(pairs)
        let name = try ProtocolName(Sides.fullName("IKhfs"))
        var bob = try HandshakeState(name, role: .responder, prologue: Self.prologue, s: pairs.pair(.bobStatic))
        #expect(try bob.readMessage(forged.message) == [6])
        let answer = try bob.writeMessage([1])
        let end = try TransportBox(bob)

        // The thief made e and e1 itself; se = DH(Alice's secret, Bob's ephemeral) is what it lacks.
        let state = forged.state
        let re = try PublicKey(answer.prefix(32))
        state.symmetric.mixHash(re.bytes)
        try state.symmetric.mixKey(pairs.pair(.aliceEphemeral).dh(re))
        let ciphertext = try state.symmetric.decryptAndHash(Array(answer[32..<1136]))
        try state.symmetric.mixKey(pairs.kem().decapsulate(ciphertext))
        try state.symmetric.mixKey(pairs.pair(guess).dh(re))
        let isControl = guess == .aliceStatic
        #expect((open(Array(answer[1136...]), &state.symmetric) == [1]) == isControl)
        let thief = try SplitBox(state.symmetric.copy().split(as: .initiator, oneWay: false))
        let pushed = try thief.transport.send.encryptWithAd([], [3])
        #expect(((try? end.transport.receive.decryptWithAd([], pushed)) == [3]) == isControl)
    }

    @Test(
        "the thief of the initiator's key cannot answer in the responder's name",
        arguments: [Secret.aliceStatic, .bobEphemeral, .bobStatic])
    func theThiefOfTheInitiatorsKeyCannotAnswer(guess: Secret) throws {
        let pairs = Pairs()
        let name = try ProtocolName(Sides.fullName("IKhfs"))
        let bobKey = try pairs.pair(.bobStatic).publicKey
        var alice = try HandshakeState(
            name, role: .initiator, prologue: Self.prologue, s: pairs.pair(.aliceStatic),
            e: pairs.pair(.aliceEphemeral), rs: bobKey, hybrid: HybridKeys(e1: pairs.kem()))
        let first = try alice.writeMessage([1])

        // Even if it could open the KEM's key (it is given it here), it lacks es.
        let e = try pairs.pair(.bobEphemeral)
        let re = try PublicKey(first.prefix(32))
        var symmetric = SymmetricState(name)
        symmetric.mixHash(Self.prologue)
        symmetric.mixHash(bobKey.bytes)
        symmetric.mixHash(re.bytes)
        try symmetric.mixKey(pairs.pair(guess).dh(re))
        symmetric.mixHash(Array(first[32..<1232]))
        symmetric.mixHash(Array(first[1232..<1280]))
        try symmetric.mixKey(pairs.pair(.aliceStatic).dh(bobKey))
        symmetric.mixHash(Array(first[1280...]))
        symmetric.mixHash(e.publicKey.bytes)
        try symmetric.mixKey(e.dh(re))
        let encapsulation = try KEMFunction.mlKEM768.encapsulate(to: pairs.kem().publicKey)
        var answer = try e.publicKey.bytes + symmetric.encryptAndHash(encapsulation.ciphertext)
        try symmetric.mixKey(encapsulation.shared)
        try symmetric.mixKey(e.dh(pairs.pair(.aliceStatic).publicKey))
        answer += try symmetric.encryptAndHash([])
        let error = failure { () throws(NoiseError) in try alice.readMessage(answer) }
        #expect(error == (guess == .bobStatic ? nil : .authenticationFailed))
    }

    @Test("nobody in between can put a KEM key of its own into message 1 without the secret of es")
    func theKEMsKeyCannotBeReplaced() throws {
        let recording = try Recording()
        let mine = try KEMKeyPair.generate()
        for guess in [Secret.aliceStatic, .bobEphemeral] {
            let own = Pairs(recording.pairs, knowing: [guess])
            let bobKey = try recording.pairs.pair(.bobStatic).publicKey
            let e = try PublicKey(recording.first.prefix(32))
            var symmetric = SymmetricState(try ProtocolName(Sides.fullName("IKhfs")))
            symmetric.mixHash(Self.prologue)
            symmetric.mixHash(bobKey.bytes)
            symmetric.mixHash(e.bytes)
            try symmetric.mixKey(own.pair(guess).dh(e))
            let replaced = try e.bytes + symmetric.encryptAndHash(mine.publicKey) + recording.first[1232...]
            var bob = try HandshakeState(
                ProtocolName(Sides.fullName("IKhfs")), role: .responder, prologue: Self.prologue,
                s: recording.pairs.pair(.bobStatic))
            let error = failure { () throws(NoiseError) in try bob.readMessage(replaced) }
            #expect(error == .authenticationFailed)
        }
    }

    @Test("a replayed first message leads to other keys, with another ciphertext of the KEM")
    func containsReplay() throws {
        let recording = try Recording()
        var answers: [[UInt8]] = []
        for _ in 0..<2 {
            var bob = try HandshakeState(
                ProtocolName(Sides.fullName("IKhfs")), role: .responder, prologue: Self.prologue,
                s: recording.pairs.pair(.bobStatic), e: recording.pairs.pair(.bobEphemeral))
            #expect(try bob.readMessage(recording.first) == [1])
            answers.append(try bob.writeMessage([2]))
            let end = try TransportBox(bob)
            // Even with the same X25519 key again.
            let error = failure { () throws(NoiseError) in
                try end.transport.receive.decryptWithAd([], recording.transport)
            }
            #expect(error == .authenticationFailed)
        }
        #expect(answers[0].prefix(32) == answers[1].prefix(32))
        #expect(answers[0] != answers[1])
    }
}

private final class SplitBox {
    var transport: Transport

    init(_ transport: consuming Transport) {
        self.transport = transport
    }
}

private final class StateBox {
    var symmetric: SymmetricState

    init(_ symmetric: consuming SymmetricState) {
        self.symmetric = symmetric
    }
}
