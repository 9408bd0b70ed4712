package import ICE
package import Wire

/// The STUN and TURN servers that the signaling server names at login, as addresses: libnice leaks its resolver's memory when given names, so
/// names are looked up before.
package struct ICEServers {
    package var stun: [Endpoint] = []
    package var turn: [TURNServer] = []

    /// The server may name so many hosts; more are passed over.
    static let maximumNames = 8

    init() {}

    /// The hosts of a list that are given by name, each once.
    package static func names(in list: [ICEServer]) -> [HostName] {
        var names: [HostName] = []
        for host in list.compactMap(\.host) where host.address == nil && !names.contains(host) { names.append(host) }
        return Array(names.prefix(maximumNames))
    }

    /// - Parameters:
    ///   - dialed: the server's address as the client reached it; it stands for a server without a host.
    ///   - known: what the names stand for; of each family the first address is used.
    package init(_ list: [ICEServer], dialed: IPAddress?, known: [HostName: [IPAddress]] = [:]) {
        for server in list where server.port != 0 {
            for address in Self.addresses(of: server, dialed, known) {
                add(server, Endpoint(address: address, port: server.port))
            }
        }
    }

    private static func addresses(
        of server: ICEServer, _ dialed: IPAddress?, _ known: [HostName: [IPAddress]]
    ) -> [IPAddress] {
        guard let host = server.host else { return dialed.map { [$0] } ?? [] }
        if let address = host.address { return [address] }
        let all = known[host] ?? []
        return [all.first { $0.isV6 }, all.first { !$0.isV6 }].compactMap(\.self)
    }

    private mutating func add(_ server: ICEServer, _ endpoint: Endpoint) {
        switch server.kind {
        case .stun:
            stun.append(endpoint)
        case .turnUDP, .turnTCP:
            turn.append(
                TURNServer(
                    endpoint: endpoint, tcp: server.kind == .turnTCP, username: server.username,
                    credential: server.credential))
        default:
            // A kind of a later version.
            break
        }
    }
}
