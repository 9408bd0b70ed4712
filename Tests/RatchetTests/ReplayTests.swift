import Identity
import Testing

@testable import Ratchet

/// Messages that come again.
@Suite struct ReplayTests {
    @Test func aRepeatedMessageIsKnown() throws {
        let (alice, bob) = try Person.acquainted()
        let letters = try (0..<3).map { try alice.write("\($0)") }
        for letter in letters.reversed() { _ = try bob.read(letter) }
        for letter in letters { #expect(bob.refusal(of: letter) == .alreadyReceived) }
    }

    @Test func aRepeatedFirstMessageIsKnownWhileItsSessionLives() throws {
        let (alice, bob) = try Person.pair()
        try alice.begin(bundleWithoutOneTime(of: bob))
        let letter = try alice.write("first")
        _ = try bob.read(letter)
        #expect(bob.refusal(of: letter) == .alreadyReceived)
        try bob.restart()
        #expect(bob.refusal(of: letter) == .alreadyReceived)
    }

    /// Without a one-time prekey nothing but the memory of it prevents a second session.
    @Test func aRepeatedFirstMessageOpensNoSecondSession() throws {
        let (alice, bob) = try Person.pair()
        try alice.begin(bundleWithoutOneTime(of: bob))
        let letter = try alice.write("first")
        _ = try bob.read(letter)
        for _ in 0..<RatchetLimits.sessions {
            try alice.meet(bob)
            _ = try bob.read(alice.write("other session"))
        }
        #expect(!bob.state.sessions.contains { $0.id == bob.state.accepted[0].session })
        try bob.restart()
        #expect(bob.refusal(of: letter) == .cannotDecrypt)
    }

    @Test func aRepeatedFirstMessageWithAOneTimePrekeyFindsItUsed() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        let letter = try alice.write("first")
        _ = try bob.read(letter)
        let anew = PeerRatchet(own: bob.identity.peerID, peer: alice.identity.peerID)
        #expect(throws: RatchetError.unknownPrekey) {
            try anew.decrypting(letter, identity: bob.identity, prekeys: bob.prekeys)
        }
    }

    @Test func sessionsAreRememberedOnlyWhileTheirSignedPrekeyLives() throws {
        let (alice, bob) = try Person.pair()
        try alice.begin(bundleWithoutOneTime(of: bob))
        let letter = try alice.write("first")
        _ = try bob.read(letter)
        for now in [start + 8 * day, start + 60 * day] {
            _ = try bob.prekeys.maintain(for: bob.identity, now: now, oneTimeLeftOnServer: nil)
        }
        try alice.meet(bob, now: start + 60 * day)
        _ = try bob.read(alice.write("much later"))
        #expect(bob.state.accepted.count == 1)
        let anew = PeerRatchet(own: bob.identity.peerID, peer: alice.identity.peerID)
        #expect(throws: RatchetError.unknownPrekey) {
            try anew.decrypting(letter, identity: bob.identity, prekeys: bob.prekeys)
        }
    }

    private func bundleWithoutOneTime(of person: Person) throws -> PrekeyBundle {
        let publication = try person.prekeys.publication(for: person.identity)
        return PrekeyBundle(peer: publication.peer, signed: publication.signed, oneTime: nil)
    }
}
