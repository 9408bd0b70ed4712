package import ICE
package import Wire

/// The STUN and TURN servers that the signaling server names at login, as addresses: libnice leaks its resolver's memory when given names.
package struct ICEServers {
    package var stun: [Endpoint] = []
    package var turn: [TURNServer] = []

    init() {}

    /// - Parameter dialed: the server's address as the client reached it; it stands for a server without a host.
    package init(_ list: [ICEServer], dialed: IPAddress?) {
        for server in list {
            guard let address = server.host.map({ try? IPAddress($0.text) }) ?? dialed, server.port != 0 else {
                continue
            }
            let endpoint = Endpoint(address: address, port: server.port)
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
                continue
            }
        }
    }
}
