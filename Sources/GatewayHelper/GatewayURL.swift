import Wire

/// Which URLs are fetched.
enum GatewayURL {
    /// Bytes of a URL at most.
    static let maximumLength = 256

    /// Whether a URL is `http`, at this very IPv4 address in decimal numbers, and holds nothing that two parsers could read differently: no
    /// name, no user, nothing behind the port but a path of printable ASCII.
    static func isAt(_ gateway: IPAddress, _ url: some Sequence<UInt8>) -> Bool {
        let url = Array(url.prefix(maximumLength + 1))
        let origin = Array("http://\(gateway)".utf8)
        guard !gateway.isV6, url.count <= maximumLength, url.starts(with: origin),
            url.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return false }
        var rest = url[origin.count...]
        if rest.first == UInt8(ascii: ":") {
            let digits = rest.dropFirst().prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard digits.count <= 5, let port = UInt32(String(decoding: digits, as: UTF8.self)),
                (1...65_535).contains(port)
            else { return false }
            rest = rest.dropFirst(1 + digits.count)
        }
        return rest.first == UInt8(ascii: "/")
    }
}
