import CNGTCP2
import Noise
import Testing

@testable import SecureTransport

@Suite struct KeyTests {
    private func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private func hex(_ secret: borrowing SecretBytes) -> String {
        hex(secret.withUnsafeBytes { Array($0) })
    }

    // The expected values were made with another implementation of BLAKE2b (Python's hashlib).

    @Test func initialSecretsComeFromThePublicKeyAndTheConnectionID() throws {
        let secrets = KeySchedule.initialSecrets(
            responder: try PublicKey((0..<32).map(UInt8.init)), firstConnectionID: (0..<16).map(UInt8.init))
        #expect(hex(secrets.client) == "5561600f84646b2aba3d49e1f1e1abf5d0ecac19c1e0abce8c5ff00d7d1fdcf0")
        #expect(hex(secrets.server) == "b3e427a1c7a8556904e5151ac3dcd7c8ab591758181a75878fd1d038c879ad1b")
        let derived = secrets.client.withUnsafeBytes { client in
            (
                hex(KeySchedule.derive(.packetKey, from: client)),
                hex(KeySchedule.derive(.packetIV, from: client)),
                hex(KeySchedule.derive(.headerProtection, from: client)),
                hex(KeySchedule.derive(.keyUpdate, from: client))
            )
        }
        #expect(derived.0 == "5374baf3d79330b498ebbe30312fe60141a30325a2f3db268de2d5fe5872db31")
        #expect(derived.1.hasPrefix("654246c8f46e12ae75cae396"))
        #expect(derived.2 == "9583d908a32b5f3e1fbc77887b89e0f3acafae349be2a0a364c6b418e772cd49")
        #expect(derived.3 == "b6905f611038ebe10dd15341c8c8baf97747265695c60e037da9d32e57be3d8d")
    }

    @Test func sessionSecretsComeFromSplitAndTheHandshakeHash() {
        let secrets = SecretBytes(copying: [UInt8](repeating: 0x11, count: 32)).withUnsafeBytes { client in
            SecretBytes(copying: [UInt8](repeating: 0x22, count: 32)).withUnsafeBytes { server in
                SessionSecrets(client: client, server: server, hash: [UInt8](repeating: 0x33, count: 64))
            }
        }
        #expect(hex(secrets.handshake.client) == "01dae0431c935b3351b9861e8cdc6ca62a957a8155c1aee138980111941a1dfe")
        #expect(hex(secrets.handshake.server) == "812aea9c95ba0439417f0f906989669dc73a226c6a8fded064eb4b2e2464853d")
        #expect(hex(secrets.application.client) == "db81c75986479d2a23e1ee921eaeff7493aacdb651cc8dc97b4c6b37bb3e8604")
        #expect(hex(secrets.application.server) == "c1d4fbf35995c54d0bc3d32e6ce6ae2054cc0c2d725d3372554e17e581da13d2")
        #expect(hex(secrets.probe.client) == "ac1613b7be41461fa6042c4b79f8b9aca5a96da8f80874a668b9dd2761d4c17a")
        #expect(hex(secrets.probe.server) == "9ddee267f86c2aee0177391c963d01089aaacd212c759be257d9c80fcfdb29f4")
        #expect(hex(secrets.confirmation) == "9fc3c95151283f464665bf020872066401e5753c70b4e505fd29f74dcbb0797e")
    }

    @Test func thePrologueBindsTheProtocolTheConnectionAndTheSuites() {
        #expect(
            KeySchedule.prologue(firstConnectionID: [1, 2], suites: [2, 1]) == Array("sotto/2".utf8) + [1, 2, 2, 2, 1])
    }

    /// ChaCha20: RFC 9001, appendix A.5. AES-256: FIPS 197, appendix C.3, of which the first bytes are the mask (RFC 9001 §5.4.3).
    @Test(arguments: [
        (
            PacketCipher.chaCha20Poly1305, "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4",
            "5e5cd55c41f69080575d7999c25a5bfb", "aefefe7d03"
        ),
        (
            PacketCipher.aes256GCM, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "00112233445566778899aabbccddeeff", "8ea2b7ca51"
        ),
    ])
    func headerProtectionIsThatOfRFC9001(cipher: PacketCipher, key: String, sample: String, expected: String) throws {
        let memory = try #require(bytes(key).withUnsafeBytes { HeaderProtectionKey.make(cipher: cipher, key: $0) })
        defer { HeaderProtectionKey.destroy(memory) }
        // Twice: the second packet's is as good as the first's.
        for _ in 0..<2 {
            var mask = [UInt8](repeating: 0, count: 5)
            #expect(HeaderProtectionKey.mask(memory, sample: bytes(sample), into: &mask))
            #expect(mask == bytes(expected))
        }
    }

    @Test(arguments: PacketCipher.allCases) func headerProtectionTakesKeysOf32BytesOnly(cipher: PacketCipher) {
        for count in [0, 16, 31, 33] {
            #expect(pattern(count).withUnsafeBytes { HeaderProtectionKey.make(cipher: cipher, key: $0) == nil })
        }
    }

    @Test(arguments: PacketCipher.available()) func packetsOpenOnlyUnchanged(cipher: PacketCipher) throws {
        let counters = UnsafeMutablePointer<PacketCounters>.allocate(capacity: 1)
        counters.initialize(to: PacketCounters())
        defer { counters.deallocate() }
        var iv = [UInt8](repeating: 0, count: 12)
        func make(_ direction: AEADDirection) throws -> UnsafeMutableRawPointer {
            try #require(
                [UInt8](repeating: 5, count: 32).withUnsafeBytes { secret in
                    iv.withUnsafeMutableBytes {
                        PacketKey.make(
                            cipher: cipher, direction: direction, level: .application, secret: secret, iv: $0,
                            counters: counters)
                    }
                })
        }
        let sealing = try make(.seal)
        defer { PacketKey.destroy(sealing) }
        let memory = try make(.open)
        defer { PacketKey.destroy(memory) }
        var nonce = iv
        for (index, byte) in [0, 0, 0, 0, 0, 0, 0x12, 0x34].enumerated() { nonce[4 + index] ^= UInt8(byte) }
        let plaintext = pattern(1200)
        var sealed = [UInt8](repeating: 0, count: plaintext.count + 16)
        // Not inside of #expect: it takes its expression apart, and a pointer to an array would outlive its call.
        let isSealed = PacketKey.seal(
            sealing, into: &sealed, plaintext, plaintext.count, nonce: nonce, ad: [1, 2, 3], 3)
        #expect(isSealed)
        #expect(counters.pointee.sealedWithCurrentKey == 1)
        var opened = [UInt8](repeating: 0, count: plaintext.count)
        func open(_ length: Int, ad: [UInt8]) -> Bool {
            PacketKey.open(memory, into: &opened, sealed, length, nonce: nonce, ad: ad, ad.count)
        }
        #expect(open(sealed.count, ad: [1, 2, 3]))
        #expect(opened == plaintext)
        #expect(counters.pointee.opened == 1)
        #expect(counters.pointee.highestOpened == 0x1234)
        #expect(!open(sealed.count, ad: [1, 2, 4]))
        #expect(!open(15, ad: [1, 2, 3]))
        sealed[700] ^= 1
        #expect(!open(sealed.count, ad: [1, 2, 3]))
        #expect(counters.pointee.opened == 1)
        #expect(counters.pointee.rejected == 3)
    }

    @Test func theBestCommonCipherIsChosen() {
        #expect(PacketCipher.available().last == .chaCha20Poly1305)
        #expect(PacketCipher.choose(from: [], available: [.chaCha20Poly1305]) == nil)
        #expect(
            PacketCipher.choose(from: [.chaCha20Poly1305, .aes256GCM], available: [.aes256GCM, .chaCha20Poly1305])
                == .aes256GCM)
    }
}
