package import Paths

/// The constants of the port search, with their reasons (docs/decisions/011-port-search.md has the arithmetic).
package enum SearchLimits {
    /// Sockets that the opening side holds open. Each makes one mapping in its NAT.
    package static let sockets = 256
    /// Ports that the probing side tries, each once. With 256 mappings among 64,512 ports one of them is met with
    /// 99.97 percent; 1,024 probes would give 98.3.
    package static let probes = 2048
    /// Packets a second that a side sends at most to the other's address, whatever their kind.
    package static let packetsPerSecond: Int64 = 128
    /// Packets that may go out at once when the event loop was late; then the rate above holds again.
    package static let maximumBurst: Int64 = 8
    /// The first port that a NAT gives to a flow (RFC 4787 §4.2.1, REQ-3, RFC 7857 §9: ports below are kept apart).
    package static let firstPort: UInt16 = 1024
    /// When a search has failed: 16 s of probes, and time for what is under way.
    package static let duration = TimeSpan.seconds(20)
    /// The opening side goes on for so much longer, since it may have begun earlier.
    package static let grace = TimeSpan.seconds(2)
    /// The opening side sends from every socket again after this: for what was lost, and long before a NAT forgets a mapping
    /// (30 s in Linux, RFC 4787 REQ-5 asks for 120).
    static let refresh = TimeSpan.seconds(8)
    /// Between repetitions of an answer that may have been lost.
    static let repetition = TimeSpan.milliseconds(100)
    /// How often a reply and a confirmation go out in all.
    static let repetitions = 6
    /// Hits that the opening side answers; the other side needs one.
    static let maximumHits = 8
    /// Packets that the opening side's arrived and wait for a probe of their port.
    static let maximumUrgent = 16

    static let interval = TimeSpan.nanoseconds(1_000_000_000 / packetsPerSecond)
}
