import Noise
import Paths
import Testing

@testable import SecureTransport

/// One path that is not a good one.
@Suite struct NetworkTests {
    @Test(arguments: [
        Link(loss: 0.2), Link(jitter: .milliseconds(50)), Link(duplication: 0.5), Link(corruption: 0.2),
        Link(jitter: .milliseconds(20), loss: 0.1, duplication: 0.1, corruption: 0.1),
    ])
    func everythingArrivesInOrder(link: Link) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let network = try VirtualNetwork(seed: seed, relay: link)
            try #require(network.connect())
            let server = try #require(network.server)
            let stream = try network.client.session.openStream()
            let back = try server.session.openStream()
            network.client.send(pattern(300_000), on: stream, finish: true)
            server.send(pattern(200_000, seed: 1), on: back, finish: true)
            #expect(
                network.run(for: .seconds(120)) {
                    server.finished.contains(stream) && network.client.finished.contains(back)
                })
            #expect(server.received[stream] == pattern(300_000))
            #expect(network.client.received[back] == pattern(200_000, seed: 1))
        }
    }

    @Test func recoversFromABlackout() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        let stream = try network.client.session.openStream()
        network.client.send(pattern(3_000_000), on: stream, finish: true)
        network.run { server.receivedCount[stream, default: 0] > 100_000 }
        network.change(.relay) { $0.isDark = true }
        network.run(for: .seconds(20))
        network.change(.relay) { $0.isDark = false }
        #expect(network.run(for: .seconds(40)) { server.finished.contains(stream) })
        #expect(server.received[stream] == pattern(3_000_000))
    }

    @Test func aSilentPeerIsGivenUpAfterTheIdleTimeout() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        network.run(for: .seconds(1))
        let cut = network.now
        network.change(.relay) { $0.isDark = true }
        #expect(network.run(for: .seconds(100)) { network.client.closeReason != nil })
        #expect(network.client.closeReason == .idleTimeout)
        // At most one keep-alive interval lies between what was last heard and the first unanswered packet.
        #expect((.seconds(59)...(.seconds(82))).contains(network.now - cut))
        #expect(network.run(for: .seconds(100)) { network.server?.closeReason == .idleTimeout })
        #expect(network.client.session.isFinished)
        #expect(network.client.session.nextTimeout == nil)
    }

    @Test func keepAliveHoldsAnIdleSession() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        network.run(for: .seconds(600))
        #expect(network.client.closeReason == nil)
        #expect(network.server?.closeReason == nil)
        #expect(network.client.session.isEstablished)
    }

    @Test func aCallToNobodyEndsWithTheHandshakeTimeout() throws {
        var dark = Link()
        dark.isDark = true
        let network = try VirtualNetwork(relay: dark)
        #expect(network.run(for: .seconds(30)) { network.client.closeReason != nil })
        #expect(network.client.closeReason == .handshakeTimeout)
        #expect((.seconds(10)...(.seconds(11))).contains(network.now - VirtualNetwork.start))
        #expect(network[.relay, from: .client].packets < 12)
    }

    @Test(arguments: PacketCipher.available()) func keysAreUpdatedUnderLoad(cipher: PacketCipher) throws {
        var configuration = SessionConfiguration()
        configuration.keyUpdateInterval = 300
        configuration.ciphers = [cipher]
        let network = try VirtualNetwork(
            client: configuration, server: configuration, relay: Link(jitter: .milliseconds(5), loss: 0.02))
        try #require(network.connect())
        let server = try #require(network.server)
        let stream = try network.client.session.openStream()
        let back = try server.session.openStream()
        network.client.send(pattern(3_000_000), on: stream, finish: true)
        server.send(pattern(3_000_000, seed: 3), on: back, finish: true)
        #expect(
            network.run(for: .seconds(200)) {
                server.finished.contains(stream) && network.client.finished.contains(back)
            })
        #expect(server.received[stream] == pattern(3_000_000))
        #expect(network.client.received[back] == pattern(3_000_000, seed: 3))
        #expect(network.client.session.statistics.keyUpdates >= 3)
        #expect(server.session.statistics.keyUpdates == 0)
    }

    @Test func aKeyUpdateCanBeAskedForAndNotTooOften() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        network.run(for: .seconds(1))
        #expect(network.client.session.updateKeys())
        #expect(!network.client.session.updateKeys())
        network.run(for: .seconds(30))
        #expect(network.server?.session.updateKeys() == false)
        #expect(network.client.session.updateKeys())
        let stream = try network.client.session.openStream()
        network.client.send(pattern(50_000), on: stream, finish: true)
        #expect(network.run { network.server?.finished.contains(stream) == true })
    }

    @Test func aBulkTransferFillsThePath() throws {
        let network = try VirtualNetwork(relay: Link(delay: .milliseconds(5), bitsPerSecond: 100e6))
        try #require(network.connect())
        let server = try #require(network.server)
        server.keepsBytes = false
        let stream = try network.client.session.openStream()
        let begin = network.now
        network.client.send(pattern(20 << 20), on: stream, finish: true)
        #expect(network.run { server.finished.contains(stream) })
        let seconds = (network.now - begin).inMilliseconds / 1000
        #expect(Double(20 << 20) * 8 / seconds > 60e6)
    }
}

extension NetworkTests {
    @Test(arguments: [VirtualNetwork.Side.client, .server]) func keysAreUpdatedWhoeverSends(
        side: VirtualNetwork.Side
    ) throws {
        var configuration = SessionConfiguration()
        configuration.keyUpdateInterval = 300
        let network = try VirtualNetwork(client: configuration, server: configuration, relay: Link(bitsPerSecond: 25e6))
        try #require(network.connect())
        let (sender, receiver) = (try #require(network.end(side)), try #require(network.end(side.other)))
        receiver.keepsBytes = false
        let stream = try sender.session.openStream()
        sender.send(pattern(5_000_000), on: stream, finish: true)
        #expect(network.run { receiver.finished.contains(stream) })
        #expect(network.client.session.statistics.keyUpdates >= 3)
    }
}
