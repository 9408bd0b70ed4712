package import Peering
import SignalingClient
import Wire

extension DialFailure: CustomStringConvertible {
    /// The failure as a person reads it.
    package var description: String {
        switch self {
        case .notConnected: "not online"
        case .refused: "does not accept you as a contact"
        case .noAnswer: "does not answer"
        case .handshake: "could not prove to be who they are"
        }
    }
}

extension SessionEnd: CustomStringConvertible {
    /// The end as a person reads it. What the peer wrote is made harmless.
    package var description: String {
        switch self {
        case .local: "you left"
        case .remote(CloseCode.done, _): "left"
        case .remote(CloseCode.refused, _): "does not accept you as a contact"
        case .remote(_, let reason): reason.isEmpty ? "left" : "left: \(DisplayText.harmless(reason))"
        case .replaced: "reconnected"
        case .forgotten: "was restarted"
        case .timedOut: "vanished"
        case .transport(let reason): "connection failed: \(reason)"
        }
    }
}
