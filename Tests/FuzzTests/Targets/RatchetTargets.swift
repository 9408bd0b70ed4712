import Identity
import Noise

@testable import Ratchet

/// Messages, bundles and stored states of the ratchet. They are longer than a corpus should be, so an input says how to
/// alter a valid one, or (first byte odd) is one itself.
extension FuzzTarget {
    static let ratchet = [ratchetMessage, prekeys, ratchetState]

    private static let time: UInt64 = 1_700_000_000_000

    private struct Stage: Sendable {
        let bob: Identity
        let alice: PeerID
        let prekeys: PrekeySet
        let bundle: [UInt8]
        let publication: [UInt8]
        /// Bob has heard of Alice, and one message is missing.
        let state: PeerRatchet
        let unopened: PeerRatchet
        /// One that opens a session, one of the present chain, one that was missing.
        let first: [UInt8]
        let next: [UInt8]
        let missing: [UInt8]
    }

    /// The same in every process, so that seeds of one mean the same in another.
    private static let stage = Result {
        let entropy = Entropy.counted()
        let (alice, bob) = (try FuzzKeys.identity(1), try FuzzKeys.identity(2))
        var prekeys = try PrekeySet.generate(for: bob, now: time, entropy)
        let bundle = try prekeys.bundle(for: bob, to: alice.peerID, now: time, entropy)
        let publication = try prekeys.publication(for: bob)
        let (secrets, prefix) = try PQXDH.initiate(bundle, identity: alice, ephemeral: .generate(entropy)) {
            key throws(RatchetError) in
            // Any ciphertext has a secret: the owner of the key says which.
            let ciphertext = [UInt8](repeating: 0x2A, count: KEMKey.ciphertextByteCount)
            guard let kemKey = prekeys.reserved.last?.pair.kemKey else { throw .unknownPrekey }
            return Encapsulation(shared: try kemKey.decapsulate(ciphertext), ciphertext: ciphertext)
        }
        var sender = try PeerRatchet(own: alice.peerID, peer: bob.peerID)
            .opening(secrets, prefix, remote: bundle.signed.dhKey, entropy)
        func write() throws -> [UInt8] {
            let (next, ciphertext) = try sender.encrypting([1, 2, 3], entropy)
            sender = next
            return ciphertext
        }
        let unopened = PeerRatchet(own: bob.peerID, peer: alice.peerID)
        let first = try write()
        let opened = try unopened.decrypting(first, identity: bob, prekeys: prekeys, entropy)
        let (answered, answer) = try opened.next.encrypting([4], entropy)
        let none = try PrekeySet.generate(for: alice, now: time, entropy)
        sender = try sender.decrypting(answer, identity: alice, prekeys: none, entropy).next
        let missing = try write()
        let state = try answered.decrypting(write(), identity: bob, prekeys: prekeys, entropy).next
        return Stage(
            bob: bob, alice: alice.peerID, prekeys: prekeys, bundle: bundle.encode(),
            publication: publication.encode(), state: state, unopened: unopened, first: first, next: try write(),
            missing: missing)
    }

    /// First byte odd: the rest is a message. Else the second says which valid one to alter, and how.
    private static let ratchetMessage = FuzzTarget("ratchet-message", .publicKey, maximumLength: 1_400) {
        let scene = try stage.get()
        return [[0, 0], [0, 1], [0, 2], [0, 0, 1, 0, 0, 40, 1], [0, 1, 1, 0, 0, 30, 0x80], [0, 2, 1, 1, 0, 90]]
            + [scene.first, scene.next, scene.missing].map { [1] + $0 }
    } run: { bytes in
        let scene = try stage.get()
        var input = FuzzInput(bytes)
        let isWhole = input.byte() & 1 == 1
        let which = Int(input.byte()) % 3
        let original = [scene.first, scene.next, scene.missing][which]
        let message = isWhole ? Array(bytes.dropFirst()) : input.altered(original)
        let known = [scene.first, scene.next, scene.missing]
        let before = scene.state.encode()
        for (state, good) in [(scene.state, [scene.next, scene.missing]), (scene.unopened, [scene.first])] {
            let result = try? state.decrypting(message, identity: scene.bob, prekeys: scene.prekeys)
            try check((result != nil) == good.contains(message), "exactly the messages that were written are read")
            try check(result.map { $0.plaintext == [1, 2, 3] } ?? true, "and as they were written")
        }
        try check(scene.state.encode().isEqual(to: before), "a state is a value")
        if let parsed = try? RatchetMessage(decoding: message) {
            try check(parsed.encode() == message, "a message has one encoding")
        } else {
            try check(!known.contains(message), "valid messages have the layout")
        }
    }

    /// First byte odd: the rest is a bundle or a publication. Else the second says which valid one to alter, and how.
    private static let prekeys = FuzzTarget("prekeys", .publicKey, maximumLength: 2_700) {
        let scene = try stage.get()
        return [[0, 0], [0, 1], [0, 0, 1, 0, 0, 40, 1], [0, 0, 1, 1, 5, 45], [0, 1, 1, 0, 5, 90, 2]]
            + [[1] + scene.bundle, [1] + scene.bundle.prefix(1_325), [1] + scene.publication.prefix(1_343)]
    } run: { bytes in
        let scene = try stage.get()
        var input = FuzzInput(bytes)
        let isWhole = input.byte() & 1 == 1
        let original = input.byte() & 1 == 0 ? scene.bundle : scene.publication
        let altered = isWhole ? Array(bytes.dropFirst()) : input.altered(original)
        if let bundle = try? PrekeyBundle(decoding: altered) {
            try check(bundle.encode() == altered, "a bundle has one encoding")
            let isGood = (try? bundle.verify(for: scene.bob.peerID, now: time)) != nil
            let isWritten = altered == scene.bundle || altered == Array(scene.bundle.prefix(1_325))
            try check(isGood == isWritten, "exactly what its owner signed is accepted")
        }
        if let publication = try? PrekeyPublication(decoding: altered) {
            try check(publication.encode() == altered, "a publication has one encoding")
            if publication.oneTime.count > PrekeySet.batchCount {
                try check(!publication.isSigned, "nobody signs more than he publishes")
            }
        }
    }

    /// The second byte says which stored value to alter, and how.
    private static let ratchetState = FuzzTarget("ratchet-state", .publicKey, maximumLength: 1_400) {
        [
            [0, 0], [0, 1], [0, 0, 1, 0, 0, 70, 1], [0, 0, 1, 1, 0, 99], [0, 1, 1, 0, 0, 50, 9],
            [0, 1, 1, 3, 0, 49, 255],
        ]
    } run: { bytes in
        let scene = try stage.get()
        var input = FuzzInput(Array(bytes.dropFirst()))
        let isState = input.byte() & 1 == 0
        let original = isState ? scene.state.encode() : scene.prekeys.encode()
        let altered = input.altered(original.withUnsafeBytes { Array($0) })
        let stored = SecretBytes(copying: altered)
        if isState, let state = try? PeerRatchet(decoding: stored, own: scene.bob.peerID, peer: scene.alice) {
            try check(state.encode().isEqual(to: stored), "a state has one encoding")
            _ = try? state.encrypting([1])
            for message in [scene.next, scene.missing, scene.first] {
                _ = try? state.decrypting(message, identity: scene.bob, prekeys: scene.prekeys)
            }
        } else if !isState, let set = try? PrekeySet(decoding: stored, owner: scene.bob.peerID) {
            try check(set.encode().isEqual(to: stored), "a set of prekeys has one encoding")
            _ = try? scene.unopened.decrypting(scene.first, identity: scene.bob, prekeys: set)
        }
    }
}

extension Entropy {
    /// Bytes of a generator that begins anew with every value.
    fileprivate static func counted() -> Entropy {
        let source = Source()
        return Entropy { buffer in
            for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: source.generator.next()) }
        }
    }

    // Safety: used while a static is initialised, by the one thread that does it.
    private final class Source: @unchecked Sendable {
        var generator = SeededGenerator(seed: 7)
    }
}
