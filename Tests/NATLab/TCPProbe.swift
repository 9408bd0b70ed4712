import Foundation

/// A plain TCP listener on a host of the laboratory.
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
            if connection >= 0 { Glibc.close(connection) }
        }
    }

    deinit { Reactor.shared.close(descriptor) }
}

extension LabHost {
    /// Listens for TCP connections on this host as long as the result lives.
    package func tcpListener(port: UInt16, ipv6: Bool = false) throws -> TCPListener {
        try TCPListener(on: self, port: port, ipv6: ipv6)
    }

    /// Whether a TCP connection from this host comes about within the time. A refusal is a clear no.
    package func connectsByTCP(to destination: LabEndpoint, within limit: Duration = .seconds(5)) async throws -> Bool {
        let isIPv6 = destination.address.contains(":")
        let descriptor = try holder.socket(
            network: name, domain: isIPv6 ? AF_INET6 : AF_INET, type: Int32(SOCK_STREAM.rawValue))
        defer { Reactor.shared.close(descriptor) }
        let result = try SocketAddress(destination).withPointer { connect(descriptor, $0, $1) }
        guard result != 0 else { return true }
        guard errno == EINPROGRESS else { return false }
        let outcome = Watched<Int32?>(nil)
        Reactor.shared.watch(descriptor, forWriting: true) {
            var (code, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
            let failure = code
            outcome.update { $0 = $0 ?? failure }
        }
        return (try? await outcome.first("connection", within: limit) { $0 }) == 0
    }

    /// Waits until something on another host accepts TCP connections from here.
    package func waitForTCP(at destination: LabEndpoint, within limit: Duration = .seconds(10)) async throws {
        let deadline = ContinuousClock.now + limit
        for await _ in Ticks(every: .milliseconds(10)) {
            if try await connectsByTCP(to: destination, within: .seconds(1)) { return }
            if .now > deadline { break }
        }
        throw LabError.timedOut(waitingFor: "listener at \(destination)", limit, sofar: "no connection")
    }
}
