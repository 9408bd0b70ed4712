import Identity
import Testing

@testable import Ratchet

/// What somebody can read who has stolen the identity and everything that is stored, at one moment.
@Suite struct SecrecyTests {
    @Test func forwardSecrecyAStolenStateCannotReadWhatWasReceivedBefore() throws {
        let (alice, bob) = try Person.acquainted()
        let letters = try (0..<3).map { try alice.write("secret \($0)") }
        for letter in letters { _ = try bob.read(letter) }
        let thief = try bob.thief()
        for letter in letters { #expect(thief.refusal(of: letter) == .alreadyReceived) }
        // With the ratchet turned since, not even the headers can be read.
        _ = try alice.read(bob.write("turns"))
        _ = try bob.read(alice.write("turns"))
        let later = try bob.thief()
        for letter in letters { #expect(later.refusal(of: letter) == .cannotDecrypt) }
    }

    @Test func forwardSecrecyAStolenStateCannotReadWhatWasSentBefore() throws {
        let (alice, bob) = try Person.acquainted()
        let letter = try alice.write("secret")
        #expect(try alice.thief().refusal(of: letter) == .cannotDecrypt)
        // Nor can the state of the sender be used to receive in the place of the receiver.
        let thief = try Person(bob.identity, peer: bob.peer)
        thief.prekeys = bob.prekeys
        #expect(thief.refusal(of: letter) == .noSession)
    }

    /// The first message too, when it used a one-time prekey: that is gone.
    @Test func forwardSecrecyHoldsForFirstMessagesWithAOneTimePrekey() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        let letter = try alice.write("first secret")
        _ = try bob.read(letter)
        #expect(try bob.thief().refusal(of: letter) == .alreadyReceived)
        let thief = try Person(bob.identity, peer: bob.peer)
        thief.prekeys = bob.prekeys
        #expect(thief.refusal(of: letter) == .unknownPrekey)
        #expect(bob.prekeys.reserved.isEmpty)
    }

    /// Without a one-time prekey forward secrecy begins when the signed prekey is forgotten.
    @Test func forwardSecrecyOfFirstMessagesWithoutAOneTimePrekeyBeginsWithItsRotation() throws {
        let (alice, bob) = try Person.pair()
        let publication = try bob.prekeys.publication(for: bob.identity)
        try alice.begin(PrekeyBundle(peer: publication.peer, signed: publication.signed, oneTime: nil))
        let letter = try alice.write("first secret")
        _ = try bob.read(letter)
        let soon = try Person(bob.identity, peer: bob.peer)
        soon.prekeys = bob.prekeys
        #expect(try soon.read(letter) == "first secret")
        for now in [start + 7 * day, start + 46 * day] {
            _ = try bob.prekeys.maintain(for: bob.identity, now: now, oneTimeLeftOnServer: nil)
        }
        let late = try Person(bob.identity, peer: bob.peer)
        late.prekeys = bob.prekeys
        #expect(late.refusal(of: letter) == .unknownPrekey)
    }

    @Test func postCompromiseSecurityACopiedStateIsWorthlessAfterARoundTrip() throws {
        let (alice, bob) = try Person.acquainted()
        let thief = try bob.thief()
        // At first the thief reads along.
        let first = try alice.write("one")
        #expect(try thief.read(first) == "one")
        #expect(try bob.read(first) == "one")
        // Bob's answer brings a key that the thief does not have; what Alice writes then is safe.
        _ = try alice.read(bob.write("two"))
        let second = try alice.write("three")
        #expect(thief.refusal(of: second) == .cannotDecrypt)
        #expect(try bob.read(second) == "three")
        for number in 0..<5 {
            let letter = try alice.write("\(number)")
            #expect(thief.refusal(of: letter) == .cannotDecrypt)
            _ = try bob.read(letter)
            _ = try alice.read(bob.write("\(number)"))
        }
    }

    /// The thief can write as Bob for as long only.
    @Test func postCompromiseSecurityACopiedStateCannotWriteAfterARoundTrip() throws {
        let (alice, bob) = try Person.acquainted()
        let thief = try bob.thief()
        _ = try bob.read(alice.write("one"))
        _ = try alice.read(bob.write("two"))
        _ = try bob.read(alice.write("three"))
        _ = try alice.read(bob.write("four"))
        #expect(alice.refusal(of: try thief.write("I am Bob")) == .cannotDecrypt)
    }
}
