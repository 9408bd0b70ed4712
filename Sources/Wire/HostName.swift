/// The name of a server as both sides of a login write it, so that a signature over it means the same to both:
/// a DNS name in lower-case ASCII without a trailing dot, dotted decimal, or an IPv6 address in the form of RFC 5952
/// without brackets. Internationalized names are written in their A-label form (RFC 5890), `xn--…`.
package struct HostName: Hashable, Sendable, CustomStringConvertible {
    /// The normal form.
    package let text: String
    /// The address, when the name is one.
    package let address: IPAddress?

    /// Brings `name` into normal form. Accepts brackets around an IPv6 address. Throws `invalidText` for what is
    /// neither an address nor a DNS name of letters, digits, hyphens and underscores (RFC 1123 §2.1: labels of 1 to 63,
    /// 253 in all), and for names that end in a number but are no address, such as `127.1`.
    package init(_ name: String) throws(WireError) {
        let bare = name.hasPrefix("[") && name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : name
        if let address = try? IPAddress(bare), address.isV6 || bare == name {
            self.address = address
            self.text = address.description
            return
        }
        self.text = try HostName.normalizedDNSName(name)
        self.address = nil
    }

    /// A host that is an address.
    package init(_ address: IPAddress) {
        self.address = address
        self.text = address.description
    }

    /// As URLs and the Host header write it: IPv6 addresses in brackets.
    package var bracketed: String {
        address?.isV6 == true ? "[\(text)]" : text
    }

    /// The normal form.
    package var description: String { text }

    private static func normalizedDNSName(_ name: String) throws(WireError) -> String {
        var bytes = Array(name.utf8)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard (1...253).contains(bytes.count) else { throw .invalidText }
        bytes = bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.allSatisfy(isLabel), let last = labels.last, !looksNumeric(last) else { throw .invalidText }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        let hyphen = UInt8(ascii: "-")
        guard (1...63).contains(label.count), label.first != hyphen, label.last != hyphen else { return false }
        return label.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == hyphen || $0 == UInt8(ascii: "_")
        }
    }

    /// Resolvers read such names as addresses in octal or hexadecimal.
    private static func looksNumeric(_ label: ArraySlice<UInt8>) -> Bool {
        label.allSatisfy { (0x30...0x39).contains($0) } || label.starts(with: Array("0x".utf8))
    }
}

/// `HOST[:PORT]` taken apart, without looking at the host.
enum HostPort {
    struct Host {
        let text: String
        let isBracketed: Bool
    }

    /// Throws `invalidText` for an empty host, a port that is no number of 0…65535, or brackets out of place.
    static func split(_ text: String) throws(WireError) -> (Host, UInt16?) {
        let bytes = text.utf8[...]
        let isBracketed = bytes.first == UInt8(ascii: "[")
        let start = isBracketed ? bytes.index(after: bytes.startIndex) : bytes.startIndex
        let separator = UInt8(ascii: isBracketed ? "]" : ":")
        let end = bytes[start...].firstIndex(of: separator)
        if isBracketed, end == nil { throw .invalidText }
        guard let host = String(bytes[start..<(end ?? bytes.endIndex)]), !host.isEmpty else { throw .invalidText }
        var after = end.map { bytes[$0...] } ?? bytes[bytes.endIndex...]
        if isBracketed { after = after.dropFirst() }
        if after.isEmpty { return (Host(text: host, isBracketed: isBracketed), nil) }
        guard after.first == UInt8(ascii: ":"), let port = DecimalText.parse(after.dropFirst(), maximum: 65535) else {
            throw .invalidText
        }
        return (Host(text: host, isBracketed: isBracketed), UInt16(truncatingIfNeeded: port))
    }
}
