import Glibc
import Wire

/// A UDP socket that sends to one port of a gateway, and hears what comes from there only: it is connected. Blocks nobody.
final class GatewaySocket {
    /// What is there to be read.
    enum Arrival {
        case datagram([UInt8])
        case nothing
        /// Nobody listens at the port (ICMP), or there is no way to it.
        case unreachable
    }

    private static let maximumDiscarded = 64

    let descriptor: Int32
    /// Ours on the way to the gateway.
    let local: Endpoint

    /// Nil without a route, or for IPv6.
    init?(to gateway: Endpoint) {
        guard !gateway.address.isV6 else { return nil }
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        guard Self.connect(descriptor, to: gateway), let local = Self.local(descriptor) else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        self.local = local
    }

    deinit { close(descriptor) }

    /// Sends a datagram, if the system lets it.
    func send(_ datagram: [UInt8]) {
        let flags = Int32(MSG_NOSIGNAL)
        guard Glibc.send(descriptor, datagram, datagram.count, flags) < 0 else { return }
        // What became of an earlier one (ICMP) was told in place of sending this.
        _ = Glibc.send(descriptor, datagram, datagram.count, flags)
    }

    /// Forgets what arrived so far, up to a limit.
    func discardArrived() {
        for _ in 0..<Self.maximumDiscarded {
            guard case .datagram = receive() else { return }
        }
    }

    /// The next datagram. What is longer than any message is cut to one byte more.
    func receive() -> Arrival {
        var buffer = [UInt8](repeating: 0, count: PCP.maximumMessage + 1)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count >= 0 { return .datagram(Array(buffer.prefix(count))) }
        return [EAGAIN, EWOULDBLOCK, EINTR].contains(errno) ? .nothing : .unreachable
    }

    private static func connect(_ descriptor: Int32, to endpoint: Endpoint) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = endpoint.port.bigEndian
        withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: endpoint.address.bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func local(_ descriptor: Int32) -> Endpoint? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
        let bytes = withUnsafeBytes(of: address.sin_addr) { Array($0) }
        guard isKnown, let host = try? IPAddress(bytes: bytes) else { return nil }
        return Endpoint(address: host, port: UInt16(bigEndian: address.sin_port))
    }
}
