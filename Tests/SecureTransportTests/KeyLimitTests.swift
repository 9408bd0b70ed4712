import CNGTCP2
import Noise
import Paths
import Testing

@testable import SecureTransport

/// Key updates and the limits of RFC 9001 §6.6, here made small.
@Suite struct KeyLimitTests {
    private func network(
        _ cipher: PacketCipher, relay: Link = Link(), _ change: (inout SessionConfiguration) -> Void
    ) throws -> VirtualNetwork {
        var configuration = SessionConfiguration()
        configuration.ciphers = [cipher]
        change(&configuration)
        let network = try VirtualNetwork(client: configuration, server: configuration, relay: relay)
        try #require(network.connect())
        return network
    }

    @Test(arguments: PacketCipher.available()) func keysAreUpdatedThroughLossAndHeavyReordering(
        cipher: PacketCipher
    ) throws {
        let rough = Link(
            delay: .milliseconds(20), jitter: .milliseconds(40), bitsPerSecond: 50e6, loss: 0.03, duplication: 0.02)
        let network = try network(cipher, relay: rough) { $0.keyUpdateInterval = 100 }
        let server = try #require(network.server)
        let stream = try network.client.session.openStream()
        network.client.send(pattern(1_500_000), on: stream, finish: true)
        let back = try server.session.openStream()
        server.send(pattern(1_500_000, seed: 3), on: back, finish: true)
        #expect(
            network.run(for: .seconds(200)) {
                server.finished.contains(stream) && network.client.finished.contains(back)
            })
        let isWhole =
            server.received[stream] == pattern(1_500_000)
            && network.client.received[back] == pattern(1_500_000, seed: 3)
        #expect(isWhole)
        #expect(network.client.session.statistics.keyUpdates >= 3)
    }

    @Test(arguments: PacketCipher.available(), [VirtualNetwork.Side.client, .server])
    func keysAreUpdatedAtTheConfidentialityLimitAtLast(cipher: PacketCipher, sender: VirtualNetwork.Side) throws {
        // Nobody updates of their own accord, and a limit lies in the middle of the transfer: ngtcp2 sees to it.
        // (At this rate: an update has to be acknowledged for a while before the next.)
        let network = try network(cipher, relay: Link(bitsPerSecond: 10e6)) {
            $0.keyUpdateInterval = .max
            $0.confidentialityLimit = 1000
        }
        let (end, other) = (try #require(network.end(sender)), try #require(network.end(sender.other)))
        other.keepsBytes = false
        let stream = try end.session.openStream()
        end.send(pattern(5_000_000), on: stream, finish: true)
        #expect(network.run { other.finished.contains(stream) })
        #expect(other.receivedCount[stream] == 5_000_000)
        #expect(end.session.statistics.packetsSent > 3000)
        #expect(end.closeReason == nil)
    }

    @Test(arguments: PacketCipher.available()) func aSessionEndsBeforeAKeyIsUsedTooOften(cipher: PacketCipher) throws {
        // So small that the limit comes before the first update is acknowledged.
        let network = try network(cipher) {
            $0.keyUpdateInterval = .max
            $0.confidentialityLimit = 4
        }
        let stream = try network.client.session.openStream()
        network.client.send(pattern(1_000_000), on: stream)
        #expect(network.run { network.client.closeReason != nil })
        #expect(network.client.closeReason == .transport(code: UInt64(NGTCP2_AEAD_LIMIT_REACHED)))
    }

    @Test(arguments: PacketCipher.available()) func aSessionEndsAtTheIntegrityLimitAndNotBefore(
        cipher: PacketCipher
    ) throws {
        let network = try network(cipher) { $0.integrityLimit = 100 }
        let server = try #require(network.server)
        let stream = try network.client.session.openStream()
        var packet: [UInt8] = []
        network.tap = { side, _, bytes in if side == .client, bytes.count > 1000 { packet = bytes } }
        network.client.send(pattern(20_000), on: stream)
        #expect(network.run { server.receivedCount[stream] == 20_000 })
        try #require(!packet.isEmpty)
        // Forgeries keep their header, so that the key they belong to is found.
        packet[packet.count - 1] ^= 1
        func forge() { network.deliver(packet, to: .server, on: .relay) }
        for _ in 0..<99 { forge() }
        #expect(server.session.isEstablished)
        #expect(server.session.statistics.packetsRejected == 99)
        network.client.send(pattern(10), on: stream)
        #expect(network.run { server.receivedCount[stream] == 20_010 })
        forge()
        #expect(!server.session.isEstablished)
        server.handleEvents()
        #expect(server.closeReason == .transport(code: UInt64(NGTCP2_AEAD_LIMIT_REACHED)))
    }
}
