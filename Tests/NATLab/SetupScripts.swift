/// The shell scripts that turn a plan into namespaces, links, addresses and rules.
///
/// One script makes all namespaces and links; then one script for each namespace configures it, all at the same time.
struct SetupScripts {
    /// The router that all sites hang on.
    static let internet = "internet"

    let plan: LabPlan

    /// Commands of `ip -batch`, run where the namespaces are made.
    var foundation: String {
        var lines = ["netns add \(Self.internet)"]
        for (site, addresses) in numbered {
            let namespaces = site.hosts + site.routers
            lines += namespaces.map { "netns add \($0)" }
            let outer = site.routers.first ?? site.hosts[0]
            let device = site.routers.isEmpty ? "eth0" : "wan"
            lines.append(link(device, in: outer, addresses.link, in: Self.internet))
            if site.routers.count == 2 {
                lines.append(link("wan", in: site.routers[1], "p0", in: outer))
            }
            for (position, host) in site.hosts.enumerated() where !site.routers.isEmpty {
                lines.append(link("eth0", in: host, "p\(position)", in: site.routers[site.routers.count - 1]))
            }
        }
        return lines.joined(separator: "\n")
    }

    /// A shell script for each namespace.
    var configurations: [(namespace: String, script: String)] {
        let internet = plan.wans.isEmpty ? internetScript : "\(internetScript)\n\(wanScript)"
        var all = [(Self.internet, internet)]
        for (site, addresses) in numbered {
            for (depth, router) in site.routers.enumerated() {
                all.append((router, routerScript(site, addresses, depth: depth)))
            }
            for (position, host) in site.hosts.enumerated() {
                all.append((host, hostScript(site, addresses, position: position)))
            }
        }
        return all
    }

    /// What every host's /etc/hosts says: each open host as `NAME.lab`.
    var hostsFile: String {
        var lines = ["127.0.0.1 localhost"]
        for (site, addresses) in numbered where site.profile == .open {
            let name = "\(site.hosts[0]).lab"
            if site.families.hasIPv4 { lines.append("\(addresses.publicAddress()) \(name)") }
            if site.families.hasIPv6 { lines.append("\(addresses.address6(0)) \(name)") }
        }
        return lines.joined(separator: "\n")
    }

    var numbered: [(LabPlan.Site, AddressPlan)] {
        plan.sites.enumerated().map { ($1, AddressPlan(number: $0 + 1)) }
    }

    private func link(_ one: String, in first: String, _ other: String, in second: String) -> String {
        "link add name \(one) netns \(first) type veth peer name \(other) netns \(second)"
    }

    // MARK: Each kind of namespace

    private var internetScript: String {
        var commands = ["link set lo up", "addr add \(AddressPlan.gateway)/32 dev lo"]
        for (site, addresses) in numbered {
            let link = addresses.link
            commands.append("link set \(link) up")
            if site.families.hasIPv4 || !site.routers.isEmpty {
                commands.append("route add \(addresses.publicAddress())/32 dev \(link)")
            }
            commands.append("addr add \(AddressPlan.gateway6)/64 dev \(link) nodad")
            let via = site.routers.isEmpty ? "" : "via \(AddressPlan.router6)"
            commands.append("route add \(addresses.prefix6):/64 \(via) dev \(link)")
        }
        return script(forwarding: true, ipv6: true, commands)
    }

    private func hostScript(_ site: LabPlan.Site, _ addresses: AddressPlan, position: Int) -> String {
        var commands = ["link set lo up", "link set eth0 up"]
        if site.families.hasIPv4 {
            commands += Self.address4(
                site.routers.isEmpty ? addresses.publicAddress() : addresses.localAddress(position), of: site, addresses
            )
        }
        if site.families.hasIPv6 {
            commands += Self.address6(addresses.address6(position), of: site, addresses)
        }
        return script(forwarding: false, ipv6: site.families.hasIPv6, commands)
    }

    /// The commands that give a host its IPv4 address and its way out.
    static func address4(_ address: String, of site: LabPlan.Site, _ addresses: AddressPlan) -> [String] {
        site.routers.isEmpty
            ? ["addr add \(address)/32 dev eth0", "route replace default via \(AddressPlan.gateway) dev eth0 onlink"]
            : ["addr add \(address)/24 dev eth0", "route replace default via \(addresses.local).1 dev eth0"]
    }

    /// The same for IPv6.
    static func address6(_ address: String, of site: LabPlan.Site, _ addresses: AddressPlan) -> [String] {
        let gateway = site.routers.isEmpty ? AddressPlan.gateway6 : "\(addresses.prefix6):1"
        return ["addr add \(address)/64 dev eth0 nodad", "route replace ::/0 via \(gateway) dev eth0"]
    }

    private func routerScript(_ site: LabPlan.Site, _ addresses: AddressPlan, depth: Int) -> String {
        let isInnermost = depth == site.routers.count - 1
        let outside = depth == 0 ? addresses.publicAddress() : "\(addresses.provider).2"
        let inside = isInnermost ? addresses.local : addresses.provider
        var commands = ["link set lo up", "link add lan type bridge", "addr add \(inside).1/24 dev lan"]
        commands +=
            depth == 0
            ? ["addr add \(outside)/32 dev wan"] : ["addr add \(outside)/24 dev wan"]
        commands += ["link set lan up", "link set wan up"]
        for port in 0..<(isInnermost ? site.hosts.count : 1) {
            commands += ["link set p\(port) master lan", "link set p\(port) up"]
        }
        commands.append(
            depth == 0
                ? "route replace default via \(AddressPlan.gateway) dev wan onlink"
                : "route replace default via \(addresses.provider).1 dev wan")
        if site.families.hasIPv6 {
            commands += router6(addresses, depth: depth, isInnermost: isInnermost)
        }
        let rules = NATRules(profile: site.profile, publicAddress: outside, timeouts: site.timeouts).text
        let limits = ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"]
            .map { "echo \(site.timeouts.flow) > /proc/sys/net/netfilter/\($0)" }
        return script(forwarding: true, ipv6: site.families.hasIPv6, commands)
            + "\nnft -f - <<'END'\n\(rules)\nEND\n" + limits.joined(separator: "\n")
    }

    /// IPv6 is routed through to the innermost network.
    private func router6(_ addresses: AddressPlan, depth: Int, isInnermost: Bool) -> [String] {
        let inside = isInnermost ? "\(addresses.prefix6):1/64" : "\(AddressPlan.gateway6)/64"
        let further =
            isInnermost
            ? [] : ["route add \(addresses.prefix6):/64 via \(AddressPlan.router6) dev lan"]
        return ["addr add \(AddressPlan.router6)/64 dev wan nodad", "addr add \(inside) dev lan nodad"]
            + ["route replace ::/0 via \(AddressPlan.gateway6) dev wan"] + further
    }

    /// Settings first, because duplicate address detection would hold back IPv6 addresses for a second.
    private func script(forwarding: Bool, ipv6: Bool, _ commands: [String]) -> String {
        """
        for each in /proc/sys/net/ipv6/conf/*; do
            echo \(ipv6 ? 0 : 1) > $each/disable_ipv6
            echo 0 > $each/accept_dad
            echo 0 > $each/accept_ra
        done
        echo \(forwarding ? 1 : 0) > /proc/sys/net/ipv4/ip_forward
        echo \(forwarding ? 1 : 0) > /proc/sys/net/ipv6/conf/all/forwarding
        ip -batch - <<'END'
        \(commands.joined(separator: "\n"))
        END
        """
    }
}

extension LabPlan.Site {
    /// The namespaces of the NATs, from the internet inwards.
    var routers: [String] {
        switch profile.layers {
        case 0: []
        case 1: ["\(name)-nat"]
        default: ["\(name)-provider", "\(name)-nat"]
        }
    }
}
