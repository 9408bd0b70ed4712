import Identity
import Testing

@testable import Ratchet

/// Messages that were changed, or that are meant for others.
@Suite struct TamperingTests {
    @Test func everyByteOfAMessageCounts() throws {
        let (alice, bob) = try Person.acquainted()
        let letter = try alice.write("text")
        for index in letter.indices {
            for bit in [UInt8(0x01), 0x80] {
                var changed = letter
                changed[index] ^= bit
                #expect(bob.refusal(of: changed) != nil, "byte \(index)")
            }
        }
        #expect(try bob.read(letter) == "text")
    }

    @Test func everyByteOfAFirstMessageCounts() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        let letter = try alice.write("text")
        for index in letter.indices {
            var changed = letter
            changed[index] ^= 0x80
            #expect(bob.refusal(of: changed) != nil, "byte \(index)")
        }
        #expect(try bob.read(letter) == "text")
    }

    /// Also when the session is there already: then the prefix is not needed, and counts nevertheless.
    @Test func everyByteOfASecondFirstMessageCounts() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        _ = try bob.read(alice.write("one"))
        let letter = try alice.write("two")
        for index in letter.indices {
            var changed = letter
            changed[index] ^= 0x80
            #expect(bob.refusal(of: changed) != nil, "byte \(index)")
        }
        #expect(bob.refusal(of: [2] + letter.dropFirst(1 + PQXDHPrefix.byteCount)) == .cannotDecrypt)
        #expect(try bob.read(letter) == "two")
    }

    @Test func cutAndExtendedMessagesAreRefused() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        let letter = try alice.write("text")
        for length in 0..<letter.count { #expect(bob.refusal(of: Array(letter.prefix(length))) != nil) }
        #expect(bob.refusal(of: letter + [0]) != nil)
        #expect(bob.refusal(of: [3] + letter.dropFirst()) == .malformed)
    }

    @Test func aRefusedMessageChangesNothing() throws {
        let (alice, bob) = try Person.acquainted()
        _ = try alice.read(bob.write("turns"))
        _ = try alice.write("missing")
        var letter = try alice.write("text")
        letter[letter.count - 1] ^= 1
        let before = bob.stored()
        #expect(throws: RatchetError.cannotDecrypt) { try bob.read(letter) }
        #expect(bob.stored().state == before.state)
        #expect(bob.stored().prekeys == before.prekeys)
    }

    /// What Alice wrote to Bob is not from Carol, nor to Carol, nor for Alice herself.
    @Test func messagesBelongToOnePairAndDirection() throws {
        let (alice, bob) = try Person.pair()
        let carol = try Person(Identity.generate(), peer: bob.identity.peerID)
        try alice.meet(bob)
        let first = try alice.write("for bob")
        let bobToCarol = PeerRatchet(own: bob.identity.peerID, peer: carol.identity.peerID)
        #expect(throws: RatchetError.cannotDecrypt) {
            try bobToCarol.decrypting(first, identity: bob.identity, prekeys: bob.prekeys)
        }
        #expect(carol.refusal(of: first) == .unknownPrekey)
        #expect(alice.refusal(of: first) == .unknownPrekey)
        _ = try bob.read(first)
        _ = try alice.read(bob.write("answer"))
        let second = try alice.write("for bob")
        #expect(alice.refusal(of: second) == .cannotDecrypt)
        #expect(carol.refusal(of: second) == .noSession)
    }

    @Test func anotherIdentityOrItsPrekeysAreRefused() throws {
        let (alice, bob) = try Person.acquainted()
        let letter = try alice.write("text")
        #expect(throws: RatchetError.wrongPeer) {
            try bob.state.decrypting(letter, identity: alice.identity, prekeys: bob.prekeys)
        }
        #expect(throws: RatchetError.wrongPeer) {
            try bob.state.decrypting(letter, identity: bob.identity, prekeys: alice.prekeys)
        }
    }

    /// An ephemeral key of small order would give secrets that everybody knows.
    @Test func weakKeysAreRefused() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        var letter = try alice.write("text")
        letter.replaceSubrange(1..<33, with: [UInt8](repeating: 0, count: 32))
        #expect(bob.refusal(of: letter) == .weakKey)
    }
}
