/// How a NAT chooses the public port of an outgoing flow (RFC 4787 §4.1).
package enum MappingBehaviour: Sendable {
    /// One public endpoint for all destinations.
    case endpointIndependent
    /// Another public port for each destination address and port.
    case addressAndPortDependent
}

/// Which incoming packets a NAT lets through to an existing mapping (RFC 4787 §5).
package enum FilteringBehaviour: Sendable {
    /// From anywhere.
    case endpointIndependent
    /// From addresses that the inner endpoint has sent to.
    case addressDependent
    /// From addresses and ports that the inner endpoint has sent to.
    case addressAndPortDependent
}

/// What stands between a host and the internet. The names are those of RFC 3489; the behaviour is told in the terms
/// of RFC 4787.
package enum NATProfile: String, CaseIterable, Sendable, CustomStringConvertible {
    case open
    case fullCone = "full cone"
    case addressRestricted = "address-restricted"
    case portRestricted = "port-restricted"
    case symmetric
    /// A port-restricted NAT at home behind the provider's port-restricted NAT.
    case doubleNAT = "double NAT"
    /// TCP passes a NAT, UDP does not pass at all.
    case udpBlocked = "UDP blocked"

    package var description: String { rawValue }

    /// The number of NATs in a row.
    package var layers: Int {
        switch self {
        case .open: 0
        case .doubleNAT: 2
        default: 1
        }
    }

    package var mapping: MappingBehaviour {
        switch self {
        case .symmetric, .udpBlocked: .addressAndPortDependent
        default: .endpointIndependent
        }
    }

    package var filtering: FilteringBehaviour {
        switch self {
        case .open, .fullCone: .endpointIndependent
        case .addressRestricted: .addressDependent
        default: .addressAndPortDependent
        }
    }

    package var passesUDP: Bool { self != .udpBlocked }

    /// Whether two hosts with these profiles can open a direct UDP path to each other with the help of a STUN server.
    ///
    /// Each must be able to let the other in by having sent to it. That fails only when one filters by address and
    /// port while the other's port towards it cannot be known beforehand.
    package func canReachDirectly(_ other: NATProfile) -> Bool {
        func isOpaque(_ one: NATProfile, to other: NATProfile) -> Bool {
            one.mapping == .addressAndPortDependent && other.filtering == .addressAndPortDependent
        }
        return passesUDP && other.passesUDP && !isOpaque(self, to: other) && !isOpaque(other, to: self)
    }
}
