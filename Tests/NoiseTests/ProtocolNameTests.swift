import Testing

@testable import Noise

@Suite("Protocol names")
struct ProtocolNameTests {
    @Test(
        "names that the module lacks or that are malformed are refused",
        arguments: [
            "", "Noise", "Noise_", "noise_IK_25519_ChaChaPoly_BLAKE2b", "Noise_IK_448_ChaChaPoly_BLAKE2b",
            "Noise_IK_25519_ChaChaPoly_BLAKE2s", "Noise_IK_25519_ChaChaPoly", "Noise_IK_25519_ChaChaPoly_BLAKE2b_",
            "Noise_IK_25519_ChaChaPoly_BLAKE2b ", "Noise__25519_ChaChaPoly_BLAKE2b",
            "Noise_ZZ_25519_ChaChaPoly_BLAKE2b",
            "Noise_ik_25519_ChaChaPoly_BLAKE2b", "Noise_IKpsk_25519_ChaChaPoly_BLAKE2b",
            "Noise_IKpsk3_25519_ChaChaPoly_BLAKE2b", "Noise_IKpsk00_25519_ChaChaPoly_BLAKE2b",
            "Noise_IKpsk-1_25519_ChaChaPoly_BLAKE2b", "Noise_IKpsk0+_25519_ChaChaPoly_BLAKE2b",
            "Noise_IKpsk0+psk0_25519_ChaChaPoly_BLAKE2b", "Noise_IK+psk0_25519_ChaChaPoly_BLAKE2b",
            "Noise_IKpsk٣_25519_ChaChaPoly_BLAKE2b", "Noise_IKfallback_25519_ChaChaPoly_BLAKE2b",
            "Noise_XXfallback+fallback_25519_ChaChaPoly_BLAKE2b", "Noise_IKhfs_25519_ChaChaPoly_BLAKE2b",
            "Noise_IK_25519+X_ChaChaPoly_BLAKE2b", "Noise_Nfallback_25519_ChaChaPoly_BLAKE2b",
            "Noise_KNfallback_25519_ChaChaPoly_BLAKE2b", String(repeating: "Noise_", count: 100),
        ])
    func refuses(_ text: String) {
        #expect(failure { () throws(NoiseError) in try ProtocolName(text) } == .unsupportedProtocol)
    }

    @Test("every pattern of revision 34 has a name")
    func knowsEveryPattern() throws {
        #expect(Sides.names.count == 3 + 12 + 23)
        #expect(HandshakePattern.table.count == Sides.names.count)
        for name in Sides.names {
            let parsed = try ProtocolName(Sides.fullName(name))
            #expect(parsed.pattern.name == name)
        }
    }

    @Test("psk tokens stand where the modifiers say")
    func placesPSKTokens() throws {
        let pattern = try HandshakePattern(parsing: "XXpsk0+psk3")
        #expect(pattern.messages.map(\.tokens) == [[.psk, .e], [.e, .ee, .s, .es], [.s, .se, .psk]])
        #expect(pattern.pskCount == 2)
        let both = try HandshakePattern(parsing: "INpsk1+psk0")
        #expect(both.messages[0].tokens == [.psk, .e, .s, .psk])
    }

    @Test("fallback turns the first message into a pre-message")
    func fallsBack() throws {
        let pattern = try HandshakePattern(parsing: "XXfallback")
        #expect(pattern.initiatorPreMessage == [.e])
        #expect(pattern.messages.map(\.tokens) == [[.e, .ee, .s, .es], [.s, .se]])
        #expect(pattern.messages.map(\.sender) == [.responder, .initiator])
        let psk = try HandshakePattern(parsing: "XXfallback+psk0")
        #expect(psk.messages[0].tokens == [.psk, .e, .ee, .s, .es])
    }
}
