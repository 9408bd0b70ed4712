package import Paths

/// How long a ``PeerNode`` waits for what. The defaults are the protocol's; tests shorten them.
package struct PeerTiming: Sendable {
    /// A dial, or an answer to one, that is not done after this has failed.
    package var handshake = TimeSpan.seconds(10)
    /// A session of which nothing was heard for so long is dialed anew when the relay is back.
    package var silence = TimeSpan.seconds(8)
    /// A peer the server cannot reach is tried again over the relay after this.
    package var relayRetry = TimeSpan.seconds(1)
    /// A session that only has the relay, to a peer that has been away for so long, is over.
    package var absence = TimeSpan.seconds(15)
    /// An offer from a peer who has not been admitted yet waits for it so long.
    package var heldOffer = TimeSpan.seconds(5)
    /// An attempt at a direct path without a selected pair is over after this.
    package var attempt = TimeSpan.seconds(10)
    /// An agent that carries nothing is closed when it has been silent for so long.
    package var silentAgent = TimeSpan.seconds(10)
    /// Between looks at the agents.
    package var sweep = TimeSpan.seconds(2)

    package init() {}
}
