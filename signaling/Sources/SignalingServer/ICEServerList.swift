import FoundationEssentials
package import Wire

/// ICE servers as people write them down: URIs (RFC 7064, RFC 7065), and a file in the form that browsers use
/// (`RTCIceServer` of the W3C's WebRTC).
package enum ICEServerList {
    /// A server from `stun:HOST[:PORT]` or `turn:HOST[:PORT][?transport=udp|tcp]`; port 3478 when none is given. `turns:` and
    /// `stuns:` are refused: clients cannot use them.
    ///
    /// - Returns: nil when it is none.
    package static func server(uri: String) -> ICEServer? {
        guard let colon = uri.firstIndex(of: ":") else { return nil }
        let parts = uri[uri.index(after: colon)...].split(separator: "?", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = parts.first.flatMap(self.address) else { return nil }
        let kind: ICEServer.Kind
        switch (uri[..<colon].lowercased(), parts.count == 2 ? parts[1].lowercased() : nil) {
        case ("stun", nil): kind = .stun
        case ("turn", nil), ("turn", "transport=udp"): kind = .turnUDP
        case ("turn", "transport=tcp"): kind = .turnTCP
        default: return nil
        }
        return ICEServer(kind: kind, host: address.host, port: address.port)
    }

    /// The servers in a file: `{"iceServers": [{"urls": URI or [URI…], "username": …, "credential": …}…]}`.
    ///
    /// - Throws: `ServerError.file`.
    package static func read(_ path: String) throws(ServerError) -> [ICEServer] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .file(path: path, reason: "it cannot be read")
        }
        guard let file = try? JSONDecoder().decode(File.self, from: data) else {
            throw .file(path: path, reason: #"it is not {"iceServers": [{"urls": ["stun:HOST:PORT"]}]} in JSON"#)
        }
        var servers: [ICEServer] = []
        for entry in file.iceServers {
            for uri in entry.urls.all {
                guard var server = server(uri: uri) else {
                    throw .file(path: path, reason: "\(uri) is no STUN or TURN URI")
                }
                server.username = entry.username ?? ""
                server.credential = entry.credential ?? ""
                guard server.username.utf8.count <= 255, server.credential.utf8.count <= 255 else {
                    throw .file(path: path, reason: "user name or credential of \(uri) is longer than 255 bytes")
                }
                servers.append(server)
            }
        }
        return servers
    }

    private struct File: Decodable {
        let iceServers: [Entry]
    }

    private struct Entry: Decodable {
        let urls: OneOrMore
        let username: String?
        let credential: String?
    }

    private struct OneOrMore: Decodable {
        let all: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                all = [one]
            } else {
                all = try container.decode([String].self)
            }
        }
    }

    private static func address(_ text: Substring) -> (host: HostName, port: UInt16)? {
        let isBare = !text.hasSuffix("]") && text.contains(":")
        if isBare, let address = try? ListenAddress(String(text)), address.port != 0, address.host != .everyAddress {
            return (address.host, address.port)
        }
        guard !isBare, let host = try? HostName(String(text)) else { return nil }
        return (host, ServerConfiguration.defaultSTUNPort)
    }
}
