import Identity
import Paths
import Testing

@testable import Peering

/// One peer that floods keeps nobody else out.
@Suite struct AdmissionTests {
    private let now = MonotonicTime(nanoseconds: 1_000_000_000_000)
    private let flooder: PeerID
    private let friend: PeerID

    init() throws {
        flooder = try Identity.generate().peerID
        friend = try Identity.generate().peerID
    }

    private func seconds(_ seconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: now.nanoseconds + seconds * 1_000_000_000)
    }

    /// How many of `count` attempts pass.
    private func passes(_ count: Int, _ attempt: () -> Bool) -> Int {
        (0..<count).reduce(0) { passed, _ in passed + (attempt() ? 1 : 0) }
    }

    @Test func floodOfFirstPacketsLeavesContactsAlone() {
        var admission = Admission()
        #expect(passes(10_000) { admission.admitsHandshake(from: flooder, isContact: false, now: now) } == 8)
        #expect(passes(1) { admission.admitsHandshake(from: friend, isContact: true, now: now) } == 1)
        // Nor does a contact that floods shut out another one.
        #expect(passes(10_000) { admission.admitsHandshake(from: friend, isContact: true, now: now) } == 19)
        #expect(passes(1) { admission.admitsHandshake(from: flooder, isContact: true, now: now) } == 1)
    }

    @Test func floodOfOneStrangerLeavesAnotherStrangerAlone() {
        var admission = Admission()
        _ = passes(10_000) { admission.admitsHandshake(from: flooder, isContact: false, now: now) }
        #expect(passes(1) { admission.admitsHandshake(from: friend, isContact: false, now: now) } == 1)
    }

    @Test func floodOfEnvelopesAndOffersLeavesOtherContactsAlone() {
        var admission = Admission()
        #expect(passes(10_000) { admission.admitsEnvelope(from: flooder, now: now) } == 400)
        #expect(passes(10_000) { admission.admitsOffer(from: flooder, now: now) } == 12)
        #expect(passes(1) { admission.admitsEnvelope(from: friend, now: now) } == 1)
        #expect(passes(1) { admission.admitsOffer(from: friend, now: now) } == 1)
    }

    @Test func floodOfAnUnknownSenderIsHardlyLookedAt() {
        var admission = Admission()
        #expect(passes(10_000) { admission.admitsUnknown(flooder.key, now: now) } == 40)
        #expect(passes(1) { admission.admitsUnknown(friend.key, now: now) } == 1)
    }

    @Test func manyKeysShareOneBucketUntilOthersHaveRecovered() {
        var buckets = KeyedBuckets<Int>(capacity: 2, perSecond: 1, maximumKeys: 4)
        func take(_ key: Int, after span: UInt64 = 0) -> Bool { buckets.take(key, now: seconds(span)) }
        let first = (0..<4).map { take($0) }
        #expect(first == [true, true, true, true])
        let crowd = (4..<1_000).map { take($0) }
        #expect(crowd.filter { $0 }.count == 2)
        // Those that were there keep what they have.
        let rest = [take(0), take(0)]
        #expect(rest == [true, false])
        // Who has been quiet is forgotten in favour of others.
        let later = (5..<8).flatMap { [take($0, after: 60), take($0, after: 60)] }
        #expect(later == [true, true, true, true, true, true])
    }
}
