import Identity
import Testing

@testable import Ratchet

/// Bounds on what is missing.
@Suite struct LimitTests {
    private static let step = Int(RatchetLimits.skippedInOneStep)

    @Test func asManyMissingMessagesAsAllowedAreCaughtUpWith() throws {
        let (alice, bob) = try Person.acquainted()
        let letters = try (0...Self.step).map { try alice.write("\($0)") }
        #expect(try bob.read(letters[Self.step]) == "\(Self.step)")
        #expect(bob.state.skippedCount == Self.step)
        try bob.restart()
        for number in [0, 1, 999, Self.step - 1] {
            #expect(try bob.read(letters[number]) == "\(number)")
        }
        #expect(bob.state.skippedCount == Self.step - 4)
    }

    @Test func oneMoreIsRefusedAndChangesNothing() throws {
        let (alice, bob) = try Person.acquainted()
        let letters = try (0...Self.step + 1).map { try alice.write("\($0)") }
        let before = bob.stored()
        #expect(throws: RatchetError.tooManySkipped) { try bob.read(letters[Self.step + 1]) }
        #expect(bob.stored().state == before.state)
        #expect(try bob.read(letters[1]) == "1")
        #expect(try bob.read(letters[Self.step + 1]) == "\(Self.step + 1)")
    }

    @Test func aPreviousChainWithTooManyMissingIsRefused() throws {
        let (alice, bob) = try Person.acquainted()
        for _ in 0...Self.step { _ = try alice.write("lost") }
        _ = try alice.read(bob.write("turns the ratchet"))
        #expect(throws: RatchetError.tooManySkipped) { try bob.read(alice.write("x")) }
    }

    @Test func keysOfMissingMessagesAreBoundedForAPeerAndTheOldestGoFirst() throws {
        let (alice, bob) = try Person.acquainted()
        let first = try alice.write("the oldest")
        var firstOfLast: [UInt8] = []
        for round in 0..<3 {
            for number in 0..<1_900 {
                let letter = try alice.write("missing")
                if round == 2 && number == 0 { firstOfLast = letter }
            }
            _ = try bob.read(alice.write("arrives"))
            _ = try alice.read(bob.write("turns"))
        }
        _ = try bob.read(alice.write("arrives"))
        #expect(bob.state.skippedCount == RatchetLimits.skippedForPeer)
        #expect(bob.refusal(of: first) == .alreadyReceived)
        #expect(try bob.read(firstOfLast) == "missing")
    }

    @Test func chainsWithMissingMessagesAreBoundedAndTheOldestGoFirst() throws {
        let (alice, bob) = try Person.acquainted()
        var missing: [[UInt8]] = []
        for _ in 0..<(RatchetLimits.skippedChainsForPeer + 10) {
            missing.append(try alice.write("missing"))
            _ = try bob.read(alice.write("arrives"))
            _ = try alice.read(bob.write("turns"))
        }
        #expect(bob.state.skippedCount == RatchetLimits.skippedChainsForPeer)
        #expect(missing.prefix(10).allSatisfy { bob.refusal(of: $0) == .cannotDecrypt })
        for letter in missing.dropFirst(10) { #expect(try bob.read(letter) == "missing") }
        #expect(bob.state.skippedCount == 0)
    }

    /// Bounds hold over all sessions together, and the session in use keeps its keys before the others do.
    @Test func earlierSessionsShareTheBound() throws {
        let (alice, bob) = try Person.acquainted()
        for _ in 0..<2 {
            for _ in 0..<1_800 { _ = try alice.write("missing") }
            _ = try bob.read(alice.write("arrives"))
            try alice.meet(bob)
            _ = try bob.read(alice.write("new session"))
            _ = try alice.read(bob.write("answer"))
        }
        let kept = try alice.write("kept")
        for _ in 0..<999 { _ = try alice.write("missing") }
        _ = try bob.read(alice.write("arrives"))
        #expect(bob.state.skippedCount == RatchetLimits.skippedForPeer)
        #expect(bob.state.sessions.map { $0.ratchet.skipped.count } == [1_000, 1_800, 1_200])
        #expect(try bob.read(kept) == "kept")
    }
}
