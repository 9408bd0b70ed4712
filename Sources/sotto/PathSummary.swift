import Foundation
import Messenger

extension ConversationPath {
    /// What carries the packets, and how they come in: `direct, steered`.
    var carrier: String { Self.carrier(kind.rawValue, dataPlane?.rawValue) }

    static func carrier(_ kind: String, _ dataPlane: String?) -> String {
        dataPlane.map { "\(kind), \($0)" } ?? kind
    }

    /// One line for people: `direct (203.0.113.7:4242), 0.6 ms, after 182 ms`.
    var summary: String {
        var parts = [kind == .relay ? "over the relay" : kind == .turn ? "over a TURN server" : "direct"]
        if let remote { parts[0] += " (\(remote))" }
        if let roundTripMilliseconds { parts.append(String(format: "%.1f ms", roundTripMilliseconds)) }
        parts.append(String(format: "after %.0f ms", sinceStartMilliseconds))
        return parts.joined(separator: ", ")
    }
}
