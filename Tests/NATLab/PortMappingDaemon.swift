import Foundation

/// What answers NAT-PMP (RFC 6886) or UPnP-IGD on a NAT of the laboratory.
package enum PortMappingDaemon: String, Sendable, CaseIterable, CustomStringConvertible {
    /// The real one (Debian: `miniupnpd-nftables`); SOTTO_MINIUPNPD may name it.
    case miniupnpd
    /// A few lines of Python, for machines without it.
    case standIn = "stand-in"

    /// Where UPnP-IGD has its descriptions, by HTTP.
    package static let descriptionPort: UInt16 = 5_000

    /// What it answers to; the other one is silent.
    package enum Language: String, Sendable, CaseIterable, CustomStringConvertible {
        case natPMP = "NAT-PMP"
        case upnp = "UPnP-IGD"

        package var description: String { rawValue }

        /// The port at which it is asked.
        package var port: UInt16 { self == .natPMP ? 5_351 : 1_900 }
    }

    package var description: String { rawValue }

    /// Those that can be had here.
    package static var available: [PortMappingDaemon] { allCases.filter { (try? $0.program()) != nil } }

    func program() throws(LabError) -> String {
        switch self {
        case .miniupnpd: try findProgram(ProcessInfo.processInfo.environment["SOTTO_MINIUPNPD"] ?? "miniupnpd")
        case .standIn: try findProgram("python3")
        }
    }

    /// Its arguments. The stand-in keeps its rules in the chain that miniupnpd would use.
    func arguments(
        _ addresses: AddressPlan, external: String?, configuration: String, _ language: Language,
        _ habit: StandInIGD.Habit
    ) -> [String] {
        let (inside, outside) = ("\(addresses.local).1", external ?? "10.9.8.7")
        switch (self, language) {
        case (.miniupnpd, _): return ["-d", "-f", configuration, "-P", "\(configuration).pid"]
        case (.standIn, .natPMP): return ["-c", Self.script, inside, outside]
        case (.standIn, .upnp): return StandInIGD.arguments(inside: inside, outside: outside, habit)
        }
    }

    static func configuration(_ addresses: AddressPlan, external: String?, _ language: Language) -> String {
        """
        ext_ifname=wan
        \(external.map { "ext_ip=\($0)" } ?? "")
        listening_ip=lan
        enable_natpmp=\(language == .natPMP ? "yes" : "no")
        enable_upnp=\(language == .upnp ? "yes" : "no")
        port=\(descriptionPort)
        ipv6_disable=yes
        upnp_table_name=portmap
        upnp_nat_table_name=portmap
        secure_mode=yes
        allow 1024-65535 \(addresses.local).0/24 1024-65535
        deny 0-65535 0.0.0.0/0 0-65535
        """
    }

    /// The chains that it fills, and what lets its work through the NAT's own filter.
    static let rules = """
        table inet portmap {
        chain miniupnpd { }
        chain prerouting_miniupnpd { }
        chain postrouting_miniupnpd { }
        chain pre {
            type nat hook prerouting priority dstnat - 5
            jump prerouting_miniupnpd
        }
        }
        insert rule \(NATRules.table) pass iifname "wan" meta l4proto udp ct status dnat accept
        insert rule \(NATRules.table) own iifname "lan" udp dport { 1900, 5351 } accept
        """

    private static let script = """
        import socket, struct, subprocess, sys
        inside, outside = sys.argv[1:]
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((inside, 5351))
        chain = "inet portmap prerouting_miniupnpd"
        mappings, used = {}, 0
        while True:
            request, client = server.recvfrom(64)
            if request == b"\\0\\0":
                server.sendto(struct.pack(">BBHI", 0, 128, 0, 1) + socket.inet_aton(outside), client)
            elif len(request) == 12 and request[:2] == b"\\0\\1":
                private, public, life = struct.unpack(">HHI", request[4:])
                if life:
                    used += (client[0], private) not in mappings
                    mappings[client[0], private] = public = mappings.get((client[0], private), 20000 + used)
                else:
                    mappings.pop((client[0], private), None)
                    public = 0
                rules = ["flush chain " + chain] + [
                    f"add rule {chain} iifname wan meta l4proto udp udp dport {port} dnat ip to {host}:{own}"
                    for (host, own), port in mappings.items()]
                subprocess.run(["nft", "-f", "-"], input="\\n".join(rules) + "\\n", text=True, check=True)
                server.sendto(struct.pack(">BBHIHHI", 0, 129, 0, 1, private, public, life), client)
        """
}

extension LabSite {
    /// Starts to give out ports on the site's innermost NAT, and returns when that is ready. What is mapped passes the NAT's filter.
    ///
    /// `miniupnpd` refuses to work with the laboratory's addresses, which are for documentation and not routed: the site gets one more, of a routed range.
    ///
    /// - Parameters:
    ///   - language: the only one that it answers to.
    ///   - habit: of the stand-in for UPnP-IGD.
    ///   - hasPublicAddress: false is a NAT behind another one: `miniupnpd` is left at the laboratory's address, the stand-in tells a private one.
    /// - Returns: the program.
    @discardableResult
    package func startPortMapping(
        _ daemon: PortMappingDaemon, speaking language: PortMappingDaemon.Language = .natPMP,
        _ habit: StandInIGD.Habit = .honest, hasPublicAddress: Bool = true
    ) async throws -> LabProcess {
        guard let router = site.routers.last else { throw LabError.unknown("NAT of \(name)") }
        let external = hasPublicAddress ? "11.0.0.\(addresses.number)" : nil
        if let external {
            try await holder.script(
                "ip route add \(external)/32 dev \(addresses.link)", network: SetupScripts.internet)
            try await holder.script("ip addr add \(external)/32 dev wan", network: router)
        }
        let configuration = "/run/portmap-\(addresses.number)"
        try await holder.script(
            """
            cat > \(configuration) <<'END'
            \(PortMappingDaemon.configuration(addresses, external: external, language))
            END
            nft -f - <<'END'
            \(PortMappingDaemon.rules)
            END
            """, network: router)
        let process = try holder.spawn(
            try daemon.program(),
            daemon.arguments(addresses, external: external, configuration: configuration, language, habit),
            network: router, environment: laboratoryEnvironment(adding: [:]), directory: nil)
        portMapping.withLock { $0 = process }
        if daemon == .standIn, language == .upnp {
            try await StandInIGD.waitUntilReady(process)
            return process
        }
        try await holder.script(
            "for i in $(seq 200); do ss -Huln sport = \(language.port) | grep -q . && exit 0; sleep 0.05; done; exit 1",
            network: router)
        return process
    }

    /// The mappings that exist, as the kernel has them.
    package func portMappings() async throws -> [String] {
        guard let router = site.routers.last else { return [] }
        let rules = try await holder.script("nft list chain inet portmap prerouting_miniupnpd", network: router)
        return rules.split(separator: "\n").map(String.init).filter { $0.contains("dnat") }
    }
}
