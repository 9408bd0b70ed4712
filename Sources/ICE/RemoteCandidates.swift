import Wire

/// Which of the peer's candidates are given to libnice. A peer can say what it likes, so this bounds the work: at most
/// `maximum` different endpoints, and only such as a check can reach.
struct RemoteCandidates {
    /// libnice forms at most 100 pairs of all candidates.
    static let maximum = 64

    private(set) var endpoints: Set<Endpoint> = []

    /// Whether the candidate is new and usable; it counts towards the maximum then.
    ///
    /// - Peer-reflexive candidates are found by checks, never signalled (RFC 8445 §5.1).
    /// - IPv6 link-local ones need a zone, which cannot be signalled: each side would have to guess its interface.
    /// - Loopback ones would have us send checks to services of this host, and are reachable only for an agent that
    ///   gathers on loopback itself.
    mutating func admit(_ candidate: Candidate, reachesLoopback: Bool) -> Bool {
        let address = candidate.endpoint.address
        guard candidate.type != .peerReflexive else { return false }
        guard !(address.isV6 && address.isLinkLocal) else { return false }
        guard reachesLoopback || !address.isLoopback else { return false }
        guard endpoints.count < RemoteCandidates.maximum else { return false }
        return endpoints.insert(candidate.endpoint).inserted
    }

    /// Whether any of them can form a pair with one of these local addresses: pairs do not mix IPv4 and IPv6
    /// (RFC 8445 §6.1.2.2).
    func canPair(with local: Set<IPAddress>) -> Bool {
        endpoints.contains { remote in local.contains { $0.isV6 == remote.address.isV6 } }
    }
}
