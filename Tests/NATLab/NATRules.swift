/// The rules of one NAT, as nft reads them.
///
/// Linux's masquerading alone is not endpoint-independent: a packet that comes in before one went out takes the
/// tuple, and the outgoing flow gets another port. Hence the map from public port to inner endpoint, which is kept
/// by every outgoing packet and consulted before a routing decision, and the drop of what is meant for the NAT itself.
/// None of these NATs hairpins (RFC 4787 REQ-9): hosts behind the same one use their local addresses.
struct NATRules {
    let profile: NATProfile
    let publicAddress: String
    let timeouts: NATTimeouts

    /// The table that holds everything; operations at run time use tables of their own.
    static let table = "inet nat_profile"

    var text: String {
        """
        table \(Self.table) {
        \(usesMap ? mappingRules : "")
        chain translate {
            type nat hook postrouting priority srcnat
            \(sourceRule)
        }
        chain pass {
            type filter hook forward priority filter
            \(profile.passesUDP ? "" : Self.blocking)
            \(profile.filtering == .addressDependent ? Self.remembering(timeouts) : "")
            iifname "wan" ct state established,related accept
            \(filterRule)
            iifname "wan" drop
        }
        chain own {
            type filter hook input priority filter
            meta l4proto udp drop
        }
        }
        """
    }

    /// The rule that gives outgoing packets the public address.
    var sourceRule: String {
        switch profile.mapping {
        case .endpointIndependent: "oifname \"wan\" meta nfproto ipv4 snat ip to \(publicAddress)"
        case .addressAndPortDependent: "oifname \"wan\" meta nfproto ipv4 masquerade random,fully-random"
        }
    }

    private var usesMap: Bool { profile.mapping == .endpointIndependent }

    private var mappingRules: String {
        """
        map mappings {
            type inet_service : ipv4_addr . inet_service
            flags dynamic,timeout
            timeout \(timeouts.mapping)s
            size 65536
        }
        set partners {
            type ipv4_addr . inet_service . ipv4_addr
            flags dynamic,timeout
            timeout \(timeouts.mapping)s
            size 65536
        }
        chain remember {
            type filter hook postrouting priority srcnat - 10
            oifname "wan" meta nfproto ipv4 meta l4proto udp update @mappings \
        { udp sport timeout \(timeouts.mapping)s : ip saddr . udp sport }
        }
        chain arrive {
            type nat hook prerouting priority dstnat
            iifname "wan" meta nfproto ipv4 meta l4proto udp dnat ip to udp dport map @mappings
        }
        """
    }

    /// Only between the two sides: a kernel may show the rules what is bridged on the local network, too.
    private static let blocking = """
        iifname "wan" meta l4proto udp drop
        oifname "wan" meta l4proto udp drop
        """

    private static func remembering(_ timeouts: NATTimeouts) -> String {
        """
        oifname "wan" meta nfproto ipv4 meta l4proto udp update @partners \
        { ip saddr . udp sport . ip daddr timeout \(timeouts.mapping)s }
        """
    }

    private var filterRule: String {
        switch profile.filtering {
        case .endpointIndependent: "iifname \"wan\" meta nfproto ipv4 meta l4proto udp ct status dnat accept"
        case .addressDependent: "iifname \"wan\" ip daddr . udp dport . ip saddr @partners accept"
        case .addressAndPortDependent: ""
        }
    }

    /// Commands that make the NAT forget: what is in its map and its set (its flows are forgotten elsewhere).
    var forgetting: String {
        usesMap ? "flush map \(Self.table) mappings\nflush set \(Self.table) partners\n" : ""
    }
}
