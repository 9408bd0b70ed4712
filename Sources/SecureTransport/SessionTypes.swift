package import Paths

/// A QUIC stream id (RFC 9000 §2.1).
package struct StreamID: Hashable, Sendable, Comparable {
    /// The number on the wire, 0 to 2^62-1.
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// Whether the dialer opened it.
    package var isClientInitiated: Bool { rawValue & 1 == 0 }

    package static func < (left: StreamID, right: StreamID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Why an operation on a session was refused. Nothing has changed then.
package enum TransportError: Error, Equatable, Sendable {
    /// The handshake is not finished yet.
    case notReady
    /// The session is closed, or closing.
    case closed
    /// The peer does not allow another stream just now; `streamsAvailable` will tell.
    case streamLimit
    /// There is no such stream (any more).
    case unknownStream
    /// The stream was finished or reset by us, or the peer asked to stop it.
    case streamNotWritable
    /// Longer than `SecureSession.maximumDatagramLength`, or the peer takes no datagrams.
    case datagramTooLarge
    /// More than 256 bytes of greeting.
    case greetingTooLong
    /// The packet does not start a session with us: it is no QUIC v1 Initial of this protocol, or does not open under
    /// the keys that belong to our identity.
    case notForUs
    /// The Initial opened, but what it carries is not a valid Noise message 1 of a version and suite that we speak.
    case handshakeFailed
    /// Too many first packets: `admits` refused to look at it.
    case notAdmitted
    /// `authorize` refused the caller.
    case refused
    /// The QUIC library failed to allocate or refused its own settings.
    case internalFailure
}

/// How a session ended.
package enum CloseReason: Equatable, Sendable {
    /// We called `close`.
    case local(code: UInt64, reason: String)
    /// The peer called `close`. The reason is what the peer wrote, at most 256 bytes: escape before showing.
    case remote(code: UInt64, reason: String)
    /// The peer's end of the connection failed with a QUIC transport error code (RFC 9000 §20.1), or it closed before
    /// the handshake was finished (0x0c).
    case remoteTransport(code: UInt64)
    /// The peer broke the protocol, or the library failed; the QUIC transport error code that the peer was told.
    case transport(code: UInt64)
    /// Nothing was heard for the idle timeout.
    case idleTimeout
    /// The handshake did not finish in time.
    case handshakeTimeout
}

/// Counts and estimates of a session, for display and benchmarks.
package struct SessionStatistics: Sendable {
    /// QUIC's smoothed round-trip time; nil before the first sample.
    package var roundTrip: TimeSpan?
    /// QUIC's congestion window and what of it is used, in bytes.
    package var congestionWindow: Int
    package var bytesInFlight: Int
    /// QUIC packets and bytes given to `transmit`'s argument; copies on a second path count again. Probes do not count.
    package var packetsSent: UInt64
    package var bytesSent: UInt64
    /// Packets and bytes taken in, whatever they were; probes do not count.
    package var packetsReceived: UInt64
    package var bytesReceived: UInt64
    /// Packets that did not open.
    package var packetsRejected: UInt64
    /// Key updates that this end began; the answering end begins none.
    package var keyUpdates: Int
    /// Streams not yet through.
    package var openStreams: Int
}

/// How much of what is sent may be under way (RFC 9002 §7). Each end decides for what it sends.
package enum CongestionControl: CaseIterable, Sendable {
    /// RFC 8312: fills the queue of the bottleneck until something is lost, and takes each loss for a sign of congestion.
    case cubic
    /// BBR, version 1 and 2: measures the bottleneck's rate and round-trip time, and sends at that rate.
    case bbr
    case bbr2
}

/// Settings of a session. Durations are in nanoseconds, sizes in bytes.
package struct SessionConfiguration: Sendable {
    /// Silence after which the session is given up.
    package var idleTimeout: UInt64 = 60_000_000_000
    /// Time for the handshake.
    package var handshakeTimeout: UInt64 = 10_000_000_000
    /// Silence of our own after which a PING is sent; 0 for never.
    package var keepAliveInterval: UInt64 = 20_000_000_000
    /// Round-trip time assumed before one was measured.
    package var initialRTT: UInt64 = 150_000_000
    /// Bytes that a stream holds for sending and until acknowledged: so many, which the processor's cache holds, or four times the congestion window (twice on a local network) where
    /// that is more, up to the maximum: what is under way on a long fat path must fit (1 Gbit/s × 100 ms are 12 MiB).
    package var streamSendBuffer = 512 << 10
    package var maximumStreamSendBuffer = 32 << 20
    /// First flow-control window of a stream, and what it may grow to as the application reads.
    package var initialStreamWindow: UInt64 = 512 << 10
    package var maximumStreamWindow: UInt64 = 16 << 20
    /// The same for all streams together.
    package var initialSessionWindow: UInt64 = 1 << 20
    package var maximumSessionWindow: UInt64 = 32 << 20
    /// Streams that the peer may have open: a conversation, four beside it (`PeerSession.maximumStreams`), and room for some that are over at this end while
    /// the peer has not heard so or has not said so. What is received out of order stays with each until both ends have given it up, so few are enough.
    package var maximumRemoteStreams: UInt64 = 8
    /// Datagrams kept in each direction; when there are more, the oldest is dropped.
    package var maximumQueuedDatagrams = 64
    /// Packets sealed or opened with one key before the caller updates it.
    package var keyUpdateInterval: UInt64 = 1 << 22
    /// See `docs/decisions/010-congestion-control.md`.
    package var congestionControl = CongestionControl.bbr2
    /// Packets that may be sealed with one key, and packets that may fail to open, where that is to be less than RFC 9001 §6.6 allows. At the first the
    /// keys are updated, or else the session ends, at the second it ends.
    package var confidentialityLimit = UInt64.max
    package var integrityLimit = UInt64.max
    /// Largest packet on the relay path; nothing is ever larger.
    package var maximumPacketSize = 1452
    /// How keys may be agreed, best first. A caller uses the first and says which others it speaks; an answerer answers no others.
    package var suites: [HandshakeSuite] = [.hybrid]
    /// AEADs to offer and accept, best first.
    package var ciphers: [PacketCipher] = PacketCipher.available()

    package init() {}
}
