import Foundation

/// A world of its own: an internet, sites with NATs, and hosts, in network namespaces that only it knows.
///
/// Several can run at once; how many is limited for the whole process, and ``start(_:)`` waits for its turn. Nothing
/// outlives it: ``close()``, the last reference and the end of the process all kill what runs inside.
package final class Lab: Sendable {
    private let holder: Holder
    private let hosts: [String: LabHost]
    let wans: [WAN]
    private let slot = Locked(true)

    /// Time in which the namespaces, links, addresses and rules were made, without the wait for a turn.
    package let setupTime: Duration

    private init(holder: Holder, plan: LabPlan, wans: [WAN], setupTime: Duration) {
        self.holder = holder
        self.wans = wans
        self.setupTime = setupTime
        let scripts = SetupScripts(plan: plan)
        var hosts: [String: LabHost] = [:]
        for (index, site) in plan.sites.enumerated() {
            let common = LabSite(
                site, AddressPlan(number: index + 1), holder, routesOverWANs: scripts.routesOverWANs(to: site.name))
            for (position, name) in site.hosts.enumerated() {
                hosts[name] = LabHost(name, position: position, at: common, holder)
            }
        }
        self.hosts = hosts
    }

    deinit {
        holder.close()
        giveBackSlot()
    }

    /// Sets up what the closure plans. Close the laboratory when done, or use ``with(_:_:)``.
    package static func start(_ plan: (inout LabPlan) -> Void) async throws -> Lab {
        var described = LabPlan()
        plan(&described)
        if case .unavailable(let reason) = availability { throw LabError.unavailable(reason) }
        if !described.wans.isEmpty, !wanUnavailableReason.isEmpty { throw LabError.unavailable(wanUnavailableReason) }
        if let name = described.misnamed { throw LabError.unknown(name) }
        await LabSlots.shared.take()
        do {
            return try await setUp(described)
        } catch {
            LabSlots.shared.giveBack()
            throw error
        }
    }

    /// Sets up, runs `body`, and closes, whatever happened.
    package static func with<Result>(
        _ plan: (inout LabPlan) -> Void, _ body: (Lab) async throws -> Result
    ) async throws -> Result {
        let lab = try await start(plan)
        do {
            let result = try await body(lab)
            try await lab.close()
            return result
        } catch {
            try? await lab.close()
            throw error
        }
    }

    private static func setUp(_ plan: LabPlan) async throws -> Lab {
        let began = ContinuousClock.now
        let holder = try Holder()
        let scripts = SetupScripts(plan: plan)
        try await holder.script(
            """
            cat > /run/hosts <<'END'
            \(scripts.hostsFile)
            END
            mount --bind /run/hosts /etc/hosts
            ip -batch - <<'END'
            \(scripts.foundation)
            END
            """, network: nil)
        // Before the configuration, which also turns on what a device needs for IPv6.
        let wans = try plan.wans.enumerated().map { try WAN($1, number: $0, holder) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (namespace, script) in scripts.configurations {
                group.addTask { try await holder.script(script, network: namespace) }
            }
            try await group.waitForAll()
        }
        return Lab(holder: holder, plan: plan, wans: wans, setupTime: .now - began)
    }

    /// Kills everything inside and waits until it is gone. May be called again.
    package func close() async throws {
        defer { giveBackSlot() }
        for wan in wans { try await wan.closed(within: .seconds(20)) }
        try await holder.closed(within: .seconds(20))
    }

    private func giveBackSlot() {
        let isHeld = slot.withLock { held in
            defer { held = false }
            return held
        }
        if isHeld { LabSlots.shared.giveBack() }
    }

    /// The host with this name.
    package func host(_ name: String) throws(LabError) -> LabHost {
        guard let host = hosts[name] else { throw .unknown(name) }
        return host
    }

    /// Drops what `source`'s site sends to `destination`'s, one way, on the internet's router.
    ///
    /// - Parameter udpOnly: lets TCP through.
    package func block(from source: LabHost, to destination: LabHost, udpOnly: Bool = false) async throws {
        let (one, other) = (source.site.addresses, destination.site.addresses)
        let what = udpOnly ? "meta l4proto udp" : ""
        let ways = [other.link] + destination.site.routesOverWANs.map(\.device)
        let rules = ways.map { "iifname \"\(one.link)\" oifname \"\($0)\" \(what) drop" }
        try await holder.rules(
            """
            table inet block_\(one.number)_\(other.number) {
            chain pass {
                type filter hook forward priority -150
                \(rules.joined(separator: "\n"))
            }
            }
            """, network: SetupScripts.internet)
    }

    /// Ends ``block(from:to:udpOnly:)``.
    package func unblock(from source: LabHost, to destination: LabHost) async throws {
        let (one, other) = (source.site.addresses.number, destination.site.addresses.number)
        try await holder.rules("delete table inet block_\(one)_\(other)\n", network: SetupScripts.internet)
    }
}

extension Holder {
    /// Runs a shell script that has to succeed, in a network namespace.
    @discardableResult
    func script(_ text: String, network: String?, within limit: Duration = .seconds(20)) async throws -> String {
        let process = try spawn(
            "sh", ["-euc", text], network: network, environment: laboratoryEnvironment(adding: [:]), directory: nil)
        let status = try await process.exit(within: limit)
        let output = process.lines.map(\.text).joined(separator: "\n")
        guard status.succeeded else {
            throw LabError.commandFailed("script", status, output: "\(output)\n\(process.errorText)\n\(text)")
        }
        return output
    }

    /// Loads nft commands in a network namespace.
    func rules(_ text: String, network: String) async throws {
        try await script("nft -f - <<'END'\n\(text)\nEND", network: network)
    }
}
