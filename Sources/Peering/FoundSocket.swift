import ICE
import NIOCore
import NIOPosix
import Wire

/// A socket through which a port search has found the peer: packets leave through a ``PairSocket``, and arrive on the event loop.
final class FoundSocket {
    /// Datagrams that are read in one system call, and the space for each.
    private static let batch = 32
    private static let datagramSize = 2_048

    /// Our end as the peer sees it.
    let local: Endpoint
    let remote: Endpoint
    let sender: PairSocket
    private var channel: (any Channel)?
    private var isClosed = false

    /// Takes over both.
    ///
    /// - Parameter receive: called on the loop with each packet from the peer's endpoint.
    init(
        local: Endpoint, remote: Endpoint, sender: PairSocket, descriptor: Int32, loop: any EventLoop,
        receive: @escaping (UnsafeRawBufferPointer) -> Void
    ) {
        self.local = local
        self.remote = remote
        self.sender = sender
        let handler = NIOLoopBound(FoundSocketHandler(remote: remote, receive: receive), eventLoop: loop)
        let bound = NIOLoopBound(self, eventLoop: loop)
        DatagramBootstrap(group: loop)
            .channelOption(.datagramVectorReadMessageCount, value: Self.batch)
            .channelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.batch * Self.datagramSize)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler.value)
                }
            }
            .withBoundSocket(descriptor)
            .assumeIsolated()
            .whenSuccess { channel in
                let found = bound.value
                if found.isClosed { channel.close(promise: nil) } else { found.channel = channel }
            }
    }

    /// Reads no more. Idempotent.
    func close() {
        isClosed = true
        channel?.close(promise: nil)
        channel = nil
    }
}

/// Lets through what comes from the peer's endpoint.
private final class FoundSocketHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let remote: NIOCore.SocketAddress?
    private let receive: (UnsafeRawBufferPointer) -> Void

    init(remote: Endpoint, receive: @escaping (UnsafeRawBufferPointer) -> Void) {
        self.remote = try? NIOCore.SocketAddress(ipAddress: remote.address.description, port: Int(remote.port))
        self.receive = receive
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard envelope.remoteAddress == remote else { return }
        envelope.data.withUnsafeReadableBytes(receive)
    }

    /// An ICMP message about an earlier packet: whether the path works is for its probes to say.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
