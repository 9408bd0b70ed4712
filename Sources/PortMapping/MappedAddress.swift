package import Wire

/// Which external addresses are worth telling a peer.
package enum MappedAddress {
    /// Whether the gateway's address is one that others can send to. A gateway behind another NAT has a private or shared one: a mapping in
    /// it leads nowhere.
    package static func isUsable(_ address: IPAddress) -> Bool {
        guard case .v4(let a, let b, let c, _) = address, address.isUnicast else { return false }
        guard !address.isPrivate, !address.isLoopback, !address.isLinkLocal else { return false }
        // Shared by a provider's customers (RFC 6598), protocol assignments (RFC 6890), benchmarks (RFC 2544), reserved.
        return
            !((a == 100 && b & 0xC0 == 64) || (a == 192 && b == 0 && c == 0) || (a == 198 && b & 0xFE == 18)
            || a >= 240)
    }
}

/// When a mapping is to be asked for again, and when it has to be given up. Pure.
package struct Lease: Hashable, Sendable {
    /// What is asked for, in seconds. Short: whoever is killed cannot delete, and the mapping is of no use without its program.
    package static let requested: UInt32 = 600
    /// What a gateway grants is taken to lie between these.
    static let bounds: ClosedRange<UInt32> = 60...3_600

    /// What the gateway granted, within ``bounds``.
    package let seconds: UInt32

    /// From what the gateway says.
    package init(granted: UInt32) {
        seconds = min(max(granted, Self.bounds.lowerBound), Self.bounds.upperBound)
    }

    /// Seconds after the grant at which to ask again (RFC 6886 §3.7: half of the lease).
    package var renewal: UInt32 { seconds / 2 }
    /// Seconds between further tries when that failed.
    package var retry: UInt32 { seconds / 8 }
}
