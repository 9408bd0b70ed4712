package import Wire

/// What an agent tells its owner, on the loop's thread. `closed` comes exactly once and last.
package enum ICEEvent: Sendable {
    /// A candidate to signal to the peer. Host candidates come at once, others as servers answer.
    case localCandidate(Candidate)
    /// No more local candidates will come: tell the peer.
    case gatheringDone
    /// A pair was nominated, for the first time or in place of the one before (aggressive nomination may settle on a better
    /// pair after the first). Data may leave through it at once.
    case selectedPair(SelectedPair)
    /// No pair of all the candidates known on both sides works, or the socket of the selected pair is gone. Comes at most
    /// once, and before any pair only after `endRemoteCandidates()`. Not final: a late check of the peer may still bring
    /// a pair; the owner decides when to close.
    case failed
    /// A datagram that is neither STUN nor TURN.
    ///
    /// libnice lets it through only when it came from an address and port that has proved knowledge of this session's ICE
    /// password: a check of the peer came from there with a valid MESSAGE-INTEGRITY, or a check of ours was answered from
    /// there. That need not be the selected pair, nor come after `selectedPair`; and source addresses can be forged, so it
    /// proves nothing about the content.
    case packet([UInt8])
    /// Everything of the agent is released (sockets, memory, TURN allocations). Nothing follows.
    case closed
}

/// The pair of candidates that ICE has chosen (RFC 8445 §8).
package struct SelectedPair: Sendable {
    /// This side's candidate. The address the peer sees for reflexive ones; `socket.local` is the one bound.
    package let local: Endpoint
    /// The peer's candidate: where packets go.
    package let remote: Endpoint
    /// How the local candidate was found.
    package let localType: Candidate.Kind
    /// How the remote candidate was found.
    package let remoteType: Candidate.Kind
    /// Sends straight through the pair's UDP socket. Nil when the local candidate is relayed: then use `ICEAgent.send`.
    package let socket: PairSocket?

    /// Whether packets pass through a TURN server of either side.
    package var isRelayed: Bool { localType == .relayed || remoteType == .relayed }

    /// The socket whose packets may be steered past libnice: that of a pair without any TURN server.
    package var steerable: PairSocket? { isRelayed ? nil : socket }
}
