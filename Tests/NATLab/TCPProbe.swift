import Foundation

/// A plain TCP listener on a host of the laboratory; it greets whoever connects, which a prober waits for.
package final class TCPListener: Sendable {
    private let descriptor: Int32

    init(on host: LabHost, port: UInt16, ipv6: Bool) throws {
        let descriptor = try host.holder.socket(
            network: host.name, domain: ipv6 ? AF_INET6 : AF_INET, type: Int32(SOCK_STREAM.rawValue))
        let any = try SocketAddress(LabEndpoint(ipv6 ? "::" : "0.0.0.0", port))
        guard any.withPointer({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 16) == 0 else {
            Glibc.close(descriptor)
            throw lastError("listen on port \(port) of \(host.name)")
        }
        self.descriptor = descriptor
        Reactor.shared.watch(descriptor) {
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { return }
            _ = send(connection, "hello\n", 6, Int32(MSG_NOSIGNAL))
            Glibc.close(connection)
        }
    }

    deinit { Reactor.shared.close(descriptor) }
}

extension LabHost {
    /// Listens for TCP connections on this host as long as the result lives.
    package func tcpListener(port: UInt16, ipv6: Bool = false) throws -> TCPListener {
        try TCPListener(on: self, port: port, ipv6: ipv6)
    }

    /// Whether a TCP connection to a ``TCPListener`` comes about within the time.
    package func reachesByTCP(_ destination: LabEndpoint, within limit: Duration = .seconds(5)) async throws -> Bool {
        let isIPv6 = destination.address.contains(":")
        let descriptor = try holder.socket(
            network: name, domain: isIPv6 ? AF_INET6 : AF_INET, type: Int32(SOCK_STREAM.rawValue))
        defer { Reactor.shared.close(descriptor) }
        let result = try SocketAddress(destination).withPointer { connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else { return false }
        let isGreeted = Watched<Bool?>(nil)
        Reactor.shared.watch(descriptor) {
            // An empty or failed read is the end of a connection that was refused.
            let bytes = readAvailable(descriptor)
            if bytes?.isEmpty != true { isGreeted.update { $0 = $0 ?? (bytes != nil) } }
        }
        return (try? await isGreeted.first("greeting", within: limit) { $0 }) ?? false
    }
}
