import Identity
import NIOConcurrencyHelpers
import Noise
import TestTools

@testable import Ratchet

/// A moment in 2023, in milliseconds since 1970, and units of time.
let start: UInt64 = 1_700_000_000_000
let day: UInt64 = 86_400_000

/// One of two who talk: what an application would keep.
final class Person {
    let identity: Identity
    var prekeys: PrekeySet
    private(set) var state: PeerRatchet
    let peer: PeerID

    init(_ identity: Identity, peer: PeerID) throws {
        self.identity = identity
        self.peer = peer
        prekeys = try PrekeySet.generate(for: identity, now: start)
        state = PeerRatchet(own: identity.peerID, peer: peer)
    }

    /// Two who know each other's peer ids and nothing else.
    static func pair() throws -> (alice: Person, bob: Person) {
        let (one, other) = (try Identity.generate(), try Identity.generate())
        return (try Person(one, peer: other.peerID), try Person(other, peer: one.peerID))
    }

    /// Alice has started with a bundle of Bob's, and Bob has answered.
    static func acquainted() throws -> (alice: Person, bob: Person) {
        let (alice, bob) = try pair()
        try alice.meet(bob)
        _ = try bob.read(alice.write("hello"))
        _ = try alice.read(bob.write("hello back"))
        return (alice, bob)
    }

    /// Starts a session with a bundle that has a one-time prekey.
    func meet(_ other: Person, now: UInt64 = start) throws {
        try begin(other.prekeys.bundle(for: other.identity, to: identity.peerID, now: now), now: now)
    }

    func begin(_ bundle: PrekeyBundle, now: UInt64 = start) throws {
        state = try state.starting(with: bundle, identity: identity, now: now)
    }

    func write(_ text: String) throws -> [UInt8] {
        let (next, ciphertext) = try state.encrypting(Array(text.utf8))
        state = next
        return ciphertext
    }

    func read(_ ciphertext: [UInt8]) throws -> String {
        let (next, plaintext, changed) = try state.decrypting(ciphertext, identity: identity, prekeys: prekeys)
        state = next
        prekeys = changed ?? prekeys
        return String(decoding: plaintext, as: UTF8.self)
    }

    /// Why it cannot be read; nil when it can. Changes nothing in any case.
    func refusal(of ciphertext: [UInt8]) -> RatchetError? {
        do {
            _ = try state.decrypting(ciphertext, identity: identity, prekeys: prekeys)
            return nil
        } catch {
            return error
        }
    }

    func abandon() {
        state = state.abandoning()
    }

    /// What the disk holds.
    struct Stored {
        let state: [UInt8]
        let prekeys: [UInt8]
    }

    func stored() -> Stored {
        Stored(state: bytes(state.encode()), prekeys: bytes(prekeys.encode()))
    }

    /// Ends, and begins again with what the disk holds.
    func restart(from stored: Stored? = nil) throws {
        let stored = stored ?? self.stored()
        state = try PeerRatchet(
            decoding: SecretBytes(copying: stored.state), own: identity.peerID, peer: peer)
        prekeys = try PrekeySet(decoding: SecretBytes(copying: stored.prekeys), owner: identity.peerID)
    }

    /// Somebody with a copy of all that is stored and of the identity.
    func thief(_ stored: Stored? = nil) throws -> Person {
        let thief = try Person(identity, peer: peer)
        try thief.restart(from: stored ?? self.stored())
        return thief
    }
}

func bytes(_ secret: borrowing SecretBytes) -> [UInt8] {
    secret.withUnsafeBytes { Array($0) }
}

extension SeededGenerator {
    mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &self) < percent
    }
}

extension Entropy {
    /// These bytes, in order; zeros when they are used up.
    static func known(_ bytes: [UInt8]) -> Entropy {
        let box = Box(NIOLockedValueBox(bytes[...]))
        return Entropy { buffer in
            box.rest.withLockedValue { rest in
                buffer.copyBytes(from: rest.prefix(buffer.count))
                rest = rest.dropFirst(buffer.count)
            }
        }
    }

    private final class Box: Sendable {
        let rest: NIOLockedValueBox<ArraySlice<UInt8>>

        init(_ rest: consuming NIOLockedValueBox<ArraySlice<UInt8>>) {
            self.rest = rest
        }
    }
}
