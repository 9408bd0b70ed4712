import Identity
import Noise
import Testing

@testable import Ratchet

/// Stored states: what is read is what was written, and damage is noticed or harmless.
@Suite struct StoringTests {
    /// A state with all there can be: several sessions, a prefix, missing messages, an abandoned one.
    private func fullState() throws -> Person {
        let (alice, bob) = try Person.acquainted()
        _ = try alice.write("missing")
        _ = try bob.read(alice.write("arrives"))
        _ = try alice.read(bob.write("turns"))
        _ = try alice.write("missing")
        _ = try bob.read(alice.write("arrives"))
        bob.abandon()
        try alice.meet(bob)
        _ = try bob.read(alice.write("new"))
        try bob.meet(alice)
        #expect(bob.state.sessionCount == 3 && bob.state.skippedCount == 2)
        return bob
    }

    @Test func aStateHasOneEncoding() throws {
        let person = try fullState()
        let stored = bytes(person.state.encode())
        let read = try PeerRatchet(
            decoding: person.state.encode(), own: person.state.own, peer: person.state.peer)
        #expect(bytes(read.encode()) == stored)
    }

    @Test func aCutOrLongerStateIsMalformed() throws {
        let person = try fullState()
        let stored = bytes(person.state.encode())
        for length in 0..<stored.count {
            #expect(throws: RatchetError.self) { try decode(Array(stored.prefix(length)), person) }
        }
        #expect(throws: RatchetError.malformed) { try decode(stored + [0], person) }
    }

    @Test func aStateOfAnotherPairIsRefused() throws {
        let (one, other) = (try fullState(), try fullState())
        let stored = bytes(one.state.encode())
        #expect(throws: RatchetError.wrongPeer) { try decode(stored, other) }
        #expect(throws: RatchetError.wrongPeer) {
            try PeerRatchet(decoding: SecretBytes(copying: stored), own: one.state.peer, peer: one.state.own)
        }
        #expect(throws: RatchetError.wrongPeer) {
            try PrekeySet(decoding: one.prekeys.encode(), owner: other.identity.peerID)
        }
    }

    /// A damaged state is refused or fails later; nothing traps.
    @Test func aDamagedStateIsHarmless() throws {
        let person = try fullState()
        let stored = bytes(person.state.encode())
        let letter = [UInt8](repeating: 2, count: 200)
        for index in stored.indices {
            for value in [stored[index] ^ 1, stored[index] ^ 0x80, 0xFF] {
                var damaged = stored
                damaged[index] = value
                guard let state = try? decode(damaged, person) else { continue }
                _ = try? state.encrypting([1])
                _ = try? state.decrypting(letter, identity: person.identity, prekeys: person.prekeys)
                _ = state.abandoning()
            }
        }
    }

    @Test func aDamagedSetOfPrekeysIsHarmless() throws {
        let person = try fullState()
        let stored = bytes(person.prekeys.encode())
        for length in stride(from: 0, to: stored.count, by: 5) {
            #expect(throws: RatchetError.self) {
                try PrekeySet(
                    decoding: SecretBytes(copying: stored.prefix(length)), owner: person.identity.peerID)
            }
        }
        for index in 0..<400 {
            var damaged = stored
            damaged[index] ^= 0x80
            _ = try? PrekeySet(decoding: SecretBytes(copying: damaged), owner: person.identity.peerID)
        }
    }

    private func decode(_ bytes: [UInt8], _ person: Person) throws(RatchetError) -> PeerRatchet {
        try PeerRatchet(decoding: SecretBytes(copying: bytes), own: person.state.own, peer: person.state.peer)
    }
}
