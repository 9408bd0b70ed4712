package import Paths

/// What happened in a session, taken from it with `pollEvent`.
package enum SessionEvent: Equatable, Sendable {
    /// Both ends have proved themselves; streams may be opened. Carries the peer's greeting (at most 256 bytes).
    case handshakeCompleted(greeting: [UInt8])
    /// The peer opened a stream.
    case streamOpened(StreamID)
    /// There are bytes to read. Comes again only after a `read`, so read until nothing is left.
    case streamReadable(StreamID)
    /// A stream's send buffer, which was filled by more than half, is half empty again.
    case streamWritable(StreamID)
    /// The peer finished the stream and everything has been read.
    case streamFinished(StreamID)
    /// The peer reset its sending side; unread bytes are gone.
    case streamReset(StreamID, code: UInt64)
    /// The peer does not want more of this stream; unsent bytes are gone. The code is known only in part of the cases
    /// (the QUIC library keeps it to itself until the stream is closed).
    case streamStopped(StreamID, code: UInt64?)
    /// The peer allows more streams, after `openStream` was refused.
    case streamsAvailable
    /// A datagram arrived.
    case datagram([UInt8])
    /// Packets now travel on this path; with its round-trip time, if measured.
    case pathChosen(PathID, PathKind, roundTrip: TimeSpan?)
    /// Nothing is heard on the path; if it is the one in use, every packet goes out twice until that is settled.
    case pathSuspected(PathID)
    /// The path no longer carries anything; look for another.
    case pathLost(PathID)
    /// A suspected or lost path answers again.
    case pathRestored(PathID)
    /// Largest packet that the path carries, in bytes.
    case mtuChanged(PathID, Int)
    /// The last event, exactly once.
    case closed(CloseReason)
}
