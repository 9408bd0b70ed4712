import Noise
import Testing

@testable import Identity

@Suite struct SealedEnvelopeTests {
    let context = "test-context"

    @Test(arguments: [0, 1, 100, 16_000])
    func opensForItsRecipientAndNamesTheSender(count: Int) throws {
        let (alice, bob) = (try Sample.first(), try Sample.second())
        let payload = [UInt8](repeating: 0x5A, count: count)
        let envelope = try SealedEnvelope.seal(payload, from: alice, to: bob.peerID, context: context)
        #expect(envelope.count == count + SealedEnvelope.overhead)
        let opened = try SealedEnvelope.open(envelope, recipient: bob, context: context)
        #expect(opened.payload == payload)
        #expect(opened.sender == alice.peerID.noisePublicKey)
    }

    @Test func carriesTheLargestPayloadAndNoMore() throws {
        let (alice, bob) = (try Sample.first(), try Sample.second())
        let largest = [UInt8](repeating: 1, count: SealedEnvelope.maximumPayload)
        let envelope = try SealedEnvelope.seal(largest, from: alice, to: bob.peerID, context: context)
        #expect(try SealedEnvelope.open(envelope, recipient: bob, context: context).payload == largest)
        #expect(throws: SealedEnvelopeError.tooLong) {
            try SealedEnvelope.seal(largest + [1], from: alice, to: bob.peerID, context: context)
        }
        #expect(throws: SealedEnvelopeError.tooLong) {
            try SealedEnvelope.open(envelope + [1], recipient: bob, context: context)
        }
    }

    @Test func opensForNobodyElseAndInNoOtherContext() throws {
        let (alice, bob) = (try Sample.first(), try Sample.second())
        let envelope = try SealedEnvelope.seal([1, 2, 3], from: alice, to: bob.peerID, context: context)
        for (recipient, context) in [(alice, context), (try Identity.generate(), context), (bob, "other"), (bob, "")] {
            #expect(throws: SealedEnvelopeError.cannotBeOpened) {
                try SealedEnvelope.open(envelope, recipient: recipient, context: context)
            }
        }
    }

    @Test func refusesEveryChangeAndEveryCut() throws {
        let (alice, bob) = (try Sample.first(), try Sample.second())
        let envelope = try SealedEnvelope.seal([1, 2, 3], from: alice, to: bob.peerID, context: context)
        for index in envelope.indices {
            for bit in 0..<8 {
                var changed = envelope
                changed[index] ^= 1 << UInt8(bit)
                #expect(throws: SealedEnvelopeError.cannotBeOpened) {
                    try SealedEnvelope.open(changed, recipient: bob, context: context)
                }
            }
            #expect(throws: SealedEnvelopeError.cannotBeOpened) {
                try SealedEnvelope.open(Array(envelope.prefix(index)), recipient: bob, context: context)
            }
        }
        #expect(throws: SealedEnvelopeError.cannotBeOpened) {
            try SealedEnvelope.open(envelope + [0], recipient: bob, context: context)
        }
    }

    @Test func sealsTheSamePayloadDifferentlyEachTime() throws {
        let (alice, bob) = (try Sample.first(), try Sample.second())
        let one = try SealedEnvelope.seal([1], from: alice, to: bob.peerID, context: context)
        let two = try SealedEnvelope.seal([1], from: alice, to: bob.peerID, context: context)
        #expect(SealedEnvelope.digest(of: one) != SealedEnvelope.digest(of: two))
        #expect(SealedEnvelope.digest(of: one) == SealedEnvelope.digest(of: one))
        #expect(SealedEnvelope.digest(of: one).count == 32)
    }
}
