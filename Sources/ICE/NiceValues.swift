import CNice
import Glibc
import Wire

// Between Wire's values and libnice's.

extension SocketAddress {
    /// The address with its zone; empty when libnice's is unset, which it copies only with a critical warning.
    init(_ address: inout NiceAddress) {
        self = withUnsafePointer(to: &address) { pointer in
            SocketAddress { target, _ in
                if nice_address_is_valid(pointer) != 0 { nice_address_copy_to_sockaddr(pointer, target) }
            }
        }
    }
}

extension NiceAddress {
    init(_ endpoint: Endpoint) {
        self.init()
        nice_address_init(&self)
        SocketAddress(endpoint).withPointer { address, _ in nice_address_set_from_sockaddr(&self, address) }
    }
}

extension NiceCandidate {
    /// The signalled address, or nil when libnice has none.
    var endpoint: Endpoint? {
        var address = addr
        return SocketAddress(&address).endpoint
    }

    var kind: Candidate.Kind? {
        switch type {
        case NICE_CANDIDATE_TYPE_HOST: .host
        case NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE: .serverReflexive
        case NICE_CANDIDATE_TYPE_PEER_REFLEXIVE: .peerReflexive
        case NICE_CANDIDATE_TYPE_RELAYED: .relayed
        default: nil
        }
    }

    /// A local candidate as it is signalled, or nil for one that must not be. Without its related address, which serves
    /// diagnosis only and tells where a relayed candidate's owner is.
    var signalled: Candidate? {
        guard transport == NICE_CANDIDATE_TRANSPORT_UDP, let kind, kind != .peerReflexive, let endpoint else {
            return nil
        }
        // A zone cannot be signalled.
        guard !(endpoint.address.isV6 && endpoint.address.isLinkLocal) else { return nil }
        let name = withUnsafeBytes(of: foundation) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return try? Candidate(type: kind, endpoint: endpoint, priority: signalledPriority, foundation: name)
    }

    /// The priority under which a local candidate is signalled: of its kind, IPv4 after IPv6 (RFC 8421 §4).
    ///
    /// libnice orders addresses as the system lists them, which puts IPv4 first. A pair counts by the lesser priority of its two ends
    /// (RFC 8445 §6.1.2.3), so that both sides prefer IPv6 when each tells the other lower ones for IPv4. Kinds lie ten apart and more.
    var signalledPriority: UInt32 {
        guard let endpoint, !endpoint.address.isV6, priority > 0x0200_0000 else { return priority }
        return priority - 0x0100_0000
    }
}

/// libnice's form of a remote candidate, built field by field: its own SDP parser can be crashed by a peer (a TCP candidate
/// without tcptype) and lets priority 0 in. The caller frees it.
func makeNiceCandidate(_ candidate: Candidate) -> UnsafeMutablePointer<NiceCandidate>? {
    let type =
        switch candidate.type {
        case .host: NICE_CANDIDATE_TYPE_HOST
        case .serverReflexive: NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE
        case .peerReflexive: NICE_CANDIDATE_TYPE_PEER_REFLEXIVE
        case .relayed: NICE_CANDIDATE_TYPE_RELAYED
        }
    guard let made = nice_candidate_new(type) else { return nil }
    made.pointee.transport = NICE_CANDIDATE_TRANSPORT_UDP
    made.pointee.component_id = 1
    made.pointee.addr = NiceAddress(candidate.endpoint)
    made.pointee.priority = candidate.priority
    withUnsafeMutableBytes(of: &made.pointee.foundation) { target in
        // The last byte stays the terminating zero of nice_candidate_new.
        target[..<(target.count - 1)].copyBytes(from: candidate.foundation.utf8.prefix(target.count - 1))
    }
    return made
}
