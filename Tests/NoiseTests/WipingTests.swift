import Testing

@testable import Noise

@Suite("Wiping")
struct WipingTests {
    /// Memory that outlives the secret in it, so that a test can look at what is left.
    private final class Watched {
        let memory: UnsafeMutablePointer<UInt8>
        let count: Int

        init(count: Int = 32) {
            self.count = count
            memory = .allocate(capacity: count)
            memory.initialize(repeating: 0x5a, count: count)
        }

        deinit { memory.deallocate() }

        var secret: SecretBytes { SecretBytes(wiping: memory, count: count) }
        var isWiped: Bool { UnsafeBufferPointer(start: memory, count: count).allSatisfy { $0 == 0 } }
    }

    @Test("secret bytes are wiped when their owner lets go, copies are independent")
    func wipesSecretBytes() {
        let watched = Watched()
        let copy = copyAndDrop(watched.secret)
        #expect(watched.isWiped)
        let same = copy.isEqual(to: SecretBytes(copying: [UInt8](repeating: 0x5a, count: 32)))
        #expect(same)
    }

    private func copyAndDrop(_ secret: consuming SecretBytes) -> SecretBytes {
        secret.copy()
    }

    @Test("rekeying wipes the old key, dropping the cipher wipes the new one")
    func wipesOldKeyAtRekey() throws {
        let watched = Watched()
        var state = try CipherState(key: watched.secret, cipher: .chaChaPoly)
        #expect(!watched.isWiped)
        state.rekey()
        #expect(watched.isWiped)
        _ = try state.encryptWithAd([], [])
    }

    @Test("split ends the handshake: static, ephemeral and pre-shared keys are wiped")
    func wipesKeysAtSplit() throws {
        let (s, e, psk) = (Watched(), Watched(), Watched())
        var state = try handshake(s, e, psk)
        _ = try state.writeMessage([])
        #expect(!s.isWiped && !psk.isWiped)
        // The working copy took the place of the ephemeral key that was given.
        #expect(e.isWiped)
        let transport = try state.split()
        #expect(s.isWiped && e.isWiped && psk.isWiped)
        #expect(transport.handshakeHash.count == 64)
    }

    @Test(
        "the KEM's seed and what was encapsulated are wiped when the handshake is split or abandoned",
        arguments: [true, false])
    func wipesKEMSecrets(splits: Bool) throws {
        let (seed, shared) = (Watched(count: 64), Watched())
        let name = try ProtocolName("Noise_NNhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b")
        let pair = try KEMKeyPair(seed: seed.secret)
        let result = try KEMFunction.mlKEM768.encapsulate(to: pair.publicKey)
        var initiator = try HandshakeState(name, role: .initiator, hybrid: HybridKeys(e1: pair))
        var responder = try HandshakeState(
            name, role: .responder,
            hybrid: HybridKeys(encapsulation: KEMEncapsulation(ciphertext: result.ciphertext, shared: shared.secret)))
        let first = try initiator.writeMessage([])
        // The working copy took the place of what was given.
        #expect(seed.isWiped)
        _ = try responder.readMessage(first)
        let second = try responder.writeMessage([])
        #expect(shared.isWiped)
        if splits {
            // The ciphertext carries another secret than the responder was given.
            let error = failure { () throws(NoiseError) in try initiator.readMessage(second) }
            #expect(error == .authenticationFailed)
            _ = try responder.split()
        } else {
            drop(initiator)
        }
    }

    @Test("an abandoned handshake, and one that cannot begin, wipe the keys too")
    func wipesKeysWhenAbandoned() throws {
        let (s, e, psk) = (Watched(), Watched(), Watched())
        try drop(handshake(s, e, psk))
        #expect(s.isWiped && e.isWiped && psk.isWiped)

        let unused = Watched()
        let name = try ProtocolName("Noise_NN_25519_ChaChaPoly_BLAKE2b")
        let error = failure { () throws(NoiseError) in
            _ = try HandshakeState(name, role: .initiator, s: KeyPair(secret: unused.secret))
        }
        #expect(error == .unexpectedKey)
        #expect(unused.isWiped)
    }

    private func drop(_ state: consuming HandshakeState) {}

    private func handshake(_ s: Watched, _ e: Watched, _ psk: Watched) throws -> HandshakeState {
        try HandshakeState(
            ProtocolName("Noise_Xpsk1_25519_ChaChaPoly_BLAKE2b"), role: .initiator,
            s: KeyPair(secret: s.secret), e: KeyPair(secret: e.secret), rs: KeyPair.generate().publicKey,
            psks: psk.secret)
    }

    @Test("comparison looks at length and content")
    func compares() {
        let secret = SecretBytes(copying: [1, 2, 3])
        let results = [
            secret.isEqual(to: SecretBytes(copying: [1, 2, 3])), secret.isEqual(to: SecretBytes(copying: [1, 2, 4])),
            secret.isEqual(to: SecretBytes(copying: [1, 2])),
            SecretBytes(copying: []).isEqual(to: SecretBytes(copying: [])),
        ]
        #expect(results == [true, false, false, true])
    }
}
