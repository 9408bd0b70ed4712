import NIOCore
import NIOWebSocket

/// Lets few bytes pass before the login, so that nobody can make the server keep the beginning of a large frame. Stands in
/// front of the frame decoder, and leaves when the login holds.
final class LoginGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Enough for AUTH, and for a ping or two.
    private static let allowance = 1024
    private var rest = allowance

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        rest -= unwrapInboundIn(data).readableBytes
        if rest >= 0 {
            context.fireChannelRead(data)
        } else {
            context.fireErrorCaught(NIOWebSocketError.invalidFrameLength)
        }
    }
}
