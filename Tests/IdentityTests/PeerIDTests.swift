import Noise
import Testing
import Wire

@testable import Identity

@Suite struct PeerIDTests {
    @Test(arguments: [(Sample.public1, Sample.text1), (Sample.public2, Sample.text2)])
    func writesAndReadsItsTextForm(bytes: String, text: String) throws {
        let peer = try PeerID(bytes: hex(bytes))
        #expect(peer.description == text)
        #expect(text.utf8.count == PeerID.textLength)
        #expect(try PeerID(text: text) == peer)
        #expect(try PeerID(text: text.uppercased()) == peer)
        #expect(peer.bytes == hex(bytes))
        #expect(try PeerID(PeerKey(hex(bytes))) == peer)
    }

    @Test func itsNoiseKeyIsThatOfTheSamePoint() throws {
        #expect(
            try PeerID(text: Sample.text1).noisePublicKey.bytes
                == hex("d85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e"))
    }

    @Test func everyMistypedCharacterIsNoticed() {
        let letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
        let text = Array(Sample.text1)
        for index in 6..<text.count {
            for letter in letters where letter != text[index] {
                var changed = text
                changed[index] = letter
                #expect(throws: PeerIDError.mistyped) { try PeerID(text: String(changed)) }
            }
        }
        var swapped = text
        swapped.swapAt(10, 11)
        #expect(throws: PeerIDError.mistyped) { try PeerID(text: String(swapped)) }
    }

    @Test(arguments: [
        "", "sotto1", "sotto", "alice", "wss://example.org", Sample.text1 + "q", String(Sample.text1.dropLast()),
        "sotto16Adfsqvzky9t042tlmfujeq88g8wzuhnm2nzxfd0qgdx3ac82ydq3t2xha", " " + Sample.text1, Sample.text1 + "\n",
        "a1lqfn3a", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
        Bech32m.encode(prefix: "sottp", data: hex(Sample.public1)),
        Bech32m.encode(prefix: "sotto", data: hex(Sample.public1).dropLast()),
        Bech32m.encode(prefix: "sotto", data: hex(Sample.public1) + [0]),
    ])
    func refusesOtherText(text: String) {
        #expect(throws: PeerIDError.malformed) { try PeerID(text: text) }
    }

    @Test(arguments: [
        ("small order: 0", "0000000000000000000000000000000000000000000000000000000000000000"),
        ("small order: the neutral element", "0100000000000000000000000000000000000000000000000000000000000000"),
        ("small order: 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("small order: 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        ("small order: 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        ("not canonical: p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("not canonical: p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("not canonical: all ones", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
        ("not on the curve", "0200000000000000000000000000000000000000000000000000000000000000"),
        ("TEST 1 plus a point of order 8", "3b5b475c4b82dd1572799fc546f4c6c03e478c6654aa4c7f945b347ea32af60d"),
        ("TEST 1 plus the point of order 2", "16a567fe7d4ef5482ab4012c369bf8c5f11e8d0c2559dcda50fde59708f8aee5"),
    ])
    func refusesKeysThatNobodyCanOwn(reason: String, bytes: String) {
        #expect(throws: PeerIDError.unusableKey) { try PeerID(bytes: hex(bytes)) }
        #expect(throws: PeerIDError.unusableKey) {
            try PeerID(text: Bech32m.encode(prefix: "sotto", data: hex(bytes)))
        }
    }

    @Test func refusesOtherLengths() {
        for count in [0, 31, 33, 64] {
            #expect(throws: PeerIDError.malformed) { try PeerID(bytes: [UInt8](repeating: 1, count: count)) }
        }
    }

    @Test func comparesByBytes() throws {
        let (one, two) = (try PeerID(text: Sample.text1), try PeerID(text: Sample.text2))
        #expect(two < one)
        #expect(!(one < two))
        #expect(one != two)
    }

    @Test func aPointAndItsNegativeAreDifferentPeersWithOneNoiseKey() throws {
        let negative = try PeerID(bytes: hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707519a"))
        let positive = try PeerID(text: Sample.text1)
        #expect(negative != positive)
        #expect(negative.noisePublicKey == positive.noisePublicKey)
        let identity = try Sample.first()
        #expect(!negative.verify(signature: identity.sign([1]), message: [1]))
    }
}

@Suite struct IdentityKeyTests {
    @Test func makesTheKeysAndSignaturesOfRFC8032() throws {
        let one = try Sample.first()
        #expect(one.peerID.bytes == hex(Sample.public1))
        let signature = hex(
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
            5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
            """)
        #expect(one.sign([]) == signature)
        #expect(one.peerID.verify(signature: signature, message: []))
        let two = try Sample.second()
        #expect(two.peerID.bytes == hex(Sample.public2))
        #expect(two.peerID.verify(signature: two.sign([0x72]), message: [0x72]))
    }

    /// The example of docs/protocol/signaling.md, calculated with Python's cryptography.
    @Test func signsLoginsAsTheProtocolSays() throws {
        let nonce = (0..<32).map { UInt8($0) }
        let transcript = SignalingFrame.authenticationTranscript(host: try HostName("example.org"), nonce: nonce)
        #expect(
            try Sample.first().sign(transcript)
                == hex(
                    """
                    f824819a04e393044c93fddb6e11fd4b390857f25c5cfd39464fd57d839207bd
                    c3abb76e43354bcd8c052c851e32b6e38d8eb40b10299776ae71ec95832fd40a
                    """))
    }

    @Test func refusesSignaturesThatWereTamperedWith() throws {
        let one = try Sample.first()
        let signature = one.sign([1, 2, 3])
        #expect(!one.peerID.verify(signature: signature, message: [1, 2]))
        #expect(!(try Sample.second()).peerID.verify(signature: signature, message: [1, 2, 3]))
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            #expect(!one.peerID.verify(signature: changed, message: [1, 2, 3]))
        }
        for count in [0, 63, 65] {
            let other = Array((signature + [0]).prefix(count))
            #expect(!one.peerID.verify(signature: other, message: [1, 2, 3]))
        }
    }

    @Test func refusesSignaturesWithAScalarAboveTheOrder() throws {
        // S + L is the same scalar to a careless verifier (RFC 8032 §5.1.7 has it refused).
        let one = try Sample.first()
        var signature = one.sign([1])
        let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        var carry = 0
        for index in 0..<32 {
            let sum = Int(signature[32 + index]) + Int(order[index]) + carry
            signature[32 + index] = UInt8(truncatingIfNeeded: sum)
            carry = sum >> 8
        }
        #expect(carry == 0)
        #expect(!one.peerID.verify(signature: signature, message: [1]))
    }

    @Test func itsNoiseKeyPairIsTheOneItsPeerIDNames() throws {
        let identity = try Identity.generate()
        #expect(identity.noiseKeyPair().publicKey == identity.peerID.noisePublicKey)
    }

    @Test func derivesKeysByLabel() throws {
        func derived(_ identity: Identity, _ label: String) -> [UInt8] {
            identity.deriveKey(label: label).withUnsafeBytes { Array($0) }
        }
        let one = try Sample.first()
        #expect(
            derived(one, "vault") == hex("77f46b3993aaf25f730bbf132f9b015271e3934c4a87a530f43af2438875d0b7"))
        #expect(derived(one, "vault") != derived(one, "vaulu"))
        #expect(derived(one, "vault") != derived(try Sample.second(), "vault"))
    }

    @Test func generatesDifferentIdentities() throws {
        #expect(try Identity.generate().peerID != Identity.generate().peerID)
    }

    @Test func refusesSeedsOfOtherLengths() {
        for count in [0, 31, 33] {
            #expect(throws: IdentityError.invalidSeedLength) {
                _ = try Identity(seed: SecretBytes(copying: [UInt8](repeating: 7, count: count)))
            }
        }
    }
}

@Suite struct SafetyNumberTests {
    /// Calculated with Python's hashlib.
    @Test func hasTheDigitsOfItsDefinition() throws {
        let (one, two) = (try PeerID(text: Sample.text1), try PeerID(text: Sample.text2))
        let expected = "997448215223877850460072288440241441678866078755729787695822"
        #expect(SafetyNumber.digits(one, two) == expected)
        #expect(SafetyNumber.digits(two, one) == expected)
        #expect(SafetyNumber.groups(one, two).map(\.utf8.count) == [Int](repeating: 5, count: 12))
    }

    @Test func dependsOnBothKeys() throws {
        let (one, two) = (try PeerID(text: Sample.text1), try PeerID(text: Sample.text2))
        let three = try Identity.generate().peerID
        #expect(SafetyNumber.digits(one, two) != SafetyNumber.digits(one, three))
        #expect(SafetyNumber.digits(one, two) != SafetyNumber.digits(three, two))
    }
}
