import Noise
import Testing
import Wire

@testable import Identity

@Suite struct MailSealTests {
    private let alice = Result { try Sample.first() }
    private let bob = Result { try Sample.second() }

    @Test(arguments: [1, 2, 1_000, 70_857, MailSeal.maximumCiphertext])
    func opensForItsRecipientAndNamesTheSender(count: Int) throws {
        let (alice, bob) = (try alice.get(), try bob.get())
        let ciphertext = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let envelope = try MailSeal.seal(ciphertext, from: alice, to: bob.peerID)
        #expect(envelope.count == count + MailSeal.overhead)
        let opened = try MailSeal.open(envelope, recipient: bob)
        #expect(opened.ciphertext == ciphertext)
        #expect(opened.sender == alice.peerID)
    }

    @Test func theLongestMessageFitsIntoAMail() throws {
        // Padded text of 64 KiB, and what the ratchet adds to it, is less than 71 KiB.
        #expect(MailSeal.overhead == 201)
        #expect(MailSeal.maximumCiphertext == 73_527)
        #expect(MailSeal.maximumCiphertext >= 71 * 1024)
        #expect(MailSeal.maximumRequestCiphertext == 1_847)
        let (alice, bob) = (try alice.get(), try bob.get())
        let largest = [UInt8](repeating: 1, count: MailSeal.maximumCiphertext)
        let envelope = try MailSeal.seal(largest, from: alice, to: bob.peerID)
        #expect(envelope.count == MailFrame.maximumEnvelope)
        for wrong in [largest + [1], []] {
            #expect(throws: MailSealError.lengthOutOfRange) { try MailSeal.seal(wrong, from: alice, to: bob.peerID) }
        }
        #expect(throws: MailSealError.lengthOutOfRange) { try MailSeal.open(envelope + [1], recipient: bob) }
    }

    /// The envelope of docs/protocol/mailbox.md, which has been opened by another implementation too.
    @Test func opensTheEnvelopeOfTheDocument() throws {
        let envelope = hex(
            """
            d761fe0e7d9adddf54ff5092c33e431653fbad7835d93b9f59fb474d7c7f4077b8e94e6542639bf8309c2e5d8e1948aa
            515792bba79e7c2e050e6b973f3641d12ca1f75fe468681409e0fb08e9699da80b40579ff5de5c89635c4d14786093e9
            b51cfb74a2564d63f42f1904b279469af0445d0d3bb485958f033808842b5ddf76220a077cf26e1014a04534e206ed18
            292cbd5e6ff62e8d33d1ffeb609662abbe6aea9f21f7f892ec9051ccf21f6540f199999502d7d8e1b7720ee024ce509e
            fd6c11cd575388f4d8c8fe53
            """)
        let opened = try MailSeal.open(envelope, recipient: bob.get())
        #expect(opened.ciphertext == [1, 2, 3])
        #expect(opened.sender == (try alice.get().peerID))
    }

    @Test func opensForNobodyElse() throws {
        let (alice, bob) = (try alice.get(), try bob.get())
        let envelope = try MailSeal.seal([1, 2, 3], from: alice, to: bob.peerID)
        for other in [alice, try Identity.generate()] {
            #expect(throws: MailSealError.cannotBeOpened) { try MailSeal.open(envelope, recipient: other) }
        }
    }

    @Test func noTwoEnvelopesAreAlike() throws {
        let (alice, bob) = (try alice.get(), try bob.get())
        let (one, other) = (
            try MailSeal.seal([1, 2, 3], from: alice, to: bob.peerID),
            try MailSeal.seal([1, 2, 3], from: alice, to: bob.peerID)
        )
        for part in [0..<32, 32..<128, 128..<152, 152..<one.count] { #expect(one[part] != other[part]) }
        // Nothing of the sender is to be read in it.
        #expect(!one.contains(alice.peerID.bytes) && !one.contains(alice.peerID.noisePublicKey.bytes))
    }

    @Test func refusesEveryChangeAndEveryCut() throws {
        let (alice, bob) = (try alice.get(), try bob.get())
        let envelope = try MailSeal.seal([1, 2, 3], from: alice, to: bob.peerID)
        for index in envelope.indices {
            var changed = envelope
            changed[index] ^= 1 << UInt8(index & 7)
            #expect(throws: MailSealError.cannotBeOpened) { try MailSeal.open(changed, recipient: bob) }
        }
        for count in 0..<envelope.count {
            #expect(throws: MailSealError.self) { try MailSeal.open(Array(envelope.prefix(count)), recipient: bob) }
        }
        #expect(throws: MailSealError.cannotBeOpened) { try MailSeal.open(envelope + [0], recipient: bob) }
    }

    @Test func partsOfTwoEnvelopesDoNotMakeOne() throws {
        let (alice, bob) = (try alice.get(), try bob.get())
        let one = try MailSeal.seal([1, 2, 3], from: alice, to: bob.peerID)
        let other = try MailSeal.seal([4, 5, 6], from: alice, to: bob.peerID)
        let mixed = one.prefix(128) + other.dropFirst(128)
        #expect(throws: MailSealError.cannotBeOpened) { try MailSeal.open(Array(mixed), recipient: bob) }
    }

    @Test func refusesASenderWhoNamesSomebodyElse() throws {
        let (alice, bob, mallory) = (try alice.get(), try bob.get(), try Identity.generate())
        let forged = try MailSeal.seal([1], version: 1, naming: alice.peerID, from: mallory, to: bob.peerID)
        #expect(throws: MailSealError.wrongSender) { try MailSeal.open(forged, recipient: bob) }
        let honest = try MailSeal.seal([1], version: 1, naming: mallory.peerID, from: mallory, to: bob.peerID)
        #expect(try MailSeal.open(honest, recipient: bob).sender == mallory.peerID)
    }

    @Test func saysThatTheVersionIsUnknown() throws {
        let (alice, bob) = (try alice.get(), try bob.get())
        let newer = try MailSeal.seal([1], version: 2, naming: alice.peerID, from: alice, to: bob.peerID)
        #expect(throws: MailSealError.unsupportedVersion(2)) { try MailSeal.open(newer, recipient: bob) }
    }

    @Test func randomBytesAreRefused() throws {
        let bob = try bob.get()
        for count in [0, 1, 127, 128, 200, 201, 202, 500, 5_000] {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
            #expect(throws: MailSealError.self) { try MailSeal.open(bytes, recipient: bob) }
        }
    }
}

@Suite struct CapabilityTests {
    /// By Python: hashlib.blake2b(bytes(range(16)), digest_size=16, key=b"sotto-capability/1").
    @Test func digestIsThatOfTheProtocol() throws {
        let digest = try Capability.digest(of: (0..<16).map { $0 })
        #expect(digest.description == "4abc26d679cc895c47ddb6fb97513249")
        #expect(digest.bytes == hex(digest.description))
    }

    @Test func takesSixteenBytesOnly() {
        for count in [0, 15, 17] {
            #expect(throws: WireError.lengthOutOfRange) {
                try Capability.digest(of: [UInt8](repeating: 0, count: count))
            }
        }
    }

    @Test func noTwoCapabilitiesAreAlike() throws {
        let (one, other) = (Capability.generate(), Capability.generate())
        #expect(one.count == MailFrame.capabilityByteCount)
        #expect(one != other && one != MailFrame.noCapability)
        #expect(try Capability.digest(of: one) != Capability.digest(of: other))
    }
}
