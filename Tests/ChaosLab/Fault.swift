/// Who takes part, and can be hurt.
package enum Part: String, CaseIterable, Hashable, Sendable, Codable {
    case alice, bob, server

    static let people: [Part] = [.alice, .bob]

    var other: Part { self == .alice ? .bob : .alice }
}

/// When exactly a program is killed.
package enum Moment: String, CaseIterable, Sendable {
    case atOnce
    /// Right after a message was written to it, which it had no time to answer.
    case afterWrite
    /// Right after it said that it has stored a message.
    case afterQueued
    /// Right after it showed a message that came in.
    case afterArrival
}

/// What kind of network is cut.
package enum Cut: String, CaseIterable, Sendable {
    /// The cable is pulled out.
    case link
    /// UDP does not pass any more: no direct path, no STUN.
    case udp
    /// Nothing passes between a person and the server; the direct path stays.
    case server
    /// The NAT forgets everything, as at a restart.
    case nat
}

/// One thing that goes wrong, and for how long.
package enum Fault: Sendable {
    case kill([Kill])
    case cut(Cut, Part, for: Duration)
    case fill(Part, for: Duration)

    package struct Kill: Sendable {
        package let victim: Part
        package let moment: Moment
        /// It has run at least so long when the moment may come.
        package let life: Duration
        /// How long it stays dead.
        package let absence: Duration
        /// People only: how they come back.
        package let manner: Manner
    }

    /// What must not be under another fault at the same time.
    var needs: Set<Resource> {
        switch self {
        case .kill(let kills): Set(kills.map { .program($0.victim) })
        case .cut(_, let part, _): [.network(part)]
        case .fill(let part, _): [.disk(part)]
        }
    }

    enum Resource: Hashable, Sendable {
        case program(Part)
        case network(Part)
        case disk(Part)
    }
}

/// How a person's program is run.
package struct Manner: Sendable {
    /// `chat` with the other one, or else `listen`.
    package var isChat: Bool
    /// Over the relay only.
    package var isRelayOnly: Bool
    /// What it had stored is looked up once it runs again, instead of before.
    package var looksLate: Bool
}
