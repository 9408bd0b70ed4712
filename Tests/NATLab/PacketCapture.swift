import CNATLab
import Foundation

/// A packet as a host sent or received it.
package struct CapturedPacket: Sendable {
    /// The protocol above IP: 6 is TCP, 17 is UDP.
    package let transport: UInt8
    package let isOutgoing: Bool
    package let source: LabEndpoint
    package let destination: LabEndpoint
    /// Length of the IP packet in bytes.
    package let length: Int
    /// The payload's first bytes, up to 64.
    package let beginning: [UInt8]

    package var isUDP: Bool { transport == 17 }
}

/// A record of all IP packets of one host, loopback left out.
///
/// It is a packet socket read by the test itself: what is sent after its making is in it, without the start-up gap of
/// a separate program.
package final class PacketCapture: Sendable {
    private let descriptor: Int32
    private let record = Watched<[CapturedPacket]>([])
    private let lost = Locked(0)

    init(descriptor: Int32) {
        self.descriptor = descriptor
        Reactor.shared.watch(descriptor) { [weak self] in self?.read() }
    }

    deinit { Reactor.shared.close(descriptor) }

    /// All packets so far.
    package var packets: [CapturedPacket] { record.value }

    /// Packets that the kernel had no room for: a proof of absence needs this to be zero.
    package var lostPackets: Int {
        lost.withLock { lost in
            lost += max(0, natlab_capture_lost(descriptor))
            return lost
        }
    }

    /// Waits for a packet that satisfies the condition.
    package func first(
        _ what: String, within limit: Duration = .seconds(5),
        where matches: @escaping @Sendable (CapturedPacket) -> Bool
    ) async throws -> CapturedPacket {
        try await record.first(
            what, within: limit, describe: { "\($0.count) packets" }, { packets in packets.first(where: matches) })
    }

    /// The number of UDP packets that the host sent to other ports than those given.
    package func outgoingUDP(toPortsOtherThan ports: Set<UInt16> = []) -> Int {
        packets.count { $0.isUDP && $0.isOutgoing && !ports.contains($0.destination.port) }
    }

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var packets: [CapturedPacket] = []
        var packet = natlab_packet()
        while natlab_capture_read(descriptor, &buffer, buffer.count, &packet) == 1 {
            guard !packet.loopback else { continue }
            if let parsed = CapturedPacket(buffer[..<packet.length], isOutgoing: packet.outgoing) {
                packets.append(parsed)
            }
        }
        record.update { $0 += packets }
    }
}

extension CapturedPacket {
    /// Reads an IPv4 or IPv6 packet; nil when it is neither. Extension headers of IPv6 are not followed.
    init?(_ bytes: ArraySlice<UInt8>, isOutgoing: Bool) {
        let bytes = Array(bytes)
        let isIPv6 = bytes.first.map { $0 >> 4 == 6 } ?? false
        let headerLength = isIPv6 ? 40 : Int(bytes.first ?? 0) % 16 * 4
        guard headerLength >= 20, bytes.count >= headerLength + 4, isIPv6 || bytes[0] >> 4 == 4 else { return nil }
        func port(_ offset: Int) -> UInt16 {
            UInt16(bytes[headerLength + offset]) << 8 | UInt16(bytes[headerLength + offset + 1])
        }
        transport = bytes[isIPv6 ? 6 : 9]
        let hasPorts = transport == 6 || transport == 17
        let (first, second) = isIPv6 ? (8..<24, 24..<40) : (12..<16, 16..<20)
        source = LabEndpoint(Self.text(bytes[first]), hasPorts ? port(0) : 0)
        destination = LabEndpoint(Self.text(bytes[second]), hasPorts ? port(2) : 0)
        self.isOutgoing = isOutgoing
        length = bytes.count
        beginning = Array(bytes.dropFirst(headerLength + 8).prefix(64))
    }

    private static func text(_ address: ArraySlice<UInt8>) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        _ = inet_ntop(address.count == 4 ? AF_INET : AF_INET6, Array(address), &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
