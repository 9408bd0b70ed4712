import Noise
import Paths
import Testing

@testable import SecureTransport

/// Message 1 of a hybrid handshake comes in two datagrams: what becomes of it when they are lost, late, doubled, or never complete.
@Suite struct FirstFlightTests {
    private static func responder() throws -> PublicKey { try KeyPair(secret: secret).publicKey }
    private static var secret: SecretBytes { SecretBytes(copying: [UInt8](repeating: 7, count: 32)) }
    private static let start = VirtualNetwork.start

    /// The first datagrams of a new call to a fixed key.
    private static func call(suites: [HandshakeSuite] = [.hybrid], greeting: Int = 100) throws -> [[UInt8]] {
        var configuration = SessionConfiguration()
        configuration.suites = suites
        let session = try SecureSession.connect(
            keys: .generate(), to: responder(), greeting: [UInt8](repeating: 1, count: greeting),
            configuration: configuration, now: start)
        session.addPath(.relay, kind: .relay, now: start)
        return session.packets(now: start)
    }

    private static func destination(of packet: [UInt8]) -> [UInt8] { Array(packet[6..<22]) }

    private static func give(
        _ packet: [UInt8], to calls: inout IncomingCalls<Int>, from source: Int = 0, now: MonotonicTime = start,
        admits: () -> Bool = { true }
    ) throws(TransportError) -> IncomingCall? {
        let responder: PublicKey
        do { responder = try Self.responder() } catch { throw .internalFailure }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: packet.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: packet)
        return try calls.receive(
            UnsafeRawBufferPointer(copy), destination: destination(of: packet), from: source, to: responder, now: now,
            admits: admits)
    }

    @Test func aHybridCallTakesTwoDatagramsAndAClassicalOneTakesOne() throws {
        #expect(try Self.call(greeting: 0).count == 1)
        #expect(try Self.call(greeting: 53).count == 2)
        #expect(try Self.call(greeting: 256).count == 2)
        #expect(try Self.call(suites: [.classical], greeting: 256).count == 1)
        for packet in try Self.call() { #expect((1200...1452).contains(packet.count)) }
    }

    @Test(arguments: [[0, 1], [1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 0, 1], [0, 1, 1]])
    func theOrderDoesNotMatter(order: [Int]) throws {
        let packets = try Self.call()
        var calls = IncomingCalls<Int>()
        var complete: [IncomingCall] = []
        var seen: Set<Int> = []
        for index in order where complete.isEmpty {
            seen.insert(index)
            let call = try Self.give(packets[index], to: &calls)
            #expect((call != nil) == (seen.count == 2))
            if let call { complete.append(call) }
        }
        let call = try #require(complete.first)
        #expect(calls.count == 0)
        let session = try SecureSession.accept(
            call, keys: KeyPair(secret: Self.secret), on: .relay, authorize: { _, _ in [] }, now: Self.start)
        #expect(session.suite == .hybrid)
        #expect(session.statistics.packetsReceived >= 2)
    }

    /// Bits say which of the client's first four datagrams arrive; the rest all do.
    @Test(arguments: 0..<16) func anyOfTheFirstDatagramsMayBeLost(mask: Int) throws {
        let network = try VirtualNetwork(greeting: VirtualNetwork.longGreeting)
        var sent = 0
        network[.relay, from: .client].isDark = mask & 1 == 0
        network.tap = { [unowned network] side, _, _ in
            guard side == .client else { return }
            network[.relay, from: .client].isDark = sent < 4 && mask >> sent & 1 == 0
            sent += 1
        }
        #expect(network.connect(within: .seconds(8)))
        #expect(network.accepted == 1)
        #expect(network.acceptErrors.isEmpty)
        #expect(network.calls.count == 0)
    }

    /// QUIC alone would send one of the two again, and after twice the time perhaps the other.
    @Test(arguments: [[0], [1], [0, 1]]) func whatIsLostOfTheCallCostsOneProbeTimeout(lost: [Int]) throws {
        let network = try VirtualNetwork(greeting: VirtualNetwork.longGreeting)
        var sent = 0
        network.tap = { [unowned network] side, _, _ in
            guard side == .client else { return }
            network[.relay, from: .client].isDark = lost.contains(sent)
            sent += 1
        }
        #expect(network.connect())
        #expect(network.now - VirtualNetwork.start < .milliseconds(450 + 50))
    }

    @Test(arguments: 0..<8) func anyOfTheAnswersDatagramsMayBeLost(mask: Int) throws {
        let network = try VirtualNetwork(greeting: VirtualNetwork.longGreeting)
        var sent = 0
        network.tap = { [unowned network] side, _, _ in
            guard side == .server else { return }
            network[.relay, from: .server].isDark = sent < 3 && mask >> sent & 1 == 0
            sent += 1
        }
        #expect(network.connect(within: .seconds(9)))
    }

    @Test(arguments: 1...12 as ClosedRange<UInt64>) func survivesReorderingAndDuplication(seed: UInt64) throws {
        let link = Link(delay: .milliseconds(5), jitter: .milliseconds(60), loss: 0.1, duplication: 0.5)
        let network = try VirtualNetwork(seed: seed, relay: link, greeting: VirtualNetwork.longGreeting)
        #expect(network.connect(within: .seconds(10)))
    }

    @Test func nothingIsSentBeforeTheCallIsAnswered() throws {
        let call = try IncomingCall([Self.call()[0]], to: Self.responder(), now: Self.start)
        #expect(!call.isComplete)
        #expect(throws: TransportError.handshakeFailed) {
            try SecureSession.accept(
                call, keys: KeyPair(secret: Self.secret), on: .relay, authorize: { _, _ in [] }, now: Self.start)
        }
    }

    @Test func theAnswerIsNoMoreThanThreeTimesTheCall() throws {
        let packets = try Self.call()
        let session = try SecureSession.accept(
            packets, keys: KeyPair(secret: Self.secret),
            authorize: { _, _ in [UInt8](repeating: 9, count: 256) }, now: Self.start)
        var now = Self.start
        var sent = 0
        for _ in 0..<200 {
            sent += session.packets(now: now).reduce(0) { $0 + $1.count }
            guard let next = session.nextTimeout else { break }
            now = max(now, next)
            session.handleTimeout(now: now)
        }
        #expect(session.isFinished)
        #expect(sent > 1200)
        #expect(sent <= 3 * packets.reduce(0) { $0 + $1.count })
    }

    // MARK: Floods

    @Test func halfCallsAreBoundedInNumber() throws {
        var calls = IncomingCalls<Int>(capacity: 8, perSource: 2)
        for source in 0..<40 { #expect(try Self.give(Self.call()[0], to: &calls, from: source) == nil) }
        #expect(calls.count == 8)
    }

    @Test func whoFloodsPushesOutItsOwnCalls() throws {
        var calls = IncomingCalls<Int>(capacity: 8, perSource: 2)
        let honest = try Self.call()
        #expect(try Self.give(honest[0], to: &calls, from: 1) == nil)
        for _ in 0..<40 { _ = try Self.give(Self.call()[0], to: &calls, from: 2) }
        #expect(calls.count == 3)
        #expect(try Self.give(honest[1], to: &calls, from: 1) != nil)
    }

    @Test func nobodyAddsToTheCallOfAnother() throws {
        var calls = IncomingCalls<Int>()
        let honest = try Self.call()
        #expect(try Self.give(honest[0], to: &calls, from: 1) == nil)
        #expect(try Self.give(honest[1], to: &calls, from: 2) == nil)
        #expect(calls.count == 2)
        #expect(try Self.give(honest[1], to: &calls, from: 1) != nil)
    }

    @Test func halfCallsAreForgottenInTime() throws {
        var calls = IncomingCalls<Int>(lifetime: .seconds(4))
        let packets = try Self.call()
        _ = try Self.give(packets[0], to: &calls)
        #expect(calls.nextTimeout == Self.start + .seconds(4))
        calls.expire(now: Self.start + .milliseconds(3999))
        #expect(calls.count == 1)
        calls.expire(now: Self.start + .seconds(4))
        #expect(calls.count == 0)
        #expect(calls.nextTimeout == nil)
        // Later datagrams of it begin anew.
        #expect(try Self.give(packets[1], to: &calls, now: Self.start + .seconds(5)) == nil)
        #expect(try Self.give(packets[0], to: &calls, now: Self.start + .seconds(5)) != nil)
    }

    @Test func aNewCallIsLookedAtOnlyIfItIsAdmittedAndIsAskedForOnce() throws {
        var calls = IncomingCalls<Int>()
        let packets = try Self.call()
        #expect(throws: TransportError.notAdmitted) { try Self.give(packets[0], to: &calls, admits: { false }) }
        #expect(calls.count == 0)
        var asked = 0
        _ = try Self.give(
            packets[0], to: &calls,
            admits: {
                asked += 1
                return true
            })
        _ = try Self.give(
            packets[0], to: &calls,
            admits: {
                asked += 1
                return true
            })
        #expect(
            try Self.give(
                packets[1], to: &calls,
                admits: {
                    asked += 1
                    return true
                }) != nil)
        #expect(asked == 1)
    }

    @Test func whoDoesNotKnowTheKeyLeavesNothingBehind() throws {
        var calls = IncomingCalls<Int>()
        let session = try SecureSession.connect(
            keys: .generate(), to: KeyPair.generate().publicKey, greeting: [], now: Self.start)
        session.addPath(.relay, kind: .relay, now: Self.start)
        for packet in session.packets(now: Self.start) {
            #expect(throws: TransportError.notForUs) { try Self.give(packet, to: &calls) }
        }
        #expect(calls.count == 0)
    }

    @Test(arguments: [0, 1]) func aCallLooksAtABoundedNumberOfDatagrams(first: Int) throws {
        var calls = IncomingCalls<Int>()
        let packets = try Self.call()
        var asked = 0
        func give(_ packet: [UInt8]) throws(TransportError) -> IncomingCall? {
            try Self.give(packet, to: &calls) {
                asked += 1
                return true
            }
        }
        #expect(try give(packets[first]) == nil)
        var failures = 0
        for round in 0..<200 {
            var rubbish = packets[1 - first]
            rubbish[100 + round] ^= 0x10
            do { #expect(try give(rubbish) == nil) } catch { failures += 1 }
            #expect(calls.count <= 1)
        }
        // Soon there is no call any more, and what does not open makes none.
        #expect(calls.count == 0)
        #expect(failures > 160)
        #expect(asked == failures)
        #expect(try give(packets[first]) == nil)
        #expect(try give(packets[1 - first]) != nil)
    }
}
