package import Identity
package import Paths
package import SignalingClient
package import Wire

/// How the packets of a conversation may travel.
package enum PathPolicy: String, Sendable, CaseIterable {
    /// The relay at once, a direct path as soon as there is one.
    case auto
    /// Nothing but the handshake over the relay: what people say waits for a direct path.
    case direct
    /// The relay only. No candidate is gathered, sent or answered.
    case relay
}

/// What a ``PeerNode`` tells its owner. Every event arrives on the node's event loop.
package enum PeerEvent {
    /// The connection to the signaling server changed.
    case signaling(SignalingState)
    /// A session is established: both identities are proven and streams may be used.
    case opened(PeerSession)
    /// The session has something to read.
    case readable(PeerSession)
    /// The session takes more bytes after ``PeerSession/write(_:)`` had refused some.
    case writable(PeerSession)
    /// Something happened to a stream beside the conversation.
    case stream(PeerSession, PeerStream, PeerStreamEvent)
    /// The session's packets now travel differently, or were measured anew.
    case path(PeerSession, PathReport)
    /// The session has ended and will say no more.
    case closed(PeerSession, SessionEnd)
    /// A dial came to nothing; there never was a session.
    case dialFailed(PeerID, DialFailure)
    /// A frame from the server's mailbox; the first of a login is MAILBOX, if the server has one.
    case mail(MailFrame)
    /// There is room for mail frames again after ``PeerNode/sendMail(_:)`` had refused some.
    case mailWritable
}

/// The state of the connection to the signaling server.
package enum SignalingState: Sendable {
    case connecting
    case connected
    /// `retryIn` is in seconds; `nil` means that nothing is tried again before ``PeerNode/start()``.
    case disconnected(SignalingDisconnect, retryIn: Double?)
}

/// The path that carries a session.
package struct PathReport: Sendable {
    /// Which kind of path was chosen.
    package let kind: PathKind
    /// Smoothed round-trip time in milliseconds, when measured.
    package let roundTripMilliseconds: Double?
    /// Our end of a direct path; `nil` on the relay.
    package let local: Endpoint?
    /// The peer's end of a direct path; `nil` on the relay.
    package let remote: Endpoint?
    /// How packets of a direct path come in; `nil` on the relay.
    package let dataPlane: DataPlane?
    /// Milliseconds since the session was dialed or answered.
    package let sinceStartMilliseconds: Double
}

/// Why a dial failed.
package enum DialFailure: Error, Sendable, Equatable {
    /// The server says that the peer is not connected.
    case notConnected
    /// The peer does not want to talk to us.
    case refused
    /// Neither an answer nor a refusal in time.
    case noAnswer
    /// The handshake failed: whoever answered is not the peer.
    case handshake(String)
}

/// Why a session ended.
package enum SessionEnd: Sendable, Equatable {
    /// We closed it.
    case local
    /// The peer closed it, with its reason.
    case remote(code: UInt64, reason: String)
    /// A newer session with the same peer took its place.
    case replaced
    /// The peer said that it no longer knows the session: it was restarted.
    case forgotten
    /// Nothing was heard for longer than the idle timeout.
    case timedOut
    /// The transport failed.
    case transport(String)
}

/// Application close codes of a session (RFC 9000 §10.2: APPLICATION_CLOSE); `docs/protocol/session.md` lists them.
package enum CloseCode {
    /// The conversation is over; nothing went wrong.
    package static let done: UInt64 = 0
    /// A newer session took this one's place.
    package static let replaced: UInt64 = 1
    /// The peer is not a contact and showed no valid invite.
    package static let refused: UInt64 = 2
    /// What arrived on the conversation stream breaks the protocol.
    package static let protocolError: UInt64 = 3
}
