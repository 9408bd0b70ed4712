import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Wire

/// Opens the listening sockets.
struct Listener {
    /// TCP_NOTSENT_LOWAT of tcp(7), which the C library's headers do not all have.
    private static let notSentLowWater = NIOBSDSocket.Option(rawValue: 25)

    let context: ServerContext
    let group: MultiThreadedEventLoopGroup
    let connections: [ObjectIdentifier: NIOLoopBound<LoopConnections>]
    let certificates: CertificateStore?

    /// Listens for HTTP.
    ///
    /// - Throws: `ServerError.listen`.
    func listen(on address: ListenAddress) async throws(ServerError) -> any Channel {
        try await Self.binding(address) { socketAddress in
            try await bootstrap.bind(to: socketAddress).get()
        }
    }

    /// Runs `bind` with the address that `address` stands for; where IPv6 is off, every address means every IPv4 address.
    static func binding(
        _ address: ListenAddress, _ bind: (SocketAddress) async throws -> any Channel
    ) async throws(ServerError) -> any Channel {
        do {
            let resolved: SocketAddress
            if let ip = address.host.address {
                resolved = try SocketAddress(ipAddress: ip.description, port: Int(address.port))
            } else {
                resolved = try SocketAddress.makeAddressResolvingHost(address.host.text, port: Int(address.port))
            }
            do {
                return try await bind(resolved)
            } catch let error as IOError
                where address.host == .everyAddress && [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.errnoCode)
            {
                return try await bind(SocketAddress(ipAddress: "0.0.0.0", port: Int(address.port)))
            }
        } catch {
            throw .listen(address: address.description, reason: reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "\(error)" }
        switch error.errnoCode {
        case EADDRINUSE: return "the port is in use"
        case EACCES: return "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)"
        case EADDRNOTAVAIL: return "this machine does not have that address"
        default: return String(cString: strerror(error.errnoCode))
        }
    }

    private var bootstrap: ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.tcpOption(Self.notSentLowWater), value: 128 * 1024)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: recvAllocator)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 32 * 1024, high: 128 * 1024))
            .childChannelInitializer { [context, connections, certificates] channel in
                channel.eventLoop.makeCompletedFuture {
                    try Self.initialize(channel, context, connections, certificates)
                }
            }
    }

    /// TLS keeps none of what is read, and needs no more at once than a record.
    private var recvAllocator: any RecvByteBufferAllocator {
        certificates == nil
            ? ReadBufferAllocator() : AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 65_536)
    }

    private static func initialize(
        _ channel: any Channel, _ context: ServerContext,
        _ connections: [ObjectIdentifier: NIOLoopBound<LoopConnections>], _ certificates: CertificateStore?
    ) throws {
        guard let address = channel.remoteAddress?.wireAddress,
            let connections = connections[ObjectIdentifier(channel.eventLoop)]?.value
        else { throw ChannelError.inappropriateOperationForState }
        context.metrics.accepted.add()
        let key = AddressKey(address)
        let now = NIODeadline.now()
        let admission = context.addresses.admit(key, now: now)
        guard admission != .refused else {
            context.metrics.refused.add()
            throw ChannelError.inappropriateOperationForState
        }
        channel.closeFuture.whenComplete { _ in context.addresses.release(key, now: .now()) }
        if let certificates {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificates.current))
        }
        let http = HTTPHandler(server: context, connections: connections, now: now)
        try configureHTTP(channel, http, context, connections, admission, isPlain: certificates == nil)
    }

    /// HTTP/1.1, until a WebSocket handshake takes its place.
    private static func configureHTTP(
        _ channel: any Channel, _ http: HTTPHandler, _ context: ServerContext, _ connections: LoopConnections,
        _ admission: AddressLimits.Admission, isPlain: Bool
    ) throws {
        let bound = NIOLoopBound((http: http, connections: connections), eventLoop: channel.eventLoop)
        let upgrader = WebSocketUpgrade { channel, request in
            let (http, connections) = bound.value
            let pipeline = channel.pipeline.syncOperations
            pipeline.removeHandler(http, promise: nil)
            let hint = request.headers.first(name: "host").flatMap(OwnHosts.host(inHeader:))
            try channel.syncOptions?.setOption(.autoRead, value: false)
            if isPlain {
                try channel.syncOptions?.setOption(
                    .recvAllocator, value: ReadBufferAllocator(shared: connections.readBuffers))
            }
            try pipeline.addHandler(
                ConnectionHandler(
                    server: context, connections: connections, admission: admission, hint: hint, isPlain: isPlain))
        }
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 4096
        limits.maxHeaderListSize = 8192
        limits.maxHeaderFieldCount = 64
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false,
            withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in }),
            withErrorHandling: true, withOutboundHeaderValidation: false, withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: limits)
        try channel.pipeline.syncOperations.addHandler(http)
    }
}
