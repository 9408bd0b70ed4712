// One frame is one binary WebSocket message (subprotocol `sotto.v1`). Integers are big-endian.
//
// 0x01 CHALLENGE    s→c  nonce 32 | server time u64 (ms since 1970) | server name (u8 length, UTF-8)
// 0x02 AUTH         c→s  peer 32 | Ed25519 signature 64 | features u32
// 0x03 WELCOME      s→c  session 16 | max signal u32 | max relay u32 | heartbeat u16 (s) | count u8 | ICE servers:
//                          kind u8 | host (u8 length) | port u16 | username (u8 length) | credential (u8 length)
//                          | expiry u32 (s)
// 0x04 SIGNAL       both peer 32 | payload 1…16384
// 0x05 RELAY        both peer 32 | segment size u16 (1…65535) | packets 1…65471
// 0x06 UNREACHABLE  s→c  peer 32 | reason u8
// 0x07 GOAWAY       s→c  reason u8 | retry after u32 (ms)
//
// In SIGNAL and RELAY the peer is the receiver on the way to the server and the sender on the way from it.

/// A frame between a client and its signaling server.
package enum SignalingFrame: Hashable, Sendable {
    /// The server's first frame: 32 random bytes to sign, its clock (milliseconds since 1970), its name (≤ 255 bytes).
    case challenge(nonce: [UInt8], serverTime: UInt64, serverName: String)
    /// The client's answer: a signature of 64 bytes over `authenticationTranscript(host:nonce:)`, and feature bits.
    case auth(peer: PeerKey, signature: [UInt8], features: UInt32)
    /// The login holds.
    case welcome(Welcome)
    /// A sealed rendezvous payload of 1…16,384 bytes to or from a peer.
    case signal(peer: PeerKey, payload: [UInt8])
    /// QUIC packets to or from a peer, each of `segmentSize` bytes but the last, which may be shorter.
    case relay(peer: PeerKey, segmentSize: UInt16, packets: [UInt8])
    /// What was sent to `peer` did not reach it.
    case unreachable(peer: PeerKey, reason: UnreachableReason)
    /// The server will close: reconnect after `retryAfter` milliseconds.
    case goAway(reason: GoAwayReason, retryAfter: UInt32)

    /// The WebSocket subprotocol.
    package static let subprotocol = "sotto.v1"
    /// Size of the nonce of CHALLENGE in bytes.
    package static let nonceByteCount = 32
    /// Size of a signature in bytes.
    package static let signatureByteCount = 64
    /// Size of a session id in bytes.
    package static let sessionByteCount = 16
    /// Largest payload of SIGNAL in bytes.
    package static let maximumSignalPayload = 16_384
    /// Most bytes of packets in one RELAY frame.
    package static let maximumRelayPackets = 65_535 - 64
    /// Most packets in one RELAY frame.
    package static let maximumRelaySegments = 128
    /// The largest frame there is: the limit to give to the WebSocket layer.
    package static let maximumFrame = RelayHeader.byteCount + maximumRelayPackets
    /// The largest frame that a server reads before a login.
    package static let maximumFrameBeforeLogin = 1 + PeerKey.byteCount + signatureByteCount + 4

    /// What a client signs to log in: `"sotto-auth-v1"`, the length of the host as one byte, the host, the nonce.
    /// The host is the one that was dialed, in normal form and without port, so that a server cannot use the login
    /// elsewhere.
    package static func authenticationTranscript(host: HostName, nonce: [UInt8]) -> [UInt8] {
        let name = Array(host.text.utf8)
        return Array("sotto-auth-v1".utf8) + [UInt8(truncatingIfNeeded: name.count)] + name + nonce
    }

    /// First byte of the frame.
    package var type: UInt8 {
        switch self {
        case .challenge: 0x01
        case .auth: 0x02
        case .welcome: 0x03
        case .signal: PeerAddressedFrame.signalType
        case .relay: PeerAddressedFrame.relayType
        case .unreachable: 0x06
        case .goAway: 0x07
        }
    }
}

/// What the server says when a login holds.
package struct Welcome: Hashable, Sendable {
    /// 16 random bytes that name this connection in the server's log.
    package var session: [UInt8]
    /// Largest SIGNAL payload in bytes that this server carries.
    package var maximumSignal: UInt32
    /// Most bytes of packets in one RELAY frame that this server carries.
    package var maximumRelay: UInt32
    /// Seconds between the server's pings; a client silent through two of them is dead, a server after two and a half.
    package var heartbeat: UInt16
    /// STUN and TURN servers, best first; at most 255.
    package var iceServers: [ICEServer]

    /// Joins the fields.
    package init(
        session: [UInt8], maximumSignal: UInt32 = UInt32(SignalingFrame.maximumSignalPayload),
        maximumRelay: UInt32 = UInt32(SignalingFrame.maximumRelayPackets), heartbeat: UInt16 = 15,
        iceServers: [ICEServer] = []
    ) {
        self.session = session
        self.maximumSignal = maximumSignal
        self.maximumRelay = maximumRelay
        self.heartbeat = heartbeat
        self.iceServers = iceServers
    }
}

/// A STUN or TURN server that a client may use.
package struct ICEServer: Hashable, Sendable {
    /// What is spoken there. Clients pass over kinds that they do not know.
    package struct Kind: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// STUN over UDP.
        package static let stun = Kind(rawValue: 1)
        /// TURN over UDP.
        package static let turnUDP = Kind(rawValue: 2)
        /// TURN over TCP.
        package static let turnTCP = Kind(rawValue: 3)
    }

    /// What is spoken there.
    package var kind: Kind
    /// The host; nil, on the wire the empty string, for the host that was dialed.
    package var host: HostName?
    /// The port, 1…65535.
    package var port: UInt16
    /// TURN user name, ≤ 255 bytes, or empty.
    package var username: String
    /// TURN password, ≤ 255 bytes, or empty.
    package var credential: String
    /// Seconds from now for which the credential holds; 0 for ever.
    package var expiry: UInt32

    /// Joins the fields.
    package init(
        kind: Kind, host: HostName? = nil, port: UInt16, username: String = "", credential: String = "",
        expiry: UInt32 = 0
    ) {
        self.kind = kind
        self.host = host
        self.port = port
        self.username = username
        self.credential = credential
        self.expiry = expiry
    }
}

/// Why something did not reach a peer. Unknown values are kept: treat them as `notConnected`.
package struct UnreachableReason: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The peer has no connection to this server.
    package static let notConnected = UnreachableReason(rawValue: 0)
    /// The peer's queue is full, or the server's limits are reached.
    package static let overloaded = UnreachableReason(rawValue: 1)
    /// The server does not carry from this sender to that peer.
    package static let refused = UnreachableReason(rawValue: 2)
}

/// Why a server asks clients to leave. Unknown values are kept: treat them as `shutdown`.
package struct GoAwayReason: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The server is shutting down: reconnect after the given time.
    package static let shutdown = GoAwayReason(rawValue: 0)
    /// A newer login of the same peer took over: do not reconnect.
    package static let replaced = GoAwayReason(rawValue: 1)
    /// The server has too much to do: reconnect after the given time.
    package static let overloaded = GoAwayReason(rawValue: 2)
}

/// WebSocket close codes (RFC 6455 §7.4) that both sides use.
package enum SignalingCloseCode: UInt16, Hashable, Sendable, CaseIterable {
    /// The server is shutting down, or the client is leaving.
    case goingAway = 1001
    /// A frame that does not follow its layout, or comes at the wrong time.
    case protocolError = 4000
    /// The signature of AUTH does not hold.
    case authenticationFailed = 4001
    /// No AUTH in time.
    case authenticationTimeout = 4002
    /// A newer login of the same peer took over.
    case replaced = 4003
    /// More frames or bytes than the limits allow.
    case rateLimited = 4004
    /// Too many connections from this address.
    case tooManyConnections = 4005
    /// AUTH was signed for a host that this server is not.
    case wrongHost = 4006
    /// A frame above its limit.
    case frameTooLarge = 4007
    /// Nothing heard through two pings.
    case heartbeatTimeout = 4008
}
