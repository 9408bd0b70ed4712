import NIOCore
import NIOHTTP1
import NIOWebSocket
import Wire

/// Requests that are no WebSocket handshake, or not one that we take: one page, and the end of the connection. Leaves the
/// pipeline when the upgrade succeeds.
final class HTTPHandler: ChannelInboundHandler, RemovableChannelHandler, SweptConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: ServerContext
    private let connections: LoopConnections
    private let deadline: NIODeadline
    private var context: ChannelHandlerContext?
    private var hasAnswered = false

    init(server: ServerContext, connections: LoopConnections, now: NIODeadline) {
        self.server = server
        self.connections = connections
        deadline = now + server.limits.authentication
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connections.insert(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        connections.remove(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasAnswered, case .head(let request) = unwrapInboundIn(data) else { return }
        hasAnswered = true
        answer(request, in: context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A refused upgrade is answered as a request; anything else ends here.
        guard !(error is NIOWebSocketUpgradeError) else { return }
        context.close(promise: nil)
    }

    // MARK: Upgrade

    /// The headers to accept `request` with; nil when it is not for us.
    static func upgradeHeaders(_ request: HTTPRequestHead) -> HTTPHeaders? {
        guard path(request) == "/", request.method == .GET,
            request.headers[canonicalForm: "sec-websocket-protocol"].contains(where: {
                $0 == SignalingFrame.subprotocol
            })
        else { return nil }
        return ["Sec-WebSocket-Protocol": SignalingFrame.subprotocol]
    }

    private static func path(_ request: HTTPRequestHead) -> String {
        String(request.uri.prefix { $0 != "?" })
    }

    // MARK: Pages

    private func answer(_ request: HTTPRequestHead, in context: ChannelHandlerContext) {
        guard request.method == .GET || request.method == .HEAD else {
            return respond(request, .methodNotAllowed, "Only GET is served here.\n", ["Allow": "GET, HEAD"], context)
        }
        switch Self.path(request) {
        case "/" where request.headers.contains(name: "upgrade"):
            respond(
                request, .badRequest,
                "This is no WebSocket handshake of version 13 with the subprotocol \(SignalingFrame.subprotocol).\n",
                ["Sec-WebSocket-Version": "13"], context)
        case "/":
            respond(
                request, .upgradeRequired, "This is a Sotto signaling server: it speaks WebSocket here.\n",
                ["Upgrade": "websocket"], context)
        case "/healthz":
            respond(request, .ok, "ok\n", [:], context)
        case "/metrics":
            let page = server.metrics.text(
                connections: server.addresses.total, peers: server.router.count,
                mailWaiting: server.mailbox?.waiting ?? 0)
            respond(request, .ok, page, ["Content-Type": "text/plain; version=0.0.4; charset=utf-8"], context)
        default:
            respond(request, .notFound, "There is nothing here.\n", [:], context)
        }
    }

    private func respond(
        _ request: HTTPRequestHead, _ status: HTTPResponseStatus, _ body: String, _ more: HTTPHeaders,
        _ context: ChannelHandlerContext
    ) {
        var headers = more
        if !headers.contains(name: "content-type") {
            headers.add(name: "Content-Type", value: "text/plain; charset=utf-8")
        }
        headers.add(name: "Content-Length", value: "\(body.utf8.count)")
        headers.add(name: "Cache-Control", value: "no-store")
        headers.add(name: "Connection", value: "close")
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { [weak self] _ in
            self?.closeNow()
        }
    }

    // MARK: SweptConnection

    func sweep(now: NIODeadline) {
        if now >= deadline { closeNow() }
    }

    func shutDown() {
        if !hasAnswered { closeNow() }
    }

    func closeNow() {
        context?.close(promise: nil)
    }
}
