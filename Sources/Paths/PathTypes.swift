/// What carries packets on a path (docs/protocol/session.md, "Paths").
package enum PathKind: UInt8, Hashable, Sendable, CaseIterable {
    /// RELAY frames through the signaling server.
    case relay = 0
    /// UDP between the peers: host, server-reflexive and peer-reflexive pairs.
    case direct = 1
    /// UDP through a TURN server: a pair with a relayed candidate.
    case turn = 2
}

/// A name for one path, chosen by the side that uses it. Each selected ICE pair gets a new one.
package struct PathID: Hashable, Sendable {
    /// The number as it stands in probes.
    package let rawValue: UInt32

    /// The path of this number.
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The path through the signaling server.
    package static let relay = PathID(rawValue: 0)
}

/// Eight bytes that name one connection at its receiver: they begin every connection id the receiver issues and stand
/// in the clear header of every probe addressed to it.
package struct ConnectionTag: Hashable, Sendable {
    /// The number of bytes a tag has: 8.
    package static let byteCount = 8

    /// The eight bytes as one big-endian number.
    package let rawValue: UInt64

    /// The tag of this number.
    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Reads a tag; nil unless there are exactly eight bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == ConnectionTag.byteCount else { return nil }
        rawValue = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The eight bytes, as they stand in packets.
    package var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: rawValue >> (56 - 8 * UInt64($0))) }
    }
}

/// Where the next packets go.
package struct Route: Hashable, Sendable {
    /// The path that carries packets; nil only while there is no path at all.
    package var primary: PathID?
    /// A second path that gets a copy of every packet while the primary one is in doubt.
    package var duplicate: PathID?
    /// The largest packet, in bytes of UDP payload, that may be sent now (1200…1452).
    package var maximumPacketSize: Int

    /// A route of these parts.
    package init(primary: PathID?, duplicate: PathID?, maximumPacketSize: Int) {
        self.primary = primary
        self.duplicate = duplicate
        self.maximumPacketSize = maximumPacketSize
    }
}

/// Something a user or the layer above may want to know.
package enum PathEvent: Hashable, Sendable {
    /// Packets now go by this path; `roundTrip` is nil while it has not been measured.
    case chosen(PathID, PathKind, roundTrip: TimeSpan?)
    /// A path that worked stopped answering (or the peer says so). If it is the chosen one, packets go out twice.
    case suspected(PathID)
    /// A path is given up. It is still probed, but a fresh ICE agent should look for another.
    case lost(PathID)
    /// A suspected or lost path answers again.
    case restored(PathID)
    /// The largest packet that a path carries, in bytes of UDP payload.
    case mtu(PathID, Int)
}

/// What the caller of ``PathManager/poll(now:)`` must do.
package enum PathAction: Hashable, Sendable {
    /// Send these bytes, a probe, as one packet on this path.
    case send([UInt8], on: PathID)
    /// Tell the layer above.
    case event(PathEvent)
}

/// How attentive the user is: decides how often a quiet path is probed.
package enum PathActivity: Hashable, Sendable {
    /// The conversation is on screen: every second.
    case onScreen
    /// Nobody watches: every 15 seconds, which keeps a NAT's mapping.
    case idle
}

/// What is known of one path.
package struct PathStatus: Hashable, Sendable {
    /// Which path.
    package var id: PathID
    /// What carries it.
    package var kind: PathKind
    /// Whether it may be used.
    package var standing: PathStanding
    /// Smoothed round-trip time; nil before the first answer.
    package var roundTrip: TimeSpan?
    /// The largest packet it carries, in bytes of UDP payload.
    package var maximumPacketSize: Int
    /// Liveness pings sent since the path was added.
    package var pingsSent: UInt64
    /// Pings answered since the path was added; the rest was lost or is under way.
    package var pingsAnswered: UInt64
}

/// Whether a path may be used.
package enum PathStanding: Hashable, Sendable, CaseIterable {
    /// It answered a ping (or is the available relay), and nothing speaks against it.
    case working
    /// It worked, but does not answer now.
    case suspected
    /// It never answered yet.
    case unproven
    /// It was given up, or is the relay while that is not available.
    case lost
}
