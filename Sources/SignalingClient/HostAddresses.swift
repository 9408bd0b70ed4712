import Glibc
import NIOCore
import NIOPosix
import Wire

/// Finds the addresses of a server. Blocks.
typealias HostLookup = @Sendable (_ host: HostName, _ port: UInt16) -> Result<[SocketAddress], SignalingDisconnect>

/// Addresses that are known already, for NIO to choose among as RFC 8305 has it.
///
/// NIO's own resolver cannot be told to stop: it answers on the loop whenever the system answers, also when the loop has
/// been shut down by then. So names are looked up by an ``Errand`` before NIO is asked to connect.
struct HostAddresses: Resolver, Sendable {
    let eventLoop: any EventLoop
    let addresses: [SocketAddress]

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        eventLoop.makeSucceededFuture(addresses.filter { $0.protocol == .inet })
    }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        eventLoop.makeSucceededFuture(addresses.filter { $0.protocol == .inet6 })
    }

    func cancelQueries() {}

    /// Asks the system.
    static let system: HostLookup = { host, port in
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_protocol = Int32(IPPROTO_TCP)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host.text, String(port), &hints, &list) == 0 else {
            return .failure(.network("cannot find the server: no such host"))
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let address = address(entry, host.text) { found.append(address) }
            next = entry.ai_next
        }
        return .success(found)
    }

    private static func address(_ entry: addrinfo, _ host: String) -> SocketAddress? {
        guard let bytes = UnsafeRawPointer(entry.ai_addr) else { return nil }
        // Safety: the family says which structure it is; getaddrinfo gives whole ones.
        switch entry.ai_family {
        case AF_INET: return SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self), host: host)
        case AF_INET6: return SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self), host: host)
        default: return nil
        }
    }
}
