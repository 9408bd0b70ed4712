import NIOCore
import Wire

/// The names under which this server may be dialed. A login is bound to the name that the client dialed, so that a server
/// cannot pass it on to another: only what this server knows as its own name counts.
struct OwnHosts: Sendable {
    private static let localhost = try? HostName("localhost")
    private let configured: [HostName]

    init(_ configured: [HostName]) {
        self.configured = configured
    }

    /// Every own name on a connection that came in at `local`: the configured ones, that address itself, and
    /// `localhost` on the loopback.
    func names(local: IPAddress?) -> [HostName] {
        guard let local = local?.v4Mapped ?? local else { return configured }
        var names = configured
        names.append(HostName(local))
        if local.isLoopback, let localhost = Self.localhost { names.append(localhost) }
        return names
    }

    /// The host in a Host header's value, without its port; nil when there is none. Only a hint: proxies rewrite it.
    static func host(inHeader value: String) -> HostName? {
        if let name = try? HostName(value) { return name }
        guard let colon = value.lastIndex(of: ":") else { return nil }
        return try? HostName(String(value[..<colon]))
    }
}

extension SocketAddress {
    /// The IP address, IPv4 addresses on IPv6 sockets as IPv4.
    var wireAddress: IPAddress? {
        let address: IPAddress?
        switch self {
        // sockaddr_in has its address in bytes 4 to 7, sockaddr_in6 in bytes 8 to 23.
        case .v4(let v4):
            address = withUnsafeBytes(of: v4.address) { try? IPAddress(bytes: $0[4..<8]) }
        case .v6(let v6):
            address = withUnsafeBytes(of: v6.address) { try? IPAddress(bytes: $0[8..<24]) }
        case .unixDomainSocket:
            address = nil
        }
        return address?.v4Mapped ?? address
    }
}
