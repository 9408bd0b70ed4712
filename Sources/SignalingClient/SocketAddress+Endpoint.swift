import NIOCore
import Wire

extension SocketAddress {
    /// Address and port; IPv4 addresses on IPv6 sockets as IPv4.
    var endpoint: Endpoint? {
        let address: IPAddress?
        switch self {
        // sockaddr_in has its address in bytes 4 to 7, sockaddr_in6 in bytes 8 to 23.
        case .v4(let v4): address = withUnsafeBytes(of: v4.address) { try? IPAddress(bytes: $0[4..<8]) }
        case .v6(let v6): address = withUnsafeBytes(of: v6.address) { try? IPAddress(bytes: $0[8..<24]) }
        case .unixDomainSocket: address = nil
        }
        guard let address, let port else { return nil }
        return Endpoint(address: address.v4Mapped ?? address, port: UInt16(clamping: port))
    }
}
