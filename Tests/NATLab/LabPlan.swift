/// Which address families a host or a site has.
package enum AddressFamilies: Sendable {
    case ipv4, ipv6, dual

    package var hasIPv4: Bool { self != .ipv6 }
    package var hasIPv6: Bool { self != .ipv4 }
}

/// What a laboratory consists of, before it is set up: hosts, each alone or with others at a site.
///
/// ```swift
/// let lab = try await Lab.start { plan in
///     plan.host("server")
///     plan.host("alice", behind: .portRestricted)
///     plan.site("home", behind: .symmetric, hosts: ["bob", "carol"])
/// }
/// ```
package struct LabPlan: Sendable {
    /// Some hosts behind the same NAT, or one host without a NAT.
    struct Site: Sendable {
        let name: String
        let profile: NATProfile
        let families: AddressFamilies
        let hosts: [String]
        let timeouts: NATTimeouts
    }

    /// A long link between two sites.
    struct WAN: Sendable {
        let first: String
        let second: String
        let there: WANSettings
        let back: WANSettings
        let seed: UInt64
    }

    private(set) var sites: [Site] = []
    private(set) var wans: [WAN] = []

    package init() {}

    /// Adds a host at a site of its own.
    package mutating func host(
        _ name: String, behind profile: NATProfile = .open, families: AddressFamilies = .ipv4,
        timeouts: NATTimeouts = .standard
    ) {
        site(name, behind: profile, families: families, hosts: [name], timeouts: timeouts)
    }

    /// Adds hosts behind a common NAT. They reach each other on their local network, without passing it.
    ///
    /// An IPv6 network behind a NAT is routed, not translated, and guarded by a stateful filter as homes have it.
    package mutating func site(
        _ name: String, behind profile: NATProfile, families: AddressFamilies = .ipv4, hosts: [String],
        timeouts: NATTimeouts = .standard
    ) {
        precondition(profile != .open || hosts.count == 1, "hosts without a NAT have a site each")
        let site = Site(name: name, profile: profile, families: families, hosts: hosts, timeouts: timeouts)
        sites.append(site)
        precondition(sites.count <= 100, "the address plan has room for a hundred sites")
    }
}

extension LabPlan {
    /// Lets what two sites send to each other take a long link instead of the short way over the internet's router.
    /// `Lab.wan(between:and:)` gives the link to change and to look at.
    ///
    /// - Parameters:
    ///   - one, other: names of sites; a host that is alone has a site of its name.
    ///   - there: the direction from the first to the second.
    ///   - back: the other; without it like the first.
    ///   - seed: the same seed loses the same packets.
    package mutating func wan(
        between one: String, and other: String, _ there: WANSettings, back: WANSettings? = nil, seed: UInt64 = 1
    ) {
        precondition(one != other, "a WAN has two ends")
        wans.append(WAN(first: one, second: other, there: there, back: back ?? there, seed: seed))
    }

    /// The first name of a WAN's end that is not a site's, or that of a site which has two WANs to the same other.
    var misnamed: String? {
        let names = Set(sites.map(\.name))
        var pairs: Set<Set<String>> = []
        for wan in wans {
            for end in [wan.first, wan.second] where !names.contains(end) { return end }
            if !pairs.insert([wan.first, wan.second]).inserted { return wan.first }
        }
        return nil
    }
}

/// How long a NAT remembers without traffic, in seconds.
package struct NATTimeouts: Sendable {
    /// Of a flow. RFC 4787 REQ-5 demands two minutes at least; many devices in homes take thirty seconds.
    package var flow: Int
    /// Of the endpoint-independent mapping and of the filter by address, refreshed by every outgoing packet.
    package var mapping: Int

    package init(flow: Int, mapping: Int) {
        self.flow = flow
        self.mapping = mapping
    }

    package static let standard = NATTimeouts(flow: 120, mapping: 300)
}
