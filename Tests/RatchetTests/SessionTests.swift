import Identity
import Testing

@testable import Ratchet

/// How sessions begin, meet and end.
@Suite struct SessionTests {
    @Test func nothingCanBeSentWithoutASession() throws {
        let (alice, bob) = try Person.pair()
        #expect(!alice.state.canSend)
        #expect(throws: RatchetError.noSession) { try alice.write("too early") }
        try bob.meet(alice)
        let first = try bob.write("one")
        _ = try alice.read(first)
        #expect(throws: RatchetError.noSession) {
            try PeerRatchet(own: bob.identity.peerID, peer: bob.peer)
                .decrypting(alice.write("two"), identity: bob.identity, prekeys: bob.prekeys)
        }
    }

    @Test func reachesSomebodyWhoIsAbsent() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        let letters = try ["one", "two", "three"].map { try alice.write($0) }
        #expect(try letters.map { try bob.read($0) } == ["one", "two", "three"])
        #expect(bob.state.canSend)
        #expect(try alice.read(bob.write("answer")) == "answer")
    }

    /// Until the peer has answered, every message can open the session; from then on messages are shorter.
    @Test func anyOfTheFirstMessagesOpensTheSession() throws {
        for first in 0..<3 {
            let (alice, bob) = try Person.pair()
            try alice.meet(bob)
            var letters = try (0..<3).map { try alice.write("letter \($0)") }
            #expect(alice.state.isUnanswered)
            #expect(letters.allSatisfy { $0.count == 8 + RatchetLimits.overhead + RatchetLimits.firstOverhead })
            #expect(try bob.read(letters.remove(at: first)) == "letter \(first)")
            for letter in letters.reversed() { _ = try bob.read(letter) }
            #expect(bob.state.skippedCount == 0)
            _ = try alice.read(bob.write("answer"))
            #expect(!alice.state.isUnanswered)
            #expect(try alice.write("letter 3").count == 8 + RatchetLimits.overhead)
        }
    }

    @Test func simultaneousFirstMessagesConverge() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        try bob.meet(alice)
        let (fromAlice, fromBob) = (try alice.write("from alice"), try bob.write("from bob"))
        #expect(try alice.read(fromBob) == "from bob")
        #expect(try bob.read(fromAlice) == "from alice")
        // Each now sends on the other's session, and reads both.
        let (second, third) = (try alice.write("second"), try bob.write("third"))
        #expect(try bob.read(second) == "second")
        #expect(try alice.read(third) == "third")
        // As soon as one message goes alone, both use the same session, and one only.
        _ = try bob.read(alice.write("alone"))
        #expect(alice.state.sessions.first?.id == bob.state.sessions.first?.id)
        for number in 0..<4 {
            #expect(try bob.read(alice.write("\(number)")) == "\(number)")
            #expect(try alice.read(bob.write("\(number)")) == "\(number)")
            #expect(alice.state.sessions.first?.id == bob.state.sessions.first?.id)
        }
        #expect(alice.state.sessionCount == 2 && bob.state.sessionCount == 2)
    }

    @Test func earlierSessionsStillReceive() throws {
        let (alice, bob) = try Person.acquainted()
        let late = try alice.write("late")
        try alice.meet(bob)
        #expect(try bob.read(alice.write("on the new session")) == "on the new session")
        #expect(try bob.read(late) == "late")
        // What came late on the old session does not bring Alice back to it.
        #expect(try alice.read(bob.write("answer")) == "answer")
        #expect(try bob.read(alice.write("on")) == "on")
    }

    @Test func anAbandonedSessionReceivesAndIsNeverSentOnAgain() throws {
        let (alice, bob) = try Person.acquainted()
        let underWay = try bob.write("under way")
        alice.abandon()
        #expect(!alice.state.canSend)
        #expect(throws: RatchetError.noSession) { try alice.write("x") }
        #expect(try alice.read(underWay) == "under way")
        #expect(!alice.state.canSend)
        try alice.restart()
        #expect(!alice.state.canSend)
        try alice.meet(bob)
        #expect(try bob.read(alice.write("again")) == "again")
        #expect(try alice.read(bob.write("fine")) == "fine")
    }

    @Test func theSessionUsedLeastRecentlyGoesFirst() throws {
        let (alice, bob) = try Person.pair()
        var letters: [[UInt8]] = []
        for number in 0...RatchetLimits.sessions {
            try alice.meet(bob)
            letters.append(try alice.write("session \(number)"))
            _ = try bob.read(letters[number])
            letters[number] = try alice.write("more on \(number)")
        }
        #expect(bob.state.sessionCount == RatchetLimits.sessions)
        #expect(alice.state.sessionCount == RatchetLimits.sessions)
        #expect(bob.refusal(of: letters[0]) == .cannotDecrypt)
        for number in 1...RatchetLimits.sessions {
            #expect(try bob.read(letters[number]) == "more on \(number)")
        }
    }

    @Test func emptyAndLongestMessagesPassAndLongerOnesAreRefused() throws {
        let (alice, bob) = try Person.pair()
        try alice.meet(bob)
        for text in ["", String(repeating: "x", count: RatchetLimits.plaintext)] {
            let ciphertext = try alice.write(text)
            #expect(ciphertext.count <= RatchetLimits.ciphertext)
            #expect(try bob.read(ciphertext) == text)
        }
        #expect(throws: RatchetError.tooLong) {
            try alice.write(String(repeating: "x", count: RatchetLimits.plaintext + 1))
        }
        #expect(bob.refusal(of: [UInt8](repeating: 2, count: RatchetLimits.ciphertext + 1)) == .tooLong)
    }

    /// A session must never encrypt two messages with the same key and nonce, even when the state was set back.
    @Test func encryptingTwiceFromOneStateGivesDifferentNonces() throws {
        let (alice, _) = try Person.acquainted()
        let one = try alice.state.encrypting([1, 2, 3]).ciphertext
        let other = try alice.state.encrypting([1, 2, 3]).ciphertext
        #expect(one[1..<25] != other[1..<25])
        #expect(one[81...] != other[81...])
    }

    @Test func headersAndLengthsAreAllThatShows() throws {
        let (alice, _) = try Person.acquainted()
        let letters = try (0..<50).map { _ in try alice.write("the same text") }
        #expect(Set(letters.map { Array($0[1..<25]) }).count == 50)
        #expect(Set(letters.map { Array($0[25..<81]) }).count == 50)
        #expect(Set(letters.map { Array($0[81...]) }).count == 50)
        #expect(Set(letters.map(\.count)).count == 1)
        #expect(letters.allSatisfy { $0[0] == 2 })
    }
}
