import CSotto
import Glibc

/// The receiving side of a selected pair: a second socket on the pair's local address, to which the kernel hands what comes from the pair's
/// remote address and begins with a byte of 0x40 or more. STUN, TURN and what strangers send stay with libnice's socket.
///
/// Whoever reads it owns the descriptor and closes it; from then on everything goes to libnice's socket again. Nothing here may be called
/// after that. It is to be closed before the last `PairSocket` of the same socket goes.
///
/// Or the receiving side of a socket that libnice has no part in (``PairSocket/dedicate(_:)``): what is not for it is dropped, and it is
/// not asked to follow or release.
// A descriptor and nothing else, so that it can be handed to the event loop that reads it.
package struct SteeredSocket: Sendable {
    /// What one call of ``read(into:)`` takes at most, in bytes.
    package static let maximumRead = 65_536

    /// Non-blocking.
    package let descriptor: Int32

    /// Datagrams that came at once: all of `segmentSize` bytes but the last, which may be shorter.
    package struct Batch: Sendable {
        /// Bytes in all.
        package let length: Int
        /// Bytes of each but the last; `length` for a single one.
        package let segmentSize: Int
    }

    /// From now on the datagrams of this pair come, and of no other. What was there before stays to be read. The pair must have the local
    /// address of the one before.
    ///
    /// - Returns: false when the kernel refuses; then nothing comes any more.
    package func follow(_ pair: PairSocket) -> Bool {
        pair.remoteAddress.withPointer { sotto_steer_follow(descriptor, $0, $1) } == 0
    }

    /// From now on nothing comes: all goes to libnice's socket. What was there before stays to be read.
    package func release() {
        _ = sotto_steer_follow(descriptor, nil, 0)
    }

    /// Takes what has come, without waiting; nil when there is nothing (any more).
    ///
    /// - Parameter buffer: of ``maximumRead`` bytes, or what does not fit is lost.
    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Batch? {
        guard let start = buffer.baseAddress else { return nil }
        var segmentSize: Int32 = 0
        let length = sotto_steer_read(descriptor, start, buffer.count, &segmentSize)
        guard length >= 0 else { return nil }
        return Batch(length: length, segmentSize: segmentSize > 0 ? Int(segmentSize) : length)
    }

    /// From now on each datagram comes alone. Where a network card joins datagrams, the kernel does it before it knows for which of the
    /// two sockets they are.
    package func separate() {
        _ = sotto_steer_set_gro(descriptor, false)
    }
}

extension PairSocket {
    /// Makes the receiving side of a socket that nobody else reads: `descriptor` is that of the very socket which this sends through.
    package func dedicate(_ descriptor: Int32) -> SteeredSocket {
        // Where the kernel refuses, strangers' datagrams come too, and the session does not take them.
        _ = remoteAddress.withPointer { sotto_steer_dedicate(descriptor, $0, $1) }
        return SteeredSocket(descriptor: descriptor)
    }

    /// Opens the receiving side of the pair; nil where the kernel does not let us, and then all goes on arriving at libnice's socket.
    package func steer() -> SteeredSocket? {
        let opened = remoteAddress.withPointer { sotto_steer_open(descriptor, $0, $1) }
        return opened >= 0 ? SteeredSocket(descriptor: opened) : nil
    }
}
