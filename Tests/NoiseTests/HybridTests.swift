import Testing

@testable import Noise

/// Handshakes with a KEM (docs/protocol/session.md, "Hybrid handshake").
@Suite("Hybrid handshakes")
struct HybridTests {
    @Test("the tokens of the KEM stand where the protocol page says")
    func placesTokens() throws {
        let expected: [(String, [[Token]])] = [
            ("NNhfs", [[.e, .e1], [.e, .ee, .ekem1]]),
            ("NKhfs", [[.e, .es, .e1], [.e, .ee, .ekem1]]),
            ("XXhfs", [[.e, .e1], [.e, .ee, .ekem1, .s, .es], [.s, .se]]),
            ("KKhfs", [[.e, .es, .e1, .ss], [.e, .ee, .ekem1, .se]]),
            ("IKhfs", [[.e, .es, .e1, .s, .ss], [.e, .ee, .ekem1, .se]]),
            ("IXhfs", [[.e, .e1, .s], [.e, .ee, .ekem1, .se, .s, .es]]),
            ("IK1hfs", [[.e, .e1, .s], [.e, .ee, .ekem1, .se, .es]]),
            ("IKhfs+psk2", [[.e, .es, .e1, .s, .ss], [.e, .ee, .ekem1, .se, .psk]]),
            ("NNpsk0+hfs", [[.psk, .e, .e1], [.e, .ee, .ekem1]]),
        ]
        for (name, tokens) in expected {
            #expect(try HandshakePattern(parsing: name).messages.map(\.tokens) == tokens, "\(name)")
        }
    }

    @Test(
        "a KEM is named exactly where the pattern has one, and only one that the module has",
        arguments: [
            "Noise_IKhfs_25519_ChaChaPoly_BLAKE2b", "Noise_IK_25519+MLKEM768_ChaChaPoly_BLAKE2b",
            "Noise_IKhfs_25519+_ChaChaPoly_BLAKE2b", "Noise_IKhfs_25519+MLKEM1024_ChaChaPoly_BLAKE2b",
            "Noise_IKhfs_MLKEM768_ChaChaPoly_BLAKE2b", "Noise_IKhfs_MLKEM768+25519_ChaChaPoly_BLAKE2b",
            "Noise_IKhfs_25519+MLKEM768+MLKEM768_ChaChaPoly_BLAKE2b",
            "Noise_IKhfs+hfs_25519+MLKEM768_ChaChaPoly_BLAKE2b",
            "Noise_Xhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b", "Noise_XXfallback+hfs_25519+MLKEM768_ChaChaPoly_BLAKE2b",
            "Noise_XXhfs+fallback_25519+MLKEM768_ChaChaPoly_BLAKE2b", "Noise_IKhfs1_25519+MLKEM768_ChaChaPoly_BLAKE2b",
        ])
    func refusesNames(_ text: String) {
        #expect(failure { () throws(NoiseError) in try ProtocolName(text) } == .unsupportedProtocol)
    }

    @Test("messages have the written lengths")
    func hasWrittenLengths() throws {
        var sides = try Sides("IKhfs")
        let first = try sides.write([1, 2, 3])
        #expect(first.count == 32 + 1184 + 16 + 32 + 16 + 3 + 16)
        _ = try sides.read(first, by: .responder)
        #expect(try sides.write([1]).count == 32 + 1088 + 16 + 1 + 16)
    }

    @Test("a message altered at any byte never passes, and the true one still does", arguments: ["IKhfs", "KKhfs"])
    func noticesTampering(_ name: String) throws {
        var sides = try Sides(name)
        while let reader = sides.reader {
            let message = try sides.write([1, 2, 3, 4])
            let before = sides.hash(of: reader)
            for index in message.indices {
                var altered = message
                altered[index] ^= 1 << (index % 8)
                let error = failure { () throws(NoiseError) in try sides.readAny(altered, by: reader) }
                #expect(error == .authenticationFailed, "byte \(index)")
            }
            for length in message.indices where length % 7 == 0 {
                let error = failure { () throws(NoiseError) in try sides.readAny(Array(message[..<length]), by: reader)
                }
                #expect(error == .authenticationFailed || error == .messageTooShort)
            }
            #expect(sides.hash(of: reader) == before)
            #expect(try sides.read(message, by: reader) == [1, 2, 3, 4])
        }
        #expect(sides.hash(of: .initiator) == sides.hash(of: .responder))
    }

    @Test("what is altered before the first key, the KEM's key among it, ends the handshake at the next message")
    func noticesEarlyTamperingLater() throws {
        for index in stride(from: 0, to: 32 + 1184, by: 31) {
            var sides = try Sides("NNhfs")
            var message = try sides.write()
            message[index] ^= 1
            _ = try sides.read(message, by: .responder)
            // The altered key may be one that no KEM takes: then there is not even an answer.
            do throws(NoiseError) {
                let answer = try sides.responder.writeMessage([])
                let error = failure { () throws(NoiseError) in try sides.readAny(answer, by: .initiator) }
                #expect(error == .authenticationFailed)
            } catch {
                #expect(error == .invalidEncapsulationKey)
            }
        }
    }

    @Test("bytes that are no encapsulation key are refused, and the state stays as it was")
    func refusesBadKeys() throws {
        // Coefficients of 4095 are out of range (FIPS 203, §7.2, modulus check).
        let bad = [UInt8](repeating: 0xFF, count: 1184)
        var sides = try Sides("NNhfs")
        let message = try sides.write()
        _ = try sides.read(Array(message.prefix(32)) + bad, by: .responder)
        let before = sides.hash(of: .responder)
        for _ in 0..<2 {
            let error = failure { () throws(NoiseError) in try sides.responder.writeMessage([]) }
            #expect(error == .invalidEncapsulationKey)
        }
        #expect(sides.hash(of: .responder) == before)
    }

    @Test("classical and hybrid parties do not understand each other, in either direction")
    func doesNotMix() throws {
        let keys = Keys()
        let (classical, hybrid) = (try ProtocolName(Sides.fullName("IK")), try ProtocolName(Sides.fullName("IKhfs")))
        for (left, right) in [(classical, hybrid), (hybrid, classical)] {
            var initiator = try Sides.state(left, .initiator, keys)
            var responder = try Sides.state(right, .responder, keys)
            let message = try initiator.writeMessage([UInt8](repeating: 0, count: 1300))
            let error = failure { () throws(NoiseError) in try responder.readMessage(message) }
            #expect(error == .authenticationFailed)
        }
    }

    @Test("decapsulation takes ciphertexts of the right length, and gives another secret for an altered one")
    func decapsulates() throws {
        let pair = try KEMKeyPair(seed: SecretBytes(copying: [UInt8](repeating: 7, count: 64)))
        let result = try KEMFunction.mlKEM768.encapsulate(to: pair.publicKey)
        let opened = try pair.decapsulate(result.ciphertext)
        let isEqual = opened.isEqual(to: result.shared)
        #expect(isEqual)
        var altered = result.ciphertext
        altered[500] ^= 1
        let other = try pair.decapsulate(altered)
        let isOther = !other.isEqual(to: result.shared)
        #expect(isOther)
        for length in [0, 1087, 1089] {
            do throws(NoiseError) {
                _ = try pair.decapsulate([UInt8](repeating: 0, count: length))
                Issue.record("it was taken")
            } catch {
                #expect(error == .messageTooShort)
            }
        }
    }

    @Test("a seed has 64 bytes", arguments: [0, 32, 63, 65])
    func checksSeeds(_ count: Int) {
        let error = failure { () throws(NoiseError) in _ = try KEMKeyPair(seed: .random(count: count)) }
        #expect(error == .invalidKeyLength)
    }
}

extension Sides {
    fileprivate mutating func readAny(_ message: [UInt8], by role: Role) throws(NoiseError) -> [UInt8] {
        role == .initiator ? try initiator.readMessage(message) : try responder.readMessage(message)
    }
}
