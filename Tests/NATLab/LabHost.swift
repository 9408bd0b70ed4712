import Foundation

/// A computer in the laboratory, with one interface, `eth0`.
package final class LabHost: Sendable {
    package let name: String
    package let site: LabSite
    let holder: Holder
    private let position: Int
    private let generation = Locked(0)

    init(_ name: String, position: Int, at site: LabSite, _ holder: Holder) {
        self.name = name
        self.position = position
        self.site = site
        self.holder = holder
    }

    package var profile: NATProfile { site.profile }

    // MARK: Addresses

    /// The host's own IPv4 address; nil when it has IPv6 only.
    package var address4: String? {
        guard site.site.families.hasIPv4 else { return nil }
        return profile == .open
            ? site.publicAddress
            : site.addresses.localAddress(position, generation: generation.withLock { $0 })
    }

    /// The host's IPv6 address; nil when it has IPv4 only.
    package var address6: String? {
        guard site.site.families.hasIPv6 else { return nil }
        return site.addresses.address6(position, generation: generation.withLock { $0 })
    }

    /// The IPv4 address, or the IPv6 address when there is no other.
    package var address: String { address4 ?? address6 ?? "" }

    /// Takes new addresses, of each family it has, on the same network. Sockets bound to the old ones are dead.
    package func changeAddress() async throws {
        generation.withLock { $0 += 1 }
        if site.site.families.hasIPv4, profile == .open { try await site.nextPublicAddress() }
        try await batch(["addr flush dev eth0 scope global"] + addressCommands)
    }

    /// Takes the interface down, as pulling out the cable does.
    package func takeDown() async throws {
        try await batch(["link set eth0 down"])
    }

    /// Brings the interface up again with the same addresses.
    package func bringUp() async throws {
        try await batch(["link set eth0 up", "addr flush dev eth0 scope global"] + addressCommands)
    }

    private var addressCommands: [String] {
        let first = address4.map { SetupScripts.address4($0, of: site.site, site.addresses) } ?? []
        return first + (address6.map { SetupScripts.address6($0, of: site.site, site.addresses) } ?? [])
    }

    private func batch(_ commands: [String]) async throws {
        try await holder.script("ip -batch - <<'END'\n\(commands.joined(separator: "\n"))\nEND", network: name)
    }

    // MARK: Programs

    /// What a finished program left.
    package struct Output: Sendable {
        package let status: ExitStatus
        package let output: String
        package let errors: String
    }

    /// Starts a program on this host.
    ///
    /// - Parameters:
    ///   - program: a path, or a name looked up as a shell does.
    ///   - environment: added to this process's environment, without the project's own variables.
    ///   - observer: told of each line of output and of the end.
    package func spawn(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:],
        directory: String? = nil, observer: LabProcess.Observer? = nil
    ) throws(LabError) -> LabProcess {
        try holder.spawn(
            program, arguments, network: name, environment: laboratoryEnvironment(adding: environment),
            directory: directory, observer: observer)
    }

    /// Runs a program on this host to its end, and kills it when it takes longer than `limit`.
    package func run(
        _ program: String, _ arguments: String..., input: String? = nil, environment: [String: String] = [:],
        directory: String? = nil, within limit: Duration = .seconds(10)
    ) async throws -> Output {
        let process = try spawn(program, arguments, environment: environment, directory: directory)
        if let input { try process.write(input) }
        process.closeInput()
        do {
            let status = try await process.exit(within: limit)
            let text = process.lines.map { $0.text + "\n" }.joined()
            return Output(status: status, output: text, errors: process.errorText)
        } catch {
            await process.kill()
            throw error
        }
    }

    // MARK: Probing and watching

    /// A plain UDP socket of this host.
    package func udpSocket(port: UInt16 = 0, ipv6: Bool = false) throws -> UDPProbe {
        try UDPProbe(on: self, port: port, ipv6: ipv6)
    }

    /// Records every packet that this host sends or receives from now on.
    package func capture() throws(LabError) -> PacketCapture {
        try PacketCapture(descriptor: holder.captureSocket(network: name))
    }
}
