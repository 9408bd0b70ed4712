import Glibc
import NIOCore

/// Writes to a plain connection's socket past its channel, as long as nothing waits in the channel: for one small frame the channel's queue of pending writes
/// takes as much time as all that the server itself does with it. What the socket does not take goes the channel's way, which also deals with every error.
/// Owned by the channel's event loop.
///
/// Safety: the descriptor is the channel's, and stays its own until the channel closes it. A channel that closes says `channelInactive` before it returns to
/// whoever it serves, and a `ConnectionHandler` writes nothing from then on.
struct DirectSocket {
    private let descriptor: NIOBSDSocket.Handle
    /// Whether something may wait in the channel.
    private var isChannelUsed = true

    /// Nil for channels without a socket.
    init?(_ pipeline: ChannelPipeline) {
        let handle = try? pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
        guard let handle else { return nil }
        descriptor = handle
    }

    /// Something was given to the channel: until that has left, nothing may go past it.
    mutating func useChannel() { isChannelUsed = true }

    /// Writes as much of `frame` as the socket takes now, and moves the reader index behind that.
    ///
    /// - Returns: whether all of it is written. If not, the rest has to go the channel's way.
    mutating func write(_ frame: inout ByteBuffer, _ context: ChannelHandlerContext) -> Bool {
        if isChannelUsed {
            guard (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) == 0 else { return false }
            isChannelUsed = false
        }
        let written = frame.withUnsafeReadableBytes {
            send(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        if written > 0 { frame.moveReaderIndex(forwardBy: written) }
        return frame.readableBytes == 0
    }
}
