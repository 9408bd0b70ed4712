/// Where a signaling server is: `ws[s]://HOST[:PORT]`. Nothing else is accepted: no user, path, query or fragment.
package struct ServerURL: Hashable, Sendable, CustomStringConvertible {
    /// Whether TLS protects the connection (`wss`).
    package let isSecure: Bool
    /// The host to dial, and the name that a login is bound to.
    package let host: HostName
    /// The TCP port, 1…65535.
    package let port: UInt16

    /// Joins the parts. Throws `invalidValue` for port 0.
    package init(isSecure: Bool, host: HostName, port: UInt16? = nil) throws(WireError) {
        guard port != 0 else { throw .invalidValue }
        self.isSecure = isSecure
        self.host = host
        self.port = port ?? ServerURL.defaultPort(isSecure: isSecure)
    }

    /// From text; the scheme in either case, at most a `/` after the port. Throws `invalidText` for anything odd, and
    /// `invalidValue` for port 0.
    package init(_ text: String) throws(WireError) {
        let lowered = text.prefix(6).lowercased()
        let isSecure = lowered == "wss://"
        guard isSecure || lowered.hasPrefix("ws://") else { throw .invalidText }
        var rest = text.dropFirst(isSecure ? 6 : 5)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let (name, port) = try HostPort.split(String(rest))
        guard name.isBracketed == name.text.utf8.contains(UInt8(ascii: ":")) else { throw .invalidText }
        try self.init(isSecure: isSecure, host: HostName(name.text), port: port)
    }

    /// 443 with TLS, else 80.
    package static func defaultPort(isSecure: Bool) -> UInt16 { isSecure ? 443 : 80 }

    /// `HOST` or `HOST:PORT` as the Host header has it: the default port is left out.
    package var authority: String {
        port == ServerURL.defaultPort(isSecure: isSecure) ? host.bracketed : "\(host.bracketed):\(port)"
    }

    /// The URL in normal form.
    package var description: String { "\(isSecure ? "wss" : "ws")://\(authority)" }
}
