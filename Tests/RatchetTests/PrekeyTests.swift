import Identity
import Testing

@testable import Ratchet

/// Prekeys: publishing, using up, growing old, and servers that do not play by the rules.
@Suite struct PrekeyTests {
    private let identity = Result { try Identity.generate() }

    private func owner() throws -> (identity: Identity, set: PrekeySet, publication: PrekeyPublication) {
        let identity = try identity.get()
        let set = try PrekeySet.generate(for: identity, now: start)
        return (identity, set, try set.publication(for: identity))
    }

    private func bundle(_ publication: PrekeyPublication, _ index: Int?) -> PrekeyBundle {
        PrekeyBundle(peer: publication.peer, signed: publication.signed, oneTime: index.map { publication.oneTime[$0] })
    }

    @Test func bundlesAndPublicationsSurviveEncoding() throws {
        let (identity, _, publication) = try owner()
        #expect(publication.isSigned)
        #expect(publication.oneTime.count == PrekeySet.batchCount)
        let encoded = publication.encode()
        #expect(encoded.count <= PrekeyPublication.maximumByteCount)
        #expect(try PrekeyPublication(decoding: encoded) == publication)
        for bundle in [bundle(publication, nil), bundle(publication, 3)] {
            let bytes = bundle.encode()
            #expect(bytes.count == (bundle.oneTime == nil ? 1_325 : 2_617))
            #expect(try PrekeyBundle(decoding: bytes) == bundle)
            try bundle.verify(for: identity.peerID, now: start)
        }
        let record = publication.oneTime[0]
        #expect(try PrekeyRecord(decoding: record.encode()) == record)
    }

    @Test func mostOneTimePrekeysFitIntoAPublication() {
        let size = 51 + (1 + PrekeyPublication.maximumOneTime) * PrekeyRecord.byteCount
        #expect(size <= PrekeyPublication.maximumByteCount)
        #expect(size + PrekeyRecord.byteCount > PrekeyPublication.maximumByteCount)
        #expect(PrekeySet.batchCount <= PrekeyPublication.maximumOneTime)
    }

    @Test func everyByteOfABundleCounts() throws {
        let (identity, _, publication) = try owner()
        let bytes = bundle(publication, 0).encode()
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x80
            #expect(throws: RatchetError.self, "byte \(index)") {
                try PrekeyBundle(decoding: changed).verify(for: identity.peerID, now: start)
            }
        }
        for length in stride(from: 0, to: bytes.count, by: 7) where length != 1_325 {
            #expect(throws: RatchetError.malformed) { try PrekeyBundle(decoding: Array(bytes.prefix(length))) }
        }
        #expect(throws: RatchetError.malformed) { try PrekeyBundle(decoding: bytes + [0]) }
    }

    @Test func aServerCanSwapNothing() throws {
        let (alice, bob) = try Person.pair()
        let (mallory, _, malicious) = try owner()
        let publication = try bob.prekeys.publication(for: bob.identity)
        let swapped: [(PrekeyBundle, RatchetError)] = [
            // Somebody else's keys, under either name.
            (bundle(malicious, 0), .wrongPeer),
            (PrekeyBundle(peer: publication.peer, signed: malicious.signed, oneTime: nil), .badSignature),
            (
                PrekeyBundle(
                    peer: publication.peer, signed: publication.signed, oneTime: malicious.oneTime[0]),
                .badSignature
            ),
            // A key for another use.
            (PrekeyBundle(peer: publication.peer, signed: publication.oneTime[0], oneTime: nil), .badSignature),
            (
                PrekeyBundle(peer: publication.peer, signed: publication.signed, oneTime: publication.signed),
                .badSignature
            ),
        ]
        for (bundle, error) in swapped {
            #expect(throws: error) { try alice.begin(bundle) }
            #expect(!alice.state.canSend)
        }
        #expect(mallory.peerID != publication.peer)
    }

    @Test func aBundleThatIsTooOldOrFromTheFutureIsRefused() throws {
        let (alice, bob) = try Person.pair()
        let bundle = bundle(try bob.prekeys.publication(for: bob.identity), nil)
        let longest = PrekeyBundle.longestAge
        try alice.begin(bundle, now: start + longest)
        try alice.begin(bundle, now: start - longest)
        #expect(throws: RatchetError.expiredPrekey) { try alice.begin(bundle, now: start + longest + 1) }
        #expect(throws: RatchetError.expiredPrekey) { try alice.begin(bundle, now: start - longest - 1) }
        #expect(throws: RatchetError.expiredPrekey) { try alice.begin(bundle, now: .max) }
    }

    /// When the server has no one-time prekeys left, sessions begin without, any number of them.
    @Test func exhaustedOneTimePrekeysAreNoObstacle() throws {
        let owner = try owner()
        var prekeys = owner.set
        for index in [0, 1, nil, nil] {
            let sender = try Identity.generate()
            let state = try PeerRatchet(own: sender.peerID, peer: owner.identity.peerID)
                .starting(with: bundle(owner.publication, index), identity: sender, now: start)
            let result = try PeerRatchet(own: owner.identity.peerID, peer: sender.peerID).decrypting(
                state.encrypting([7]).ciphertext, identity: owner.identity, prekeys: prekeys)
            #expect(result.plaintext == [7])
            #expect((result.prekeys != nil) == (index != nil))
            prekeys = result.prekeys ?? prekeys
        }
        #expect(prekeys.oneTime.count == PrekeySet.batchCount - 2)
    }

    /// A server that hands out a one-time prekey twice makes the second session fail, and nothing worse.
    @Test func aOneTimePrekeyWorksOnce() throws {
        let (alice, bob) = try Person.pair()
        let bundle = bundle(try bob.prekeys.publication(for: bob.identity), 0)
        try alice.begin(bundle)
        _ = try bob.read(alice.write("first"))
        try alice.begin(bundle)
        #expect(bob.refusal(of: try alice.write("second")) == .unknownPrekey)
        try alice.meet(bob)
        #expect(try bob.read(alice.write("third")) == "third")
    }

    @Test func aSignedPrekeyIsReplacedAfterAWeekAndKeptForMessagesOnTheirWay() throws {
        let (alice, bob) = try Person.pair()
        let bundle = bundle(try bob.prekeys.publication(for: bob.identity), nil)
        try alice.begin(bundle)
        let letter = try alice.write("on its way")
        func maintain(_ days: UInt64) throws -> Bool {
            try bob.prekeys.maintain(for: bob.identity, now: start + days * day, oneTimeLeftOnServer: nil)
        }
        bob.prekeys.published(try bob.prekeys.publication(for: bob.identity))
        #expect(try !maintain(6))
        #expect(try maintain(7))
        #expect(try bob.prekeys.publication(for: bob.identity).signed.id != bundle.signed.id)
        bob.prekeys.published(try bob.prekeys.publication(for: bob.identity))
        #expect(try maintain(45))
        #expect(bob.refusal(of: letter) == nil)
        _ = try maintain(46)
        #expect(bob.refusal(of: letter) == .unknownPrekey)
    }

    /// Somebody who was away for long comes back: what was on its way is still read.
    @Test func aSignedPrekeyOutlivesALongAbsence() throws {
        let (alice, bob) = try Person.pair()
        try alice.begin(bundle(try bob.prekeys.publication(for: bob.identity), nil), now: start + 44 * day)
        let letter = try alice.write("on its way")
        _ = try bob.prekeys.maintain(for: bob.identity, now: start + 73 * day, oneTimeLeftOnServer: nil)
        #expect(try bob.read(letter) == "on its way")
    }

    @Test func aClockThatWasSetBackStopsNothing() throws {
        let owner = try owner()
        var set = owner.set
        #expect(try set.maintain(for: owner.identity, now: 0, oneTimeLeftOnServer: nil))
        #expect(set.signed.count == 2)
        #expect(try set.publication(for: owner.identity).signed.time == 0)
        for _ in 0..<30 { _ = try set.maintain(for: owner.identity, now: .max, oneTimeLeftOnServer: 0) }
        #expect(set.signed.count <= PrekeySet.maximumSigned)
    }

    @Test func oneTimePrekeysAreReplenishedWhenTheServerHasFew() throws {
        let owner = try owner()
        var set = owner.set
        // Not confirmed yet: the same again, so that nothing is made in vain.
        #expect(try set.maintain(for: owner.identity, now: start, oneTimeLeftOnServer: 0))
        #expect(try set.publication(for: owner.identity) == owner.publication)
        set.published(owner.publication)
        #expect(try !set.maintain(for: owner.identity, now: start, oneTimeLeftOnServer: 20))
        #expect(try !set.maintain(for: owner.identity, now: start, oneTimeLeftOnServer: nil))
        #expect(try set.maintain(for: owner.identity, now: start, oneTimeLeftOnServer: 19))
        let second = try set.publication(for: owner.identity)
        #expect(second.batch != owner.publication.batch)
        #expect(Set(second.oneTime.map(\.id)).isDisjoint(with: owner.publication.oneTime.map(\.id)))
        // Those of the first batch may be on their way in first messages.
        #expect(owner.publication.oneTime.allSatisfy { set.oneTimePrekey($0.id) != nil })
        // A confirmation of the first batch, late, does not confirm the second.
        set.published(owner.publication)
        #expect(set.needsPublishing)
        set.published(second)
        #expect(!set.needsPublishing)
        _ = try set.maintain(for: owner.identity, now: start + 31 * day, oneTimeLeftOnServer: nil)
        #expect(owner.publication.oneTime.allSatisfy { set.oneTimePrekey($0.id) == nil })
    }

    @Test func aServerThatLostEverythingGetsNewOnes() throws {
        let owner = try owner()
        var set = owner.set
        set.published(owner.publication)
        try set.startAfresh(now: start)
        #expect(set.needsPublishing)
        let second = try set.publication(for: owner.identity)
        #expect(Set(second.oneTime.map(\.id)).isDisjoint(with: owner.publication.oneTime.map(\.id)))
        for _ in 0..<10 { try set.startAfresh(now: start) }
        #expect(set.retired.count == PrekeySet.maximumRetired)
    }

    @Test func prekeysGivenInSessionsAreBoundedForEachPeerAndInAll() throws {
        let owner = try owner()
        var set = owner.set
        let peer = try Identity.generate().peerID
        var ids: [PrekeyID] = []
        for _ in 0..<7 {
            let bundle = try set.bundle(for: owner.identity, to: peer, now: start)
            try bundle.verify(for: owner.identity.peerID, now: start)
            ids.append(try #require(bundle.oneTime).id)
        }
        #expect(ids.map { set.oneTimePrekey($0) != nil } == [false, false, true, true, true, true, true])
        #expect(try set.publication(for: owner.identity) == owner.publication)
        #expect(throws: RatchetError.wrongPeer) { try set.bundle(for: Identity.generate(), to: peer, now: start) }
    }

    @Test func aSetSurvivesStoring() throws {
        let owner = try owner()
        var set = owner.set
        _ = try set.bundle(for: owner.identity, to: Identity.generate().peerID, now: start)
        set.published(owner.publication)
        _ = try set.maintain(for: owner.identity, now: start + 8 * day, oneTimeLeftOnServer: 3)
        let stored = bytes(set.encode())
        let read = try PrekeySet(decoding: set.encode(), owner: owner.identity.peerID)
        #expect(bytes(read.encode()) == stored)
        #expect(try read.publication(for: owner.identity) == set.publication(for: owner.identity))
        #expect(read.needsPublishing)
    }
}
