import Glibc
import NIOPosix
import Wire

/// Asks the system for a name's addresses.
enum NameLookup {
    /// The first address of that family; `nil` when there is none, or this device has none of that family itself.
    static func address(of name: String, isV6: Bool) async -> IPAddress? {
        try? await NIOThreadPool.singleton.runIfActive { look(name, isV6: isV6) }
    }

    private static func look(_ name: String, isV6: Bool) -> IPAddress? {
        var hints = addrinfo()
        hints.ai_family = isV6 ? AF_INET6 : AF_INET
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0, let first = list else { return nil }
        defer { freeaddrinfo(list) }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard
            getnameinfo(
                first.pointee.ai_addr, first.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                == 0
        else { return nil }
        let characters = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return try? IPAddress(String(decoding: characters, as: UTF8.self))
    }
}
