import Noise
import Paths
import TestTools
import Testing

@testable import SecureTransport

/// What somebody can do who knows the answerer's key and has seen the first packet: the relay, for one.
@Suite struct ForgedInitialTests {
    /// An Initial packet made by hand, from what `docs/protocol/session.md` says and RFC 9000 and 9001.
    private func initial(
        from first: [UInt8], to responder: PublicKey, number: UInt32, frames: [UInt8]
    ) -> [UInt8] {
        let destination = Array(first[6..<22])
        let source = Array(first[23..<39])
        let secrets = KeySchedule.initialSecrets(responder: responder, firstConnectionID: destination)
        let payload = frames + [UInt8](repeating: 0, count: 1150 - frames.count)
        let length = payload.count + 4 + 16
        let numberBytes = (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
        var packet: [UInt8] = [0xC3, 0, 0, 0, 1, 16] + destination + [16] + source + [0]
        packet += [0x40 | UInt8(length >> 8), UInt8(length & 0xFF)] + numberBytes
        let counters = UnsafeMutablePointer<PacketCounters>.allocate(capacity: 1)
        counters.initialize(to: PacketCounters())
        defer { counters.deallocate() }
        return secrets.client.withUnsafeBytes { secret in
            var nonce = [UInt8](repeating: 0, count: 12)
            guard
                let key = nonce.withUnsafeMutableBytes({
                    PacketKey.make(
                        cipher: .chaCha20Poly1305, direction: .seal, level: .initial, secret: secret, iv: $0,
                        counters: counters)
                })
            else { return [] }
            defer { PacketKey.destroy(key) }
            guard let header = HeaderProtectionKey.make(cipher: .chaCha20Poly1305, secret: secret) else { return [] }
            defer { HeaderProtectionKey.destroy(header) }
            for index in 0..<4 { nonce[8 + index] ^= numberBytes[index] }
            var sealed = [UInt8](repeating: 0, count: payload.count + 16)
            _ = PacketKey.seal(key, into: &sealed, payload, payload.count, nonce: nonce, ad: packet, packet.count)
            var mask = [UInt8](repeating: 0, count: 5)
            _ = HeaderProtectionKey.mask(header, sample: Array(sealed[0..<16]), into: &mask)
            let numberOffset = packet.count - 4
            packet[0] ^= mask[0] & 0x0F
            for index in 0..<4 { packet[numberOffset + index] ^= mask[1 + index] }
            return packet + sealed
        }
    }

    private func crypto(offset: Int, _ bytes: [UInt8]) -> [UInt8] {
        func variable(_ value: Int) -> [UInt8] { [0x40 | UInt8(value >> 8), UInt8(value & 0xFF)] }
        return [0x06] + variable(offset) + variable(bytes.count) + bytes
    }

    private func firstPacket(_ network: VirtualNetwork) -> [UInt8] {
        var first: [UInt8] = []
        network.tap = { _, _, bytes in if first.isEmpty { first = bytes } }
        network.flush()
        network.tap = nil
        return first
    }

    private func accept(_ packet: [UInt8], _ network: VirtualNetwork) throws(TransportError) -> SecureSession {
        try SecureSession.accept([packet], keys: network.serverKeys.copy(), now: network.now)
    }

    @Test(
        arguments: [
            [0x01], [0x02, 0, 0, 0, 0], [0x1C, 0x01, 0, 0], [0x06, 0, 3, 1, 0, 0], [0x06, 0, 3, 9, 0, 0],
            [0x06, 0, 3, 2, 0, 0],
            [0x06, 0x40, 0x64, 3, 1, 0, 0], [0x06, 0, 3, 3, 0, 0], [0xFF], [0x08, 0, 1],
        ] as [[UInt8]])
    func nothingButAValidFirstMessageStartsASession(frames: [UInt8]) throws {
        let network = try VirtualNetwork()
        let first = firstPacket(network)
        let forged = initial(from: first, to: network.serverKeys.publicKey, number: 0, frames: frames)
        #expect(throws: TransportError.self) { try accept(forged, network) }
    }

    @Test func aFirstMessageWithRandomContentsIsRefused() throws {
        let network = try VirtualNetwork()
        let first = firstPacket(network)
        var generator = SeededGenerator(seed: 4)
        for length in [0, 1, 31, 32, 80, 96, 200, 1000] {
            let body = [1, 2] + (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let message: [UInt8] = [1, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
            let forged = initial(
                from: first, to: network.serverKeys.publicKey, number: 0, frames: crypto(offset: 0, message))
            #expect(throws: TransportError.handshakeFailed) { try accept(forged, network) }
        }
    }

    @Test func whatIsAddedAfterTheFirstMessageDoesNotSpoilTheHandshake() throws {
        let network = try VirtualNetwork(greeting: VirtualNetwork.longGreeting)
        let first = firstPacket(network)
        network.run(for: .milliseconds(12))
        let server = try #require(network.server)
        for number in 2...20 as ClosedRange<UInt32> {
            // From the middle of the message to behind its end.
            let frames = crypto(offset: 1300 + 20 * Int(number), [3, 0, 32, 1, 2, 3])
            let forged = initial(
                from: first, to: network.serverKeys.publicKey, number: number, frames: frames)
            network.deliver(forged, to: .server, on: .relay)
        }
        #expect(server.closeReason == nil)
        #expect(network.connect())
    }

    /// Who forges a part of message 1 before the true one comes makes that call fail, as it could in the first packet. The caller tries again.
    @Test func aForgedPartOfTheFirstMessageSpoilsNoMoreThanOneTry() throws {
        let network = try VirtualNetwork(greeting: VirtualNetwork.longGreeting)
        let first = firstPacket(network)
        let forged = initial(
            from: first, to: network.serverKeys.publicKey, number: 9,
            frames: crypto(offset: 0, [1, 0x05, 0x00] + [UInt8](repeating: 1, count: 600)))
        network.deliver(forged, to: .server, on: .relay)
        #expect(network.calls.count == 1)
        #expect(network.connect())
        #expect(network.acceptErrors.count <= 2)
        #expect(network.client.session.suite == .hybrid)
    }
}
