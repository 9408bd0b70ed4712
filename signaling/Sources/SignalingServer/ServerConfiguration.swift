package import NIOCore
package import Wire

/// Where to listen: a host, numeric or a name, and a port; port 0 lets the system choose.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// Numeric address or name; `::` listens on IPv4 too.
    package let host: HostName
    package let port: UInt16

    package init(host: HostName, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// From `HOST:PORT`, IPv6 addresses in brackets; `:PORT` and `*:PORT` mean every address.
    ///
    /// - Throws: `WireError.invalidText`.
    package init(_ text: String) throws(WireError) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")),
            let port = UInt16(text[text.index(after: colon)...])
        else { throw .invalidText }
        let name = String(text[..<colon])
        let isIPv6 = name.utf8.contains(UInt8(ascii: ":"))
        guard !isIPv6 || name.hasPrefix("[") else { throw .invalidText }
        self.init(host: name.isEmpty || name == "*" ? .everyAddress : try HostName(name), port: port)
    }

    package var description: String { "\(host.bracketed):\(port)" }
}

extension HostName {
    /// `::`, which on Linux takes IPv4 as well.
    static let everyAddress = HostName(.v6(0, 0, 0, 0, 0, 0, 0, 0))
}

/// Certificate chain and private key, both PEM files.
package struct TLSFiles: Hashable, Sendable {
    package let certificate: String
    package let key: String

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// What the server hands out for TURN.
package struct TURNConfiguration: Sendable {
    /// The servers, without credentials.
    package var servers: [ICEServer]
    /// The secret shared with them (coturn's `static-auth-secret`).
    package var secret: [UInt8]
    /// How long a credential holds.
    package var lifetime: TimeAmount

    package init(servers: [ICEServer], secret: [UInt8], lifetime: TimeAmount = .hours(12)) {
        self.servers = servers
        self.secret = secret
        self.lifetime = lifetime
    }
}

/// Where the second STUN responder listens. There is none without the first.
package enum SecondSTUN: Hashable, Sendable {
    case off
    /// At the port after the first one's; the server does without when that is taken.
    case beside
    case at(ListenAddress)
}

/// How the server runs. The defaults are those of `sotto-signal` without arguments.
package struct ServerConfiguration: Sendable {
    /// Port of HTTP and WebSocket when none is given.
    package static let defaultPort: UInt16 = 8080
    /// Port of the STUN responder when none is given (RFC 8489 section 8).
    package static let defaultSTUNPort: UInt16 = 3478

    /// Where HTTP and WebSocket listen.
    package var listen = ListenAddress(host: .everyAddress, port: defaultPort)
    /// Where the STUN responder listens; nil turns it off.
    package var stun: ListenAddress? = ListenAddress(host: .everyAddress, port: defaultSTUNPort)
    /// Where another STUN responder listens, so that clients can tell how a NAT maps (`netcheck`).
    package var secondSTUN = SecondSTUN.beside
    /// Names under which clients may dial this server, besides the addresses that it has.
    package var hosts: [HostName] = []
    /// What CHALLENGE calls the server; for people.
    package var name = "sotto-signal"
    /// TLS, when there is any.
    package var tls: TLSFiles?
    /// How often the certificate files are looked at for changes.
    package var certificateCheck: TimeAmount = .seconds(5)
    /// ICE servers told to clients besides our own STUN responder.
    package var iceServers: [ICEServer] = []
    /// TURN servers told to clients, with credentials made for each.
    package var turn: TURNConfiguration?
    /// The mailbox, when there is one.
    package var mailbox: MailboxConfiguration?
    /// What one client, one address, and all together may use.
    package var limits = ServerLimits()
    /// Threads that serve connections; nil: ``defaultThreads``.
    package var threads: Int?

    /// One for each core but one, and at least one. That core is left to the kernel's side of the connections and to the mailbox: with a thread on every core
    /// all of them wait for each other's memory, and each frame costs more.
    package static var defaultThreads: Int { max(1, System.coreCount - 1) }

    package init() {}

    /// On the loopback, on ports that the system chooses: for tests.
    package static func loopback(_ address: IPAddress = .v4(127, 0, 0, 1)) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.listen = ListenAddress(host: HostName(address), port: 0)
        configuration.stun = ListenAddress(host: HostName(address), port: 0)
        configuration.threads = 2
        return configuration
    }
}

/// Every limit of the server. Frames that are too large, too early or malformed close a connection; who sends more than
/// its rate is read from more slowly, and TCP tells it so; what waits for a receiver follows the rules of `Outbox`.
package struct ServerLimits: Sendable {
    /// Time from accepting a connection to CHALLENGE, and from there to a valid AUTH.
    package var authentication: TimeAmount = .seconds(5)
    /// Between pings to a client; two without an answer close the connection.
    package var heartbeat: TimeAmount = .seconds(15)
    /// For GOAWAY and close frames to leave at the end.
    package var shutdown: TimeAmount = .seconds(5)
    /// For a client to answer a close frame.
    package var closing: TimeAmount = .seconds(2)

    /// Connections in all.
    package var connections = 20_000
    /// Connections from one IPv4 address or one IPv6 /64.
    package var connectionsPerAddress = 64
    /// New connections from one IPv4 address or one IPv6 /64.
    package var newConnections = RateLimit(rate: 16, burst: 128)

    /// WebSocket messages of one peer.
    package var frames = RateLimit(rate: 20_000, burst: 40_000)
    /// Bytes of WebSocket messages of one peer.
    package var bytes = RateLimit(rate: 32 * 1024 * 1024, burst: 8 * 1024 * 1024)
    /// SIGNAL frames of one peer.
    package var signals = RateLimit(rate: 100, burst: 400)
    /// UNREACHABLE answers to one peer.
    package var unreachable = RateLimit(rate: 20, burst: 100)

    /// RELAY bytes that wait for one receiver; beyond, the oldest of whoever has more than a fair share there are dropped.
    package var relayQueueBytes = 512 * 1024
    /// SIGNAL frames that wait for one receiver; beyond, their senders wait.
    package var signalQueueFrames = 64
    /// How long a sender waits for a place in a receiver's SIGNAL queue.
    package var signalWait: TimeAmount = .seconds(2)
    /// How long one peer's absence needs no saying again to somebody who sends it RELAY frames.
    package var absence: TimeAmount = .milliseconds(250)
    /// How long nothing may leave to a client that has stopped reading.
    package var stalled: TimeAmount = .seconds(30)

    /// STUN requests of one source address (the addresses share a table of fixed size).
    package var stun = RateLimit(rate: 50, burst: 200)

    package init() {}
}
