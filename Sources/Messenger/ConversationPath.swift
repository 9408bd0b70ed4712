import Paths
import Peering
package import Wire

/// How what is written may travel; the user's choice.
package enum TravelPolicy: String, Sendable, CaseIterable {
    /// The relay at once, a direct path as soon as there is one.
    case auto
    /// Nothing that is written goes over the relay; it waits for a direct path.
    case direct
    /// The relay only: the contact does not learn this device's addresses.
    case relay

    var policy: PathPolicy {
        switch self {
        case .auto: .auto
        case .direct: .direct
        case .relay: .relay
        }
    }
}

/// What carries a conversation.
package struct ConversationPath: Sendable {
    package enum Kind: String, Sendable {
        case relay, direct, turn
    }

    /// How the packets of a direct path come in.
    package enum DataPlane: String, Sendable {
        /// The kernel hands them to a socket of ours, many at a time.
        case steered
        /// libnice reads them, one at a time: where the kernel does not let us, and on TURN servers.
        case library
    }

    package let kind: Kind
    /// Smoothed round-trip time in milliseconds, when measured.
    package let roundTripMilliseconds: Double?
    /// Our end of a direct path.
    package let local: Endpoint?
    /// The contact's end of a direct path.
    package let remote: Endpoint?
    /// `nil` on the relay.
    package let dataPlane: DataPlane?
    /// Milliseconds since the session was dialed or answered.
    package let sinceStartMilliseconds: Double

    init(_ report: PathReport) {
        kind =
            switch report.kind {
            case .relay: .relay
            case .direct: .direct
            case .turn: .turn
            }
        roundTripMilliseconds = report.roundTripMilliseconds
        local = report.local
        remote = report.remote
        dataPlane =
            switch report.dataPlane {
            case .steered: .steered
            case .library: .library
            case nil: nil
            }
        sinceStartMilliseconds = report.sinceStartMilliseconds
    }
}

/// The connection to the signaling server.
package enum ServerState: Sendable {
    case connecting
    case connected
    /// Why it ended, in words. `retryIn` is in seconds; `nil` means that it is not tried again.
    case disconnected(reason: String, retryIn: Double?)

    init(_ state: SignalingState) {
        switch state {
        case .connecting: self = .connecting
        case .connected: self = .connected
        case .disconnected(let reason, let retryIn):
            self = .disconnected(reason: DisplayText.harmless("\(reason)"), retryIn: retryIn)
        }
    }
}
