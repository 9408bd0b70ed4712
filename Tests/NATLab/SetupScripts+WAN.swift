/// How packets get onto a WAN: the internet's router has a tunnel device for each end, and sends what comes from one of its
/// sites for the other into the tunnel instead of to the site. What comes out of a tunnel is routed as ever.
extension SetupScripts {
    /// The devices of a WAN's ends, by its position in the plan.
    static func tunnels(_ number: Int) -> (String, String) { ("w\(number)a", "w\(number)b") }

    /// Routing tables, one for each end: what comes from the site there looks into it first.
    static func tables(_ number: Int) -> (Int, Int) { (1_000 + 2 * number, 1_001 + 2 * number) }

    /// Where the routes to a site are that lead over WANs: table and device.
    func routesOverWANs(to site: String) -> [(table: Int, device: String)] {
        plan.wans.enumerated().compactMap { number, wan in
            let (tables, tunnels) = (Self.tables(number), Self.tunnels(number))
            if wan.second == site { return (tables.0, tunnels.0) }
            if wan.first == site { return (tables.1, tunnels.1) }
            return nil
        }
    }

    /// Run in the namespace of the internet's router, when its links are there.
    var wanScript: String {
        let addresses = Dictionary(uniqueKeysWithValues: numbered.map { ($0.name, ($0, $1)) })
        var lines: [String] = []
        for (number, wan) in plan.wans.enumerated() {
            let (tunnels, tables) = (Self.tunnels(number), Self.tables(number))
            guard let first = addresses[wan.first], let second = addresses[wan.second] else { continue }
            // No packet may be lost in a queue that nobody planned: the kernel's in front of a tunnel holds a burst of any sender's.
            for tunnel in [tunnels.0, tunnels.1] {
                lines.append("ip link set \(tunnel) mtu \(WANForwarder.largestPacket) txqueuelen 20000 up")
            }
            lines += way(from: first, to: second, through: tunnels.0, table: tables.0)
            lines += way(from: second, to: first, through: tunnels.1, table: tables.1)
        }
        // What comes out of a tunnel has a sender who lives elsewhere.
        lines.append("for each in /proc/sys/net/ipv4/conf/*; do echo 0 > $each/rp_filter; done")
        return lines.joined(separator: "\n")
    }

    private func way(
        from one: (LabPlan.Site, AddressPlan), to other: (LabPlan.Site, AddressPlan), through tunnel: String, table: Int
    ) -> [String] {
        ["", "-6"].map { "ip \($0) rule add iif \(one.1.link) lookup \(table) priority \(table)" } + [
            "ip route add \(other.1.publicAddress())/32 dev \(tunnel) table \(table)",
            "ip -6 route add \(other.1.prefix6):/64 dev \(tunnel) table \(table)",
        ]
    }
}
