import Foundation

/// An address and a UDP port, in text as the tools write it.
package struct LabEndpoint: Hashable, Sendable, CustomStringConvertible {
    package let address: String
    package let port: UInt16

    package init(_ address: String, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    package var description: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }
}

/// A plain UDP socket on a host of the laboratory, used from the test itself.
package final class UDPProbe: Sendable {
    package struct Datagram: Sendable {
        package let text: String
        package let from: LabEndpoint
    }

    /// The port it is bound to.
    package let port: UInt16

    private let descriptor: Int32
    private let isIPv6: Bool
    private let received = Watched<[Datagram]>([])

    /// - Parameter port: zero lets the kernel choose.
    init(on host: LabHost, port: UInt16, ipv6: Bool) throws {
        isIPv6 = ipv6
        let descriptor = try host.holder.socket(
            network: host.name, domain: ipv6 ? AF_INET6 : AF_INET, type: Int32(SOCK_DGRAM.rawValue))
        let any = try SocketAddress(LabEndpoint(ipv6 ? "::" : "0.0.0.0", port))
        guard any.withPointer({ bind(descriptor, $0, $1) }) == 0 else {
            Glibc.close(descriptor)
            throw lastError("bind port \(port) on \(host.name)")
        }
        self.descriptor = descriptor
        self.port = SocketAddress.read { getsockname(descriptor, $0, $1) }?.endpoint.port ?? 0
        Reactor.shared.watch(descriptor) { [weak self] in self?.receive() }
    }

    deinit { Reactor.shared.close(descriptor) }

    /// Sends a datagram. What the network does with it is the network's business, so errors from it are not reported.
    package func send(_ text: String, to destination: LabEndpoint) throws {
        let bytes = Array(text.utf8)
        _ = try SocketAddress(destination).withPointer { address, length in
            retrying { sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length) }
        }
    }

    /// Waits for a datagram with this text, and returns where it came from. Those before it are dropped.
    @discardableResult
    package func receive(_ text: String, within limit: Duration = .seconds(5)) async throws -> LabEndpoint {
        try await received.first("datagram '\(text)'", within: limit) { datagrams in
            guard let index = datagrams.firstIndex(where: { $0.text == text }) else { return nil }
            defer { datagrams.removeSubrange(...index) }
            return datagrams[index].from
        }
    }

    /// Waits for a datagram with this text, and returns the texts of those that came before it. Sent after another
    /// on the same way, it proves that the other was lost.
    package func texts(before text: String, within limit: Duration = .seconds(5)) async throws -> [String] {
        try await received.first("datagram '\(text)'", within: limit) { datagrams in
            guard let index = datagrams.firstIndex(where: { $0.text == text }) else { return nil }
            defer { datagrams.removeSubrange(...index) }
            return datagrams[..<index].map(\.text)
        }
    }

    /// Everything received so far and not taken.
    package var datagrams: [Datagram] { received.value }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            var count = 0
            let from = SocketAddress.read { address, length in
                count = retrying { recvfrom(descriptor, &buffer, buffer.count, 0, address, length) }
                return count < 0 ? -1 : 0
            }
            // An error other than "nothing there" is an ICMP message about an earlier datagram.
            guard let from else {
                if errno == EAGAIN { return } else { continue }
            }
            let datagram = Datagram(text: String(decoding: buffer[..<count], as: UTF8.self), from: from.endpoint)
            received.update { $0.append(datagram) }
        }
    }
}
