import Testing

@testable import Noise

@Suite("CipherState", .serialized)
struct CipherStateTests {
    static let ciphers = [CipherFunction.chaChaPoly, .aesGCM].filter(\.isAvailable)
    private let key = Sodium.randomBytes(count: 32)

    private func state(_ cipher: CipherFunction) throws -> CipherState {
        try CipherState(key: SecretBytes(copying: key), cipher: cipher)
    }

    @Test("altering any byte of a message is noticed and costs nothing", arguments: ciphers)
    func noticesEveryAlteredByte(_ cipher: CipherFunction) throws {
        let (sender, receiver) = try (Box(state(cipher)), Box(state(cipher)))
        let ad: [UInt8] = [4, 5]
        let message = try sender.state.encryptWithAd(ad, [UInt8](0..<100))
        for index in message.indices {
            var altered = message
            altered[index] ^= 1 << (index % 8)
            #expect(receiver.decryptError(ad, altered) == .authenticationFailed)
        }
        for length in 0..<message.count {
            let expected: NoiseError = length < 16 ? .messageTooShort : .authenticationFailed
            #expect(receiver.decryptError(ad, Array(message.prefix(length))) == expected)
        }
        #expect(receiver.decryptError(ad, message + [0]) == .authenticationFailed)
        #expect(receiver.decryptError([], message) == .authenticationFailed)
        #expect(receiver.decryptError([4, 5, 0], message) == .authenticationFailed)
        #expect(receiver.state.nonce == 0)
        #expect(try receiver.state.decryptWithAd(ad, message) == [UInt8](0..<100))
        #expect(receiver.state.nonce == 1)
    }

    @Test("repeated and reordered messages are refused, the right one is still taken", arguments: ciphers)
    func refusesWrongOrder(_ cipher: CipherFunction) throws {
        let (sender, receiver) = try (Box(state(cipher)), Box(state(cipher)))
        let messages = try (0..<3).map { try sender.state.encryptWithAd([], [$0]) }
        #expect(receiver.decryptError([], messages[1]) == .authenticationFailed)
        #expect(try receiver.state.decryptWithAd([], messages[0]) == [0])
        #expect(receiver.decryptError([], messages[0]) == .authenticationFailed)
        #expect(receiver.decryptError([], messages[2]) == .authenticationFailed)
        #expect(try receiver.state.decryptWithAd([], messages[1]) == [1])
        #expect(try receiver.state.decryptWithAd([], messages[2]) == [2])
    }

    @Test("another key or another cipher opens nothing", arguments: ciphers)
    func refusesWrongKey(_ cipher: CipherFunction) throws {
        let sender = try Box(state(cipher))
        let message = try sender.state.encryptWithAd([], [1, 2, 3])
        let other = try Box(CipherState(key: .random(count: 32), cipher: cipher))
        #expect(other.decryptError([], message) == .authenticationFailed)
        for wrong in Self.ciphers where wrong != cipher {
            let receiver = try Box(state(wrong))
            #expect(receiver.decryptError([], message) == .authenticationFailed)
        }
    }

    @Test("the last nonce is 2^64-2; then nothing more goes, either way", arguments: ciphers)
    func exhaustsNonces(_ cipher: CipherFunction) throws {
        let (sender, receiver) = try (Box(state(cipher)), Box(state(cipher)))
        sender.state.setNonce(.max - 1)
        receiver.state.setNonce(.max - 1)
        let last = try sender.state.encryptWithAd([], [7])
        #expect(try receiver.state.decryptWithAd([], last) == [7])
        for _ in 0..<2 {
            #expect(sender.encryptError([], [7]) == .nonceExhausted)
            #expect(receiver.decryptError([], last) == .nonceExhausted)
        }
        #expect(sender.state.nonce == .max)
        sender.state.rekey()
        #expect(sender.encryptError([], [7]) == .nonceExhausted)
        sender.state.setNonce(0)
        #expect(sender.encryptError([], [7]) == nil)
        #expect(
            failure { () throws(NoiseError) in try sender.state.encrypt(nonce: .max, ad: [], []) } == .nonceExhausted)
        #expect(
            failure { () throws(NoiseError) in try sender.state.decrypt(nonce: .max, ad: [], last) } == .nonceExhausted)
    }

    @Test("messages with their nonce beside them open in any order and leave the counter", arguments: ciphers)
    func takesExplicitNonces(_ cipher: CipherFunction) throws {
        let (sender, receiver) = try (Box(state(cipher)), Box(state(cipher)))
        let nonces: [UInt64] = [5, 0, 1 << 40, UInt64.max - 1, 0x0102_0304_0506_0708]
        let messages = try nonces.map { try sender.state.encrypt(nonce: $0, ad: [1], [3, 3]) }
        for (nonce, message) in zip(nonces, messages).reversed() {
            #expect(try receiver.state.decrypt(nonce: nonce, ad: [1], message) == [3, 3])
            #expect(
                failure { () throws(NoiseError) in try receiver.state.decrypt(nonce: nonce ^ 2, ad: [1], message) }
                    == .authenticationFailed)
        }
        #expect(Set(messages).count == messages.count)
        #expect(sender.state.nonce == 0)
        #expect(receiver.state.nonce == 0)
    }

    @Test("the counter and an explicit nonce mean the same", arguments: ciphers)
    func countsAsExplicitNonces(_ cipher: CipherFunction) throws {
        let sender = try Box(state(cipher))
        for nonce in 0..<3 {
            let explicit = try sender.state.encrypt(nonce: UInt64(nonce), ad: [], [1])
            #expect(try sender.state.encryptWithAd([], [1]) == explicit)
        }
    }

    @Test("rekey is ENCRYPT with the reserved nonce, on both sides alike, and keeps the counter", arguments: ciphers)
    func rekeys(_ cipher: CipherFunction) throws {
        let (sender, receiver) = try (Box(state(cipher)), Box(state(cipher)))
        let old = try Box(state(cipher))
        let zeros = [UInt8](repeating: 0, count: 32)
        let expected = cipher.encrypt(key: SecretBytes(copying: key), nonce: .max, ad: [], plaintext: zeros).prefix(32)
        _ = try receiver.state.decryptWithAd([], sender.state.encryptWithAd([], [0]))
        sender.state.rekey()
        receiver.state.rekey()
        #expect(sender.state.withKey { Array($0) } == Array(expected))
        #expect(sender.state.nonce == 1)
        let message = try sender.state.encryptWithAd([], [1])
        #expect(
            failure { () throws(NoiseError) in try old.state.decrypt(nonce: 1, ad: [], message) }
                == .authenticationFailed)
        #expect(try receiver.state.decryptWithAd([], message) == [1])
    }

    @Test("a message is at most 65535 bytes long", arguments: ciphers)
    func limitsLength(_ cipher: CipherFunction) throws {
        let (sender, receiver) = try (Box(state(cipher)), Box(state(cipher)))
        let longest = [UInt8](repeating: 1, count: 65535 - 16)
        #expect(sender.encryptError([], longest + [1]) == .messageTooLong)
        let message = try sender.state.encryptWithAd([], longest)
        #expect(message.count == 65535)
        #expect(receiver.decryptError([], message + [1]) == .messageTooLong)
        #expect(try receiver.state.decryptWithAd([], message) == longest)
        let empty = try sender.state.encryptWithAd([], [])
        #expect(empty.count == 16)
        #expect(try receiver.state.decryptWithAd([], empty) == [])
    }

    @Test("keys have 32 bytes", arguments: [0, 31, 33])
    func refusesOtherKeyLengths(_ count: Int) {
        #expect(
            failure { () throws(NoiseError) in _ = try CipherState(key: .random(count: count), cipher: .chaChaPoly) }
                == .invalidKeyLength)
    }
}

/// Lets `#expect`, which copies what it is told about, look at a value that cannot be copied.
final class Box {
    var state: CipherState

    init(_ state: consuming CipherState) {
        self.state = state
    }

    func encryptError(_ ad: [UInt8], _ plaintext: [UInt8]) -> NoiseError? {
        failure { () throws(NoiseError) in try state.encryptWithAd(ad, plaintext) }
    }

    func decryptError(_ ad: [UInt8], _ ciphertext: [UInt8]) -> NoiseError? {
        failure { () throws(NoiseError) in try state.decryptWithAd(ad, ciphertext) }
    }
}
