import Logging
import NIOCore
import NIOPosix
import Wire

/// Answers STUN Binding requests (RFC 8489) and their classic form (RFC 3489) over UDP. Keeps nothing but a small table for
/// its rate limit. An answer is never more than 2.2 times as long as its request (20 bytes against 44 over IPv6, 32 over
/// IPv4), and goes nowhere but to where the request came from.
final class STUNResponder: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    /// Places in the rate limit's table; addresses that share one share its rate.
    private static let places = 1024

    private let server: ServerContext
    private var buckets: [TokenBucket]
    private let seed = UInt64.random(in: .min ... .max)

    init(_ server: ServerContext) {
        self.server = server
        buckets = Array(repeating: TokenBucket(server.limits.stun, now: .now()), count: Self.places)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let source = envelope.remoteAddress.wireAddress, let port = envelope.remoteAddress.port,
            isAllowed(source),
            envelope.data.readableBytes >= STUN.headerByteCount,
            let request = try? STUNBindingRequest(Array(envelope.data.readableBytesView))
        else {
            server.metrics.stunDropped.add()
            return
        }
        server.metrics.stunRequests.add()
        let answer = request.response(mapped: Endpoint(address: source, port: UInt16(clamping: port)))
        context.write(
            wrapOutboundOut(AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: answer))),
            promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    /// What the network reports of earlier answers does not matter here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}

    private func isAllowed(_ source: IPAddress) -> Bool {
        var hasher = Hasher()
        hasher.combine(AddressKey(source))
        hasher.combine(seed)
        let place = Int(UInt(bitPattern: hasher.finalize()) % UInt(Self.places))
        return buckets[place].take(1, now: .now())
    }
}

extension Listener {
    /// The STUN responders that the configuration wants: none, one, or two.
    ///
    /// - Throws: `ServerError.listen`, but not for a second one that nobody asked for.
    func listenSTUN(_ configuration: ServerConfiguration) async throws(ServerError) -> [any Channel] {
        guard let wanted = configuration.stun else { return [] }
        let first = try await listenSTUN(on: wanted)
        switch configuration.secondSTUN {
        case .off:
            return [first]
        case .at(let address):
            return [first, try await listenSTUN(on: address)]
        case .beside:
            // A port that the system chose may have any neighbour.
            let port = wanted.port == 0 ? 0 : wanted.port &+ 1
            do {
                return [first, try await listenSTUN(on: ListenAddress(host: wanted.host, port: port))]
            } catch {
                context.logger.notice("no second STUN port", metadata: ["reason": "\(error)"])
                return [first]
            }
        }
    }

    private func listenSTUN(on address: ListenAddress) async throws(ServerError) -> any Channel {
        let server = context
        return try await Self.binding(address) { socketAddress in
            try await DatagramBootstrap(group: group)
                .channelOption(.socketOption(.so_reuseaddr), value: 0)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 2048))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(STUNResponder(server))
                    }
                }
                .bind(to: socketAddress).get()
        }
    }
}
