package import NIOCore
package import Wire

/// What a ``SignalingClient`` tells its owner, always on its event loop.
package enum SignalingEvent: Sendable {
    /// An attempt begins.
    case connecting
    /// Logged in. `local` is the address of this machine towards the server, `remote` the server's; with a proxy between,
    /// the proxy's.
    case connected(Welcome, local: Endpoint?, remote: Endpoint?)
    /// The connection, or the attempt, has ended. `retryIn`: seconds until the next attempt; nil when there will be none.
    case disconnected(SignalingDisconnect, retryIn: Double?)
    /// A sealed rendezvous payload from a peer.
    case signal(from: PeerKey, payload: [UInt8])
    /// QUIC packets from a peer, each `segmentSize` bytes but the last, which may be shorter.
    case relay(from: PeerKey, segmentSize: Int, packets: ByteBuffer)
    /// What was sent to this peer did not reach it.
    case unreachable(PeerKey, UnreachableReason)
    /// A frame from the server's mailbox: one of those that a server sends. A server without a mailbox sends none.
    case mail(MailFrame)
    /// There is room again for mail frames, half a MiB at least, after one was refused for want of it. Once for any number of
    /// refusals.
    case mailWritable
}

/// Why a connection ended. The descriptions are for people.
package enum SignalingDisconnect: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nothing listens there, or the server says that it will not have us now.
    case refused(String)
    /// The server's certificate does not hold, or it speaks no TLS.
    case tls(String)
    /// Something listens there, but no Sotto signaling server.
    case notSotto(String)
    /// The server does not accept our signature.
    case authenticationFailed
    /// The server does not know itself by the name that was dialed.
    case wrongHost(String)
    /// Another login of the same identity took over.
    case replaced
    /// The server shuts down or sheds load.
    case goAway
    /// Nothing heard for two and a half heartbeats.
    case heartbeat
    /// What the server sent is against the protocol.
    case protocolError(String)
    /// The network: name resolution, routes, timeouts, resets.
    case network(String)

    /// Whether trying again is pointless until somebody does something about it.
    package var isFatal: Bool {
        switch self {
        case .authenticationFailed, .wrongHost, .replaced: true
        default: false
        }
    }

    package var description: String {
        switch self {
        case .refused(let text): "the server refuses: \(text)"
        case .tls(let text): "no secure connection to the server: \(text)"
        case .notSotto(let text): "this is no Sotto server: \(text)"
        case .authenticationFailed: "the server does not accept our signature"
        case .wrongHost(let text): "the server refuses the login: \(text)"
        case .replaced: "the same identity has logged in elsewhere"
        case .goAway: "the server is going away"
        case .heartbeat: "the server has fallen silent"
        case .protocolError(let text): "the server breaks the protocol: \(text)"
        case .network(let text): text
        }
    }
}

/// Whose certificates are believed, for `wss`.
package enum TLSTrust: Hashable, Sendable {
    /// The certificate authorities that the system trusts.
    case system
    /// Those, and the ones in a PEM file.
    case file(String)
}

/// How long a client waits for what. The defaults are the protocol's; tests shorten them.
package struct SignalingTiming: Hashable, Sendable {
    /// From the start of an attempt to WELCOME.
    package var connect: TimeAmount = .seconds(10)
    /// The wait after the first failure; it doubles with each.
    package var firstRetry: TimeAmount = .milliseconds(250)
    /// The longest wait between attempts.
    package var lastRetry: TimeAmount = .seconds(30)
    /// After a hint that the network has changed: how long the server has to answer.
    package var probe: TimeAmount = .seconds(2)
    /// How long a connection must have held for the waits to begin anew.
    package var stable: TimeAmount = .seconds(5)
    /// Instead of what WELCOME says; for tests.
    package var heartbeat: TimeAmount?

    package init() {}
}
