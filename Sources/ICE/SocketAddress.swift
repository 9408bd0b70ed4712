// The structures of addresses reach Swift through the headers of libnice.
import CNice
import Glibc
import Wire

/// A `sockaddr` of IPv4 or IPv6 with its length.
struct SocketAddress: Sendable {
    private(set) var storage: sockaddr_storage
    private(set) var length: socklen_t

    /// The address of an endpoint, without a zone.
    init(_ endpoint: Endpoint) {
        let bytes = endpoint.address.bytes
        if endpoint.address.isV6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = endpoint.port.bigEndian
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: bytes) }
            self.init(copying: &address)
        } else {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = endpoint.port.bigEndian
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: bytes) }
            self.init(copying: &address)
        }
    }

    /// What a call writes into the space it is given.
    init(filledBy body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Void) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
        self.storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET: self.length = socklen_t(MemoryLayout<sockaddr_in>.size)
        case AF_INET6: self.length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        default: self.length = 0
        }
    }

    private init<Address>(copying address: inout Address) {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { target in
            withUnsafeBytes(of: &address) { target.copyMemory(from: $0) }
        }
        self.storage = storage
        self.length = socklen_t(MemoryLayout<Address>.size)
    }

    /// The endpoint, or nil for families other than IPv4 and IPv6. The zone is lost.
    var endpoint: Endpoint? {
        withUnsafeBytes(of: storage) { raw -> Endpoint? in
            let port: UInt16
            let bytes: [UInt8]
            switch Int32(storage.ss_family) {
            case AF_INET:
                let address = raw.loadUnaligned(as: sockaddr_in.self)
                port = address.sin_port
                bytes = withUnsafeBytes(of: address.sin_addr) { Array($0) }
            case AF_INET6:
                let address = raw.loadUnaligned(as: sockaddr_in6.self)
                port = address.sin6_port
                bytes = withUnsafeBytes(of: address.sin6_addr) { Array($0) }
            default:
                return nil
            }
            guard let address = try? IPAddress(bytes: bytes) else { return nil }
            return Endpoint(address: address, port: UInt16(bigEndian: port))
        }
    }

    /// Lends the address to a call.
    func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
