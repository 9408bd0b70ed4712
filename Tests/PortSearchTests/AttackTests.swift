import Paths
import Testing
import Wire

@testable import PortSearch

/// What somebody without the secret, or the peer itself, can do with packets.
struct AttackTests {
    private let source = Endpoint(address: hardAddress, port: 2_000)

    private func probe() -> [UInt8] {
        var probing = prober(ports: [2_000])
        return probing.nextPacket(now: start)?.bytes ?? []
    }

    /// Whether the opener answers a datagram.
    private func isAnswered(_ datagram: [UInt8], from: Endpoint = proberEndpoint) -> Bool {
        var opening = opener()
        opening.receive(datagram, from: from, socket: 5, now: start)
        return opening.nextPacket(now: start)?.socket == 5
    }

    @Test func takesTheGenuineProbe() { #expect(isAnswered(probe())) }

    @Test func refusesEveryFlippedBitAndEveryOtherLength() {
        let genuine = probe()
        for bit in 0..<(genuine.count * 8) {
            var damaged = genuine
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(!isAnswered(damaged), "bit \(bit)")
        }
        for count in 0..<genuine.count { #expect(!isAnswered(Array(genuine.prefix(count)))) }
        #expect(!isAnswered(genuine + [0]))
        #expect(!isAnswered([UInt8](repeating: 0x10, count: 65_535)))
    }

    @Test func refusesWhatComesFromElsewhere() {
        #expect(!isAnswered(probe(), from: Endpoint(address: proberEndpoint.address, port: 40_001)))
        #expect(!isAnswered(probe(), from: Endpoint(address: .v4(198, 51, 100, 10), port: 40_000)))
    }

    @Test func refusesOtherSearchesOtherSecretsAndReflections() {
        for (id, secret) in [(2, 10), (1, 11)] as [(UInt8, UInt8)] {
            let other = keys(isOfferer: true, id: id, own: secret)
            let opened = other.open(probe())
            #expect(opened == nil)
        }
        // Our own packets sent back to us.
        let own = keys(isOfferer: true)
        let reflected = own.open(own.seal(SearchPacket(kind: .probe, port: 2_000, number: 1)))
        #expect(reflected == nil)
        let peer = keys(isOfferer: false)
        let genuine = peer.open(own.seal(SearchPacket(kind: .reply, port: 2_000, number: 1)))
        #expect(genuine != nil)
    }

    @Test func aReplyMustNameThePortItComesFromAndTheNumber() {
        for (port, number, from) in [
            (2_000, 78, source), (2_001, 77, source), (2_000, 77, Endpoint(address: hardAddress, port: 2_001)),
            (2_000, 77, Endpoint(address: .v4(203, 0, 113, 8), port: 2_000)),
        ] as [(UInt16, UInt32, Endpoint)] {
            var probing = prober(ports: [2_000])
            let own = keys(isOfferer: true)
            probing.receive(
                own.seal(SearchPacket(kind: .reply, port: port, number: number)), from: from, socket: 0, now: start)
            let probingOutcome = probing.outcome
            #expect(probingOutcome == .searching)
        }
    }

    @Test func aConfirmationWithoutAProbeSaysNothing() {
        var opening = opener()
        let peer = keys(isOfferer: false)
        for kind in [SearchPacket.Kind.confirmation, .reply, .opening] {
            opening.receive(
                peer.seal(SearchPacket(kind: kind, port: 2_000, number: 77)), from: proberEndpoint, socket: 3,
                now: start)
        }
        let openingOutcome = opening.outcome
        #expect(openingOutcome == .searching)
    }

    /// The peer itself cannot have us send more than the rate, nor keep more than some hits.
    @Test func aFloodOfGenuinePacketsIsBounded() {
        var opening = opener()
        var probing = prober(ports: [])
        let own = keys(isOfferer: true)
        let peer = keys(isOfferer: false)
        for port in 1_024..<6_000 as Range<UInt16> {
            opening.receive(
                peer.seal(SearchPacket(kind: .probe, port: port, number: UInt32(port))), from: proberEndpoint,
                socket: Int(port) % SearchLimits.sockets, now: start)
            probing.receive(
                own.seal(SearchPacket(kind: .opening)), from: Endpoint(address: hardAddress, port: port), socket: 0,
                now: start)
        }
        var (replies, probes) = (0, 0)
        for step in 0..<400 as Range<Int64> {
            let now = start + .milliseconds(step * 10)
            while let packet = opening.nextPacket(now: now) { if packet.bytes[9] == 3 { replies += 1 } }
            while probing.nextPacket(now: now) != nil { probes += 1 }
        }
        #expect(replies == SearchLimits.maximumHits * SearchLimits.repetitions)
        #expect(probes == SearchLimits.maximumUrgent)
    }

    @Test func secretsOfOtherSizesGiveNoKeys() {
        for (id, own, peer) in [(15, 32, 32), (16, 31, 32), (16, 32, 33), (0, 0, 0)] {
            let made = SearchKeys(
                connectionID: [UInt8](repeating: 0, count: id), own: [UInt8](repeating: 0, count: own),
                peer: [UInt8](repeating: 0, count: peer), isOfferer: true)
            switch consume made {
            case .none: break
            case .some: Issue.record("\(id) \(own) \(peer)")
            }
        }
    }

    @Test(
        arguments: [
            ("203.0.113.7", 40_000, true), ("8.8.8.8", 1_024, true), ("8.8.8.8", 1_023, false), ("8.8.8.8", 53, false),
            ("10.0.0.1", 40_000, false), ("172.16.3.4", 40_000, false), ("192.168.1.1", 40_000, false),
            ("127.0.0.1", 40_000, false), ("169.254.1.1", 40_000, false), ("100.64.0.1", 40_000, false),
            ("100.127.255.255", 40_000, false), ("100.128.0.1", 40_000, true), ("224.0.0.1", 40_000, false),
            ("239.1.1.1", 40_000, false), ("255.255.255.255", 40_000, false), ("240.0.0.1", 40_000, false),
            ("0.0.0.0", 40_000, false), ("192.0.0.8", 40_000, false), ("198.18.0.1", 40_000, false),
            ("198.51.100.9", 40_000, false), ("2001:db8::1", 40_000, false), ("::1", 40_000, false),
        ] as [(String, UInt16, Bool)])
    func searchesPublicAddressesOnly(text: String, port: UInt16, isAllowed: Bool) throws {
        let endpoint = Endpoint(address: try IPAddress(text), port: port)
        #expect(SearchTarget.isAllowed(endpoint, own: proberEndpoint) == isAllowed)
    }
}
