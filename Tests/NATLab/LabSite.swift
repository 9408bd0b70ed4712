/// What the hosts behind one NAT (or one open host) have in common: the NAT and the link to the internet.
package final class LabSite: Sendable {
    package let name: String
    package let profile: NATProfile
    let site: LabPlan.Site
    let addresses: AddressPlan
    private let holder: Holder
    /// Routing tables of the internet's router that lead here over WANs, and the devices.
    let routesOverWANs: [(table: Int, device: String)]
    private let generation = Locked(0)

    init(
        _ site: LabPlan.Site, _ addresses: AddressPlan, _ holder: Holder,
        routesOverWANs: [(table: Int, device: String)] = []
    ) {
        self.routesOverWANs = routesOverWANs
        name = site.name
        profile = site.profile
        self.site = site
        self.addresses = addresses
        self.holder = holder
    }

    /// The IPv4 address that the internet sees.
    package var publicAddress: String { addresses.publicAddress(generation: generation.withLock { $0 }) }

    /// Where the site's traffic can be cut: its innermost NAT, or the internet's router for an open host.
    private var cutPoint: (network: String, device: String) {
        site.routers.last.map { ($0, "wan") } ?? (SetupScripts.internet, addresses.link)
    }

    // MARK: Faults

    /// Drops all UDP between the site and the internet, without telling anybody. Hosts of the site still reach each
    /// other.
    package func cutUDP() async throws {
        try await addTable("cut", "meta l4proto udp drop")
    }

    package func restoreUDP() async throws {
        try await deleteTable("cut")
    }

    /// Drops this percentage of all packets (0…100, two decimals count), each way, at random. Zero ends it.
    package func setLoss(percent: Double) async throws {
        try await deleteTable("loss")
        let threshold = Int((percent * 100).rounded())
        if threshold > 0 {
            try await addTable("loss", "numgen random mod 10000 < \(threshold) drop")
        }
    }

    /// Makes the NATs forget every mapping and every flow, as a restart of the device does. Port-preserving ones give
    /// the next flow the same port again, but let nothing in before.
    package func flushMappings() async throws {
        for router in site.routers {
            try holder.flushConnections(network: router)
            let rules = NATRules(profile: profile, publicAddress: "", timeouts: site.timeouts)
            if !rules.forgetting.isEmpty { try await holder.rules(rules.forgetting, network: router) }
        }
    }

    /// Gives the outermost NAT another public address and forgets all mappings, as a reconnecting modem does.
    package func changePublicAddress() async throws {
        guard let router = site.routers.first else { throw LabError.unknown("NAT of \(name)") }
        let old = publicAddress
        generation.withLock { $0 += 1 }
        let new = publicAddress
        let rules = NATRules(profile: profile, publicAddress: new, timeouts: site.timeouts)
        try await reroute(from: old, to: new)
        try await holder.script(
            """
            ip addr add \(new)/32 dev wan
            ip addr del \(old)/32 dev wan
            ip route replace default via \(AddressPlan.gateway) dev wan onlink
            nft -f - <<'END'
            flush chain \(NATRules.table) translate
            add rule \(NATRules.table) translate \(rules.sourceRule)
            END
            """, network: router)
        try await flushMappings()
    }

    /// Gives an open site the next public address; the host takes it itself.
    func nextPublicAddress() async throws {
        let old = publicAddress
        generation.withLock { $0 += 1 }
        try await reroute(from: old, to: publicAddress)
    }

    private func reroute(from old: String, to new: String) async throws {
        let places = [addresses.link] + routesOverWANs.map { "\($0.device) table \($0.table)" }
        let lines = places.map { "ip route del \(old)/32 dev \($0)\nip route add \(new)/32 dev \($0)" }
        try await holder.script(lines.joined(separator: "\n"), network: SetupScripts.internet)
    }

    /// The NAT's rules and timeouts as the kernel has them, from the internet inwards.
    package func natState() async throws -> [String] {
        var states: [String] = []
        for router in site.routers {
            states.append(
                try await holder.script(
                    "nft list ruleset; grep . /proc/sys/net/netfilter/nf_conntrack_udp_timeout*", network: router))
        }
        return states
    }

    // MARK: Tables of rules

    private func addTable(_ kind: String, _ rule: String) async throws {
        let (network, device) = cutPoint
        try await holder.rules(
            """
            table inet \(kind)_\(addresses.number) {
            chain pass {
                type filter hook forward priority -150
                iifname "\(device)" \(rule)
                oifname "\(device)" \(rule)
            }
            }
            """, network: network)
    }

    private func deleteTable(_ kind: String) async throws {
        // Made first, so that deleting it never fails.
        let table = "table inet \(kind)_\(addresses.number)"
        try await holder.rules("\(table)\ndelete \(table)", network: cutPoint.network)
    }
}
