package import Wire

/// How one ICE agent is to gather and check.
package struct ICEConfiguration: Sendable {
    /// RFC 8445 §6.1.1. The dialer controls; when both sides claim the same role libnice settles it by tie-breaker.
    package enum Role: Sendable {
        /// Nominates pairs.
        case controlling
        /// Follows the nominations of the peer.
        case controlled
    }

    /// Which side this agent is.
    package var role: Role
    /// STUN servers, best first. libnice asks only one of them: the first with an IPv4 address, else the first.
    package var stunServers: [Endpoint]
    /// TURN servers, best first; at most 8 are used (a limit of libnice).
    package var turnServers: [TURNServer]
    /// The credentials of this side; nil: random ones.
    package var localCredentials: ICECredentials?
    /// The addresses to gather on. Nil: those of all running interfaces, without loopback, Docker's and virtual ones; and
    /// loopback when there is nothing else. Duplicates are ignored, at most 64 are used.
    package var localAddresses: [IPAddress]?
    /// Whether to use relayed candidates alone, so that the peer never learns an address of this host.
    package var relayedOnly: Bool

    /// Describes an agent.
    package init(
        role: Role, stunServers: [Endpoint] = [], turnServers: [TURNServer] = [],
        localCredentials: ICECredentials? = nil, localAddresses: [IPAddress]? = nil, relayedOnly: Bool = false
    ) {
        self.role = role
        self.stunServers = stunServers
        self.turnServers = turnServers
        self.localCredentials = localCredentials
        self.localAddresses = localAddresses
        self.relayedOnly = relayedOnly
    }
}

/// A relay for ICE's relayed candidates (RFC 8656).
package struct TURNServer: Sendable {
    /// Where it listens.
    package var endpoint: Endpoint
    /// Whether to reach it by TCP. There is no TLS: libnice speaks plain TCP where it says TLS.
    package var tcp: Bool
    /// The long-term credential's user name.
    package var username: String
    /// The long-term credential's password. Secret.
    package var credential: String

    /// Describes a server.
    package init(endpoint: Endpoint, tcp: Bool, username: String, credential: String) {
        self.endpoint = endpoint
        self.tcp = tcp
        self.username = username
        self.credential = credential
    }
}
