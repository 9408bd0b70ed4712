import Foundation

/// A socket address of either family, between its text and the kernel's form.
struct SocketAddress {
    private var storage: sockaddr_storage
    private var length: socklen_t

    init(_ endpoint: LabEndpoint) throws(LabError) {
        var storage = sockaddr_storage()
        let isIPv6 = endpoint.address.contains(":")
        let parsed = withUnsafeMutableBytes(of: &storage) { raw -> Int32 in
            guard let base = raw.baseAddress else { return 0 }
            if isIPv6 {
                let address = base.assumingMemoryBound(to: sockaddr_in6.self)
                address.pointee.sin6_family = sa_family_t(AF_INET6)
                address.pointee.sin6_port = endpoint.port.bigEndian
                return inet_pton(AF_INET6, endpoint.address, &address.pointee.sin6_addr)
            }
            let address = base.assumingMemoryBound(to: sockaddr_in.self)
            address.pointee.sin_family = sa_family_t(AF_INET)
            address.pointee.sin_port = endpoint.port.bigEndian
            return inet_pton(AF_INET, endpoint.address, &address.pointee.sin_addr)
        }
        guard parsed == 1 else { throw .unknown("address \(endpoint.address)") }
        self.storage = storage
        length = socklen_t(isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
    }

    private init(storage: sockaddr_storage, length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// Lets a system call write an address; nil when it fails.
    static func read(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) }
        }
        return result == 0 ? SocketAddress(storage: storage, length: length) : nil
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    var endpoint: LabEndpoint {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let port = withUnsafeBytes(of: storage) { raw -> UInt16 in
            guard let base = raw.baseAddress else { return 0 }
            if storage.ss_family == sa_family_t(AF_INET6) {
                let address = base.assumingMemoryBound(to: sockaddr_in6.self)
                _ = withUnsafePointer(to: address.pointee.sin6_addr) {
                    inet_ntop(AF_INET6, $0, &text, socklen_t(text.count))
                }
                return address.pointee.sin6_port
            }
            let address = base.assumingMemoryBound(to: sockaddr_in.self)
            _ = withUnsafePointer(to: address.pointee.sin_addr) {
                inet_ntop(AF_INET, $0, &text, socklen_t(text.count))
            }
            return address.pointee.sin_port
        }
        let address = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return LabEndpoint(String(decoding: address, as: UTF8.self), UInt16(bigEndian: port))
    }
}
