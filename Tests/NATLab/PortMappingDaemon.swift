import Foundation

/// What answers PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP-IGD on a NAT of the laboratory.
package enum PortMappingDaemon: String, Sendable, CaseIterable, CustomStringConvertible {
    /// The real one (Debian: `miniupnpd-nftables`); SOTTO_MINIUPNPD may name it.
    case miniupnpd
    /// A few lines of Python, for machines without it.
    case standIn = "stand-in"

    /// Where UPnP-IGD has its descriptions, by HTTP.
    package static let descriptionPort: UInt16 = 5_000

    /// What it answers to. `miniupnpd` speaks NAT-PMP where it speaks PCP, and where it is to speak NAT-PMP only, requests by PCP do not reach it;
    /// the stand-in says that it does not speak the other. What speaks UPnP-IGD is silent in these two, and the other way round.
    package enum Language: String, Sendable, CaseIterable, CustomStringConvertible {
        case pcp = "PCP"
        case natPMP = "NAT-PMP"
        case upnp = "UPnP-IGD"

        package var description: String { rawValue }

        /// The port at which it is asked.
        package var port: UInt16 { self == .upnp ? 1_900 : 5_351 }

        /// What it is called by `sotto netcheck`.
        package var name: String {
            switch self {
            case .pcp: "pcp"
            case .natPMP: "nat-pmp"
            case .upnp: "upnp-igd"
            }
        }
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
        case (.standIn, .pcp), (.standIn, .natPMP): return ["-c", Self.script, inside, outside, language.name]
        case (.standIn, .upnp): return StandInIGD.arguments(inside: inside, outside: outside, habit)
        }
    }

    static func configuration(_ addresses: AddressPlan, external: String?, _ language: Language) -> String {
        """
        ext_ifname=wan
        \(external.map { "ext_ip=\($0)" } ?? "")
        listening_ip=lan
        enable_natpmp=\(language == .upnp ? "no" : "yes")
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
    func rules(_ language: Language) -> String {
        // The first byte of a request is the version.
        let withoutPCP = "insert rule \(NATRules.table) own iifname lan udp dport 5351 @th,64,8 2 drop"
        return Self.rules + (self == .miniupnpd && language == .natPMP ? "\n" + withoutPCP : "")
    }

    private static let rules = """
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
        import socket, struct, subprocess, sys, time
        inside, outside, language = sys.argv[1:]
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((inside, 5351))
        chain = "inet portmap prerouting_miniupnpd"
        mappings, used, start = {}, 0, time.monotonic()
        in_ipv6 = bytes(10) + b"\\xff\\xff"

        def change(client, private, life):
            global used
            if life:
                used += (client, private) not in mappings
                public = mappings.setdefault((client, private), 20000 + used)
            else:
                mappings.pop((client, private), None)
                public = 0
            rules = ["flush chain " + chain] + [
                f"add rule {chain} iifname wan meta l4proto udp udp dport {port} dnat ip to {host}:{own}"
                for (host, own), port in mappings.items()]
            subprocess.run(["nft", "-f", "-"], input="\\n".join(rules) + "\\n", text=True, check=True)
            return public

        def nat_pmp(request, client):
            if request == b"\\0\\0":
                return struct.pack(">BBHI", 0, 128, 0, 1) + socket.inet_aton(outside)
            if request[0] != 0:
                return struct.pack(">BBHI", 0, 128 | request[1], 1, 1)
            if len(request) == 12 and request[1] == 1:
                private, public, life = struct.unpack(">HHI", request[4:])
                return struct.pack(">BBHIHHI", 0, 129, 0, 1, private, change(client, private, life), life)

        nonces = {}
        def pcp(request, client):
            def header(result, life):
                return struct.pack(">BBBBII12x", 2, 128 | request[1], 0, result, life, int(time.monotonic() - start))
            if request[0] != 2:
                return header(1, 1800)
            life, = struct.unpack(">I", request[4:8])
            if request[8:24] != in_ipv6 + socket.inet_aton(client):
                return header(12, 1800) + request[24:]
            if len(request) == 24 and request[1] == 0:
                return header(0, 0)
            if len(request) == 60 and request[1] == 1 and request[36] == 17:
                private, = struct.unpack(">H", request[40:42])
                if nonces.get((client, private), request[24:36]) != request[24:36]:
                    return header(2, 1800) + request[24:]
                public = change(client, private, life)
                nonces[client, private] = request[24:36]
                if not life:
                    del nonces[client, private]
                return header(0, life) + request[24:42] + struct.pack(">H", public) + in_ipv6 + socket.inet_aton(outside)

        while True:
            request, client = server.recvfrom(2048)
            if len(request) >= 2:
                answer = (pcp if language == "pcp" else nat_pmp)(request, client[0])
                if answer:
                    server.sendto(answer, client)
        """
}

extension LabSite {
    /// Starts to give out ports on the site's innermost NAT, and returns when that is ready. What is mapped passes the NAT's filter.
    ///
    /// `miniupnpd` refuses to work with the laboratory's addresses, which are for documentation and not routed: the site gets one more, of a routed range.
    ///
    /// - Parameters:
    ///   - language: what it answers to.
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
            \(daemon.rules(language))
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
