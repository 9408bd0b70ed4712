package import Wire

/// Which part a side has in a port search.
package enum SearchRole: Hashable, Sendable {
    /// Holds many sockets open towards the one known endpoint of the other side, whose NAT maps alike for everybody.
    case opener
    /// Tries random ports of the other side's address, from the socket whose mapping was told.
    case prober

    /// The part that belongs to these mappings, or nil when a search makes no sense: two NATs that map alike for
    /// everybody are ICE's business, and of two that do not the probability is next to nothing.
    package static func decide(own: NATMapping, peer: NATMapping) -> SearchRole? {
        switch (own, peer) {
        case (.endpointDependent, .endpointIndependent), (.endpointDependent, .unknown),
            (.unknown, .endpointIndependent):
            .opener
        case (.endpointIndependent, .endpointDependent), (.unknown, .endpointDependent),
            (.endpointIndependent, .unknown):
            .prober
        case (.endpointIndependent, .endpointIndependent), (.endpointDependent, .endpointDependent),
            (.unknown, .unknown):
            nil
        }
    }
}

/// Which endpoints of a peer a search may send to. A peer says what it likes; nobody may be made to search a network that is not
/// the peer's own public address.
package enum SearchTarget {
    /// Whether packets may go there: a public IPv4 unicast address that is not ours, and no port of a service.
    package static func isAllowed(_ peer: Endpoint, own: Endpoint) -> Bool {
        guard case .v4(let a, let b, let c, _) = peer.address, peer.address.isUnicast else { return false }
        let address = peer.address
        guard !address.isPrivate, !address.isLoopback, !address.isLinkLocal, address != own.address else {
            return false
        }
        // Shared by a provider's customers (RFC 6598), protocol assignments (RFC 6890), benchmarks (RFC 2544), reserved.
        let isSpecial =
            (a == 100 && b & 0xC0 == 64) || (a == 192 && b == 0 && c == 0) || (a == 198 && b & 0xFE == 18) || a >= 240
        return !isSpecial && peer.port >= SearchLimits.firstPort
    }
}
