import Identity
import Testing

@testable import Ratchet

/// States that were set back by an old backup, or lost.
@Suite struct RollbackTests {
    /// What a receiver does about a message that it cannot read: a new session, and the message again on it.
    private func repair(_ reader: Person, _ writer: Person, _ text: String) throws {
        reader.abandon()
        try reader.meet(writer)
        #expect(try writer.read(reader.write("please again")) == "please again")
        #expect(try reader.read(writer.write(text)) == text)
        #expect(try writer.read(reader.write("thanks")) == "thanks")
        #expect(try reader.read(writer.write("welcome")) == "welcome")
    }

    @Test func aReceiverWithAnOldBackupRecoversByANewSession() throws {
        let (alice, bob) = try Person.acquainted()
        let backup = bob.stored()
        for number in 0..<3 {
            _ = try bob.read(alice.write("\(number)"))
            _ = try alice.read(bob.write("\(number)"))
        }
        try bob.restart(from: backup)
        #expect(bob.refusal(of: try alice.write("unreadable")) == .cannotDecrypt)
        try repair(bob, alice, "unreadable")
    }

    /// The old state sends with keys that were used before: with other nonces, so that no two texts share key and nonce, and
    /// the receiver says that it cannot be read instead of taking it for a repetition.
    @Test func aSenderWithAnOldBackupIsNoticedAndRecovers() throws {
        let (alice, bob) = try Person.acquainted()
        let backup = alice.stored()
        let before = try alice.write("before")
        _ = try bob.read(before)
        try alice.restart(from: backup)
        let after = try alice.write("after!")
        #expect(before[1..<25] != after[1..<25])
        #expect(bob.refusal(of: after) == .alreadyReceived)
        try repair(bob, alice, "after!")
    }

    @Test func aSenderWhoseBackupIsOlderThanARoundTripRecovers() throws {
        let (alice, bob) = try Person.acquainted()
        let backup = alice.stored()
        for number in 0..<3 {
            _ = try bob.read(alice.write("\(number)"))
            _ = try alice.read(bob.write("\(number)"))
        }
        try alice.restart(from: backup)
        #expect(bob.refusal(of: try alice.write("after")) == .cannotDecrypt)
        try repair(bob, alice, "after")
    }

    @Test func aStateThatIsLostIsReplaced() throws {
        let (alice, bob) = try Person.acquainted()
        let anew = try Person(bob.identity, peer: bob.peer)
        let letter = try alice.write("unreadable")
        #expect(anew.refusal(of: letter) == .noSession)
        try repair(anew, alice, "unreadable")
    }

    /// The peer still writes on the session that we have lost, while we begin another: both come through.
    @Test func bothRecoverAtTheSameTime() throws {
        let (alice, bob) = try Person.acquainted()
        let backups = (alice.stored(), bob.stored())
        _ = try bob.read(alice.write("x"))
        _ = try alice.read(bob.write("y"))
        _ = try bob.read(alice.write("z"))
        try alice.restart(from: backups.0)
        try bob.restart(from: backups.1)
        alice.abandon()
        bob.abandon()
        try alice.meet(bob)
        try bob.meet(alice)
        let (one, other) = (try alice.write("one"), try bob.write("other"))
        #expect(try alice.read(other) == "other")
        #expect(try bob.read(one) == "one")
        #expect(try bob.read(alice.write("on")) == "on")
        #expect(try alice.read(bob.write("and on")) == "and on")
    }
}
