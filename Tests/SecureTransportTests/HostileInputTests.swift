import Noise
import Paths
import TestTools
import Testing

@testable import SecureTransport

/// What strangers, and the network, can put in front of a session.
@Suite struct HostileInputTests {
    /// The first datagrams of a call and the keys that they are for.
    private func firstPackets() throws -> (packets: [[UInt8]], network: VirtualNetwork) {
        let network = try VirtualNetwork(greeting: VirtualNetwork.longGreeting)
        return (network.client.session.packets(now: network.now), network)
    }

    private func call(_ packets: [[UInt8]], _ network: VirtualNetwork) throws(TransportError) -> IncomingCall {
        try IncomingCall(packets, to: network.serverKeys.publicKey, now: network.now)
    }

    @Test(arguments: [0, 1]) func aFirstPacketTamperedWithAtAnyByteIsNotForUs(which: Int) throws {
        let (packets, network) = try firstPackets()
        let packet = packets[which]
        for index in packet.indices {
            var tampered = packet
            tampered[index] ^= 1 << UInt8(index % 8)
            #expect(throws: TransportError.notForUs, "byte \(index)") { try call([tampered], network) }
        }
        #expect(try !call([packet], network).isComplete)
        #expect(try call(packets, network).isComplete)
    }

    @Test(arguments: [0, 1]) func aFirstPacketCutAnywhereIsNotForUs(which: Int) throws {
        let (packets, network) = try firstPackets()
        for length in packets[which].indices {
            #expect(throws: TransportError.notForUs, "\(length) bytes") {
                try call([Array(packets[which][..<length])], network)
            }
        }
    }

    @Test(arguments: [[0, 1], [1, 0]]) func theRestOfACallTamperedWithAtAnyByteChangesNothing(order: [Int]) throws {
        let (packets, network) = try firstPackets()
        var call = try call([packets[order[0]]], network)
        for index in packets[order[1]].indices {
            // Each looks at a bounded number of datagrams.
            if index % 24 == 0 { call = try self.call([packets[order[0]]], network) }
            var tampered = packets[order[1]]
            tampered[index] ^= 1 << UInt8(index % 8)
            tampered.withUnsafeBytes { call.receive($0, now: network.now) }
            #expect(call.isAlive && !call.isComplete, "byte \(index)")
        }
        packets[order[1]].withUnsafeBytes { call.receive($0, now: network.now) }
        #expect(call.isComplete)
        _ = try SecureSession.accept(
            call, keys: network.serverKeys.copy(), on: .relay, authorize: { _, _ in [] }, now: network.now)
    }

    @Test func packetsOfAHandshakeTamperedWithAtAnyByteAreIgnored() throws {
        let network = try VirtualNetwork()
        network.tap = { [unowned network] side, path, bytes in
            guard side == .server || network.server != nil, bytes.count > 1 else { return }
            for index in stride(from: 0, to: bytes.count, by: bytes.count > 200 ? 7 : 1) {
                var tampered = bytes
                tampered[index] ^= 0x20
                network.deliver(tampered, to: side.other, on: path)
            }
        }
        #expect(network.connect())
        let stream = try network.client.session.openStream()
        network.client.send(pattern(3000), on: stream, finish: true)
        network.run { network.server?.finished.contains(stream) == true }
        #expect(network.server?.received[stream] == pattern(3000))
        #expect(network.client.closeReason == nil)
        #expect(network.server?.closeReason == nil)
    }

    @Test func packetsCutAnywhereAreIgnored() throws {
        let network = try VirtualNetwork()
        network.tap = { [unowned network] side, path, bytes in
            guard side == .server || network.server != nil else { return }
            for length in stride(from: 0, to: bytes.count, by: bytes.count > 200 ? 13 : 1) {
                network.deliver(Array(bytes[..<length]), to: side.other, on: path)
            }
        }
        #expect(network.connect())
        let stream = try network.client.session.openStream()
        network.client.send(pattern(3000), on: stream, finish: true)
        network.run { network.server?.finished.contains(stream) == true }
        #expect(network.server?.received[stream] == pattern(3000))
    }

    @Test(arguments: 1...4) func rubbishIsIgnoredInEveryState(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let network = try VirtualNetwork(seed: seed)
        func rubbish(for session: SecureSession?) -> [UInt8] {
            let count = Int.random(in: 0...1500, using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let firsts: [UInt8] = [0x40, 0x43, 0x80, 0xC0, 0xC3, 0xD0, 0xE0, 0xF0, 0x00]
            if count > 30 {
                bytes[0] = firsts.randomElement(using: &generator) ?? 0x40
                if bytes[0] >= 0xC0 {
                    bytes.replaceSubrange(1..<6, with: [0, 0, 0, UInt8.random(in: 0...1, using: &generator), 16])
                    if let session { bytes.replaceSubrange(6..<14, with: session.tag.bytes) }
                } else if let session {
                    bytes.replaceSubrange(1..<9, with: session.tag.bytes)
                }
            }
            return bytes
        }
        func throwRubbish() {
            for _ in 0..<300 {
                network.deliver(rubbish(for: network.client.session), to: .client, on: .relay)
                network.deliver(rubbish(for: network.server?.session), to: .server, on: .relay)
            }
        }
        throwRubbish()
        #expect(network.connect())
        throwRubbish()
        let stream = try network.client.session.openStream()
        network.client.send(pattern(20_000), on: stream, finish: true)
        network.run { network.server?.finished.contains(stream) == true }
        #expect(network.server?.received[stream] == pattern(20_000))
        network.client.session.close(code: 1, reason: "", now: network.now)
        throwRubbish()
        network.run { network.server?.closeReason != nil }
        throwRubbish()
        #expect(network.server?.closeReason == .remote(code: 1, reason: ""))
    }

    @Test func nothingButWhatThePeerSendsIsHeard() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        var packets: [[UInt8]] = []
        network.tap = { side, _, bytes in if side == .client { packets.append(bytes) } }
        let stream = try network.client.session.openStream()
        network.client.send(pattern(5000), on: stream)
        network.run { server.receivedCount[stream] == 5000 }
        network.run(for: .seconds(2))
        let heard = try #require(server.session.heardAt)
        #expect(heard < network.now)
        // Its packets and probes again, copies of them with another end, and rubbish with its tag in front.
        #expect(packets.contains { $0.first == 0x80 } && packets.contains { $0.first != 0x80 })
        for packet in packets {
            network.deliver(packet, to: .server, on: .relay)
            network.deliver(packet.dropLast() + [packet[packet.count - 1] ^ 1], to: .server, on: .relay)
        }
        for first: UInt8 in [0x43, 0x80] {
            network.deliver([first] + server.session.tag.bytes + pattern(60), to: .server, on: .relay)
        }
        #expect(server.session.heardAt == heard)
        network.client.send([1], on: stream)
        #expect(network.run { server.receivedCount[stream] == 5001 })
        #expect(try #require(server.session.heardAt) > heard)
    }

    @Test func versionNegotiationAndRetryFromTheNetworkChangeNothing() throws {
        let network = try VirtualNetwork()
        var first: [UInt8] = []
        network.tap = { side, _, bytes in if first.isEmpty { first = bytes } }
        network.run(for: .milliseconds(1))
        let destination = first[6..<22]
        let source = first[23..<39]
        let swapped = [16] + Array(source) + [16] + Array(destination)
        let negotiation: [UInt8] = [0xC0, 0, 0, 0, 0] + swapped + [0x6b, 0x33, 0x43, 0xcf]
        let retry: [UInt8] = [0xF0, 0, 0, 0, 1] + swapped + [UInt8](repeating: 7, count: 40)
        for packet in [negotiation, retry] {
            network.deliver(packet, to: .client, on: .relay)
            network.deliver(first + packet, to: .client, on: .relay)
        }
        #expect(network.connect())
    }

    @Test func repeatedPacketsDeliverNothingTwice() throws {
        let network = try VirtualNetwork()
        #expect(network.connect())
        var seen: [(VirtualNetwork.Side, PathID, [UInt8])] = []
        network.tap = { seen.append(($0, $1, $2)) }
        let stream = try network.client.session.openStream()
        network.client.send(pattern(10_000), on: stream, finish: true)
        try network.client.session.sendDatagram([1, 2, 3])
        network.run { network.server?.finished.contains(stream) == true }
        network.tap = nil
        for (side, path, bytes) in seen {
            network.deliver(bytes, to: side.other, on: path)
            network.deliver(bytes, to: side, on: path)
        }
        network.run(for: .seconds(1))
        #expect(network.server?.received[stream] == pattern(10_000))
        #expect(network.server?.datagrams == [[1, 2, 3]])
    }

    @Test func forgedAndRepeatedProbesChangeNothing() throws {
        let network = try VirtualNetwork()
        #expect(network.connect())
        let server = try #require(network.server)
        let before = server.events.count
        for index in 0..<2000 {
            var packet: [UInt8] = [0x80] + server.session.tag.bytes
            packet += (0..<(index % 60)).map { UInt8(truncatingIfNeeded: $0 &* index) }
            network.deliver(packet, to: .server, on: .relay)
        }
        network.run(for: .seconds(1))
        #expect(server.events.count == before)
        #expect(server.session.isEstablished)
    }
}
