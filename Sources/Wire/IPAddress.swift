// Layout: family u8 (4 or 6), then 4 or 16 bytes of address. Text: dotted decimal, and RFC 5952 for IPv6.

/// An IPv4 or IPv6 address. No zone: a link-local address means something on one host only, and never travels with one.
package enum IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// Four bytes in network order.
    case v4(UInt8, UInt8, UInt8, UInt8)
    /// Eight groups, first group first, each in host order.
    case v6(UInt16, UInt16, UInt16, UInt16, UInt16, UInt16, UInt16, UInt16)

    /// From 4 or 16 bytes in network order; throws `lengthOutOfRange` for any other count.
    package init(bytes: some Collection<UInt8>) throws(WireError) {
        let b = Array(bytes)
        switch b.count {
        case 4:
            self = .v4(b[0], b[1], b[2], b[3])
        case 16:
            let g = stride(from: 0, to: 16, by: 2).map { UInt16(b[$0]) << 8 | UInt16(b[$0 + 1]) }
            self = .v6(g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7])
        default:
            throw .lengthOutOfRange
        }
    }

    /// From text: four decimal numbers without leading zeros, or the forms of RFC 4291 §2.2 without brackets and zone.
    /// Throws `invalidText`.
    package init(_ text: String) throws(WireError) {
        if let address = IPAddress.parseV4(text.utf8[...]) ?? IPAddress.parseV6(text.utf8[...]) {
            self = address
        } else {
            throw .invalidText
        }
    }

    /// 4 or 16 bytes in network order.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let a, let b, let c, let d): [a, b, c, d]
        case .v6: groups.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        }
    }

    /// Whether this is an IPv6 address.
    package var isV6: Bool {
        if case .v6 = self { true } else { false }
    }

    /// 0.0.0.0/8 ("this network", RFC 1122) or `::`.
    package var isUnspecified: Bool {
        switch self {
        case .v4(let a, _, _, _): a == 0
        case .v6: groups.allSatisfy { $0 == 0 }
        }
    }

    /// 127.0.0.0/8 or `::1`.
    package var isLoopback: Bool {
        switch self {
        case .v4(let a, _, _, _): a == 127
        case .v6: groups == [0, 0, 0, 0, 0, 0, 0, 1]
        }
    }

    /// 224.0.0.0/4 or ff00::/8.
    package var isMulticast: Bool {
        switch self {
        case .v4(let a, _, _, _): a & 0xF0 == 0xE0
        case .v6(let first, _, _, _, _, _, _, _): first & 0xFF00 == 0xFF00
        }
    }

    /// 255.255.255.255.
    package var isBroadcast: Bool { self == .v4(255, 255, 255, 255) }

    /// 169.254.0.0/16 or fe80::/10.
    package var isLinkLocal: Bool {
        switch self {
        case .v4(let a, let b, _, _): a == 169 && b == 254
        case .v6(let first, _, _, _, _, _, _, _): first & 0xFFC0 == 0xFE80
        }
    }

    /// Addresses of private networks: RFC 1918, and fc00::/7 of RFC 4193.
    package var isPrivate: Bool {
        switch self {
        case .v4(let a, let b, _, _): a == 10 || (a == 172 && b & 0xF0 == 16) || (a == 192 && b == 168)
        case .v6(let first, _, _, _, _, _, _, _): first & 0xFE00 == 0xFC00
        }
    }

    /// The IPv4 address inside `::ffff:0:0/96`, else nil.
    package var v4Mapped: IPAddress? {
        guard case .v6(0, 0, 0, 0, 0, 0xFFFF, let high, let low) = self else { return nil }
        return .v4(
            UInt8(truncatingIfNeeded: high >> 8), UInt8(truncatingIfNeeded: high),
            UInt8(truncatingIfNeeded: low >> 8), UInt8(truncatingIfNeeded: low))
    }

    /// Whether a single host can be reached under this address: not unspecified, multicast or broadcast, and not an
    /// IPv4 address in disguise (`::ffff:0:0/96`, `::/96`).
    package var isUnicast: Bool {
        if isUnspecified || isMulticast || isBroadcast || v4Mapped != nil { return false }
        return !isV6 || isLoopback || groups[0..<6].contains { $0 != 0 }
    }

    /// Dotted decimal, or the form of RFC 5952 (§5: IPv4-mapped addresses keep their dotted end).
    package var description: String {
        if case .v4(let a, let b, let c, let d) = self { return "\(a).\(b).\(c).\(d)" }
        if let mapped = v4Mapped { return "::ffff:\(mapped)" }
        let groups = groups
        let run = IPAddress.longestZeroRun(groups)
        func text(_ slice: ArraySlice<UInt16>) -> String {
            slice.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard run.count >= 2 else { return text(groups[...]) }
        return text(groups[..<run.lowerBound]) + "::" + text(groups[run.upperBound...])
    }

    private var groups: [UInt16] {
        switch self {
        case .v4: []
        case .v6(let a, let b, let c, let d, let e, let f, let g, let h): [a, b, c, d, e, f, g, h]
        }
    }

    /// RFC 5952 §4.2: the longest run of zero groups, the first of equals.
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int> {
        var best = 0..<0
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 {
                start = index + 1
            } else if index + 1 - start > best.count {
                best = start..<(index + 1)
            }
        }
        return best
    }
}

extension IPAddress {
    private typealias Text = Substring.UTF8View

    private static func parseV4(_ text: Text) -> IPAddress? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var numbers: [UInt8] = []
        for part in parts {
            guard let number = DecimalText.parse(part, maximum: 255) else { return nil }
            numbers.append(UInt8(truncatingIfNeeded: number))
        }
        return .v4(numbers[0], numbers[1], numbers[2], numbers[3])
    }

    private static func parseV6(_ text: Text) -> IPAddress? {
        guard text.count <= 45, let (head, tail) = splitAtGap(text) else { return nil }
        guard let first = parseGroups(head, mayEndInV4: tail == nil) else { return nil }
        guard let tail else { return address(first) }
        guard let last = parseGroups(tail, mayEndInV4: true), first.count + last.count <= 7 else { return nil }
        return address(first + Array(repeating: 0, count: 8 - first.count - last.count) + last)
    }

    /// What stands before and after `::`; no second part when there is none. Nil when it stands there twice.
    private static func splitAtGap(_ text: Text) -> (Text, Text?)? {
        let colon = UInt8(ascii: ":")
        var gap: Text.Index?
        var index = text.startIndex
        while index < text.endIndex {
            let next = text.index(after: index)
            if text[index] == colon, next < text.endIndex, text[next] == colon {
                if gap != nil { return nil }
                gap = index
                index = text.index(after: next)
            } else {
                index = next
            }
        }
        guard let gap else { return (text, nil) }
        return (text[..<gap], text[text.index(gap, offsetBy: 2)...])
    }

    private static func parseGroups(_ text: Text, mayEndInV4: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if mayEndInV4, index == parts.count - 1, case .v4(let a, let b, let c, let d)? = parseV4(part) {
                groups.append(UInt16(a) << 8 | UInt16(b))
                groups.append(UInt16(c) << 8 | UInt16(d))
            } else if let group = parseGroup(part) {
                groups.append(group)
            } else {
                return nil
            }
        }
        return groups
    }

    private static func parseGroup(_ text: Text) -> UInt16? {
        guard (1...4).contains(text.count) else { return nil }
        var value: UInt16 = 0
        for character in text {
            guard let digit = Character(UnicodeScalar(character)).hexDigitValue else { return nil }
            value = value << 4 | UInt16(truncatingIfNeeded: digit)
        }
        return value
    }

    private static func address(_ groups: [UInt16]) -> IPAddress? {
        guard groups.count == 8 else { return nil }
        let g = groups
        return .v6(g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7])
    }
}

/// Decimal numbers as strict text: digits only, no sign, no leading zero.
enum DecimalText {
    static func parse(_ text: Substring.UTF8View, maximum: Int) -> Int? {
        guard (1...9).contains(text.count), let first = text.first else { return nil }
        guard first != UInt8(ascii: "0") || text.count == 1 else { return nil }
        var value = 0
        for character in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else { return nil }
            value = value * 10 + Int(character - UInt8(ascii: "0"))
        }
        return value <= maximum ? value : nil
    }
}
