import NIOCore
import NIOHTTP1
import NIOSSL
import NIOWebSocket
import Wire

/// Watches an attempt until the WebSocket stands: what it sees go wrong is the reason why the attempt ends.
final class EntryHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart

    private let client: ClientHandler

    init(_ client: ClientHandler) {
        self.client = client
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data), head.status != .switchingProtocols {
            let answer = HarmlessText.of("HTTP \(head.status.code) \(head.status.reasonPhrase)")
            return client.end(.notSotto("it answers \(answer)"))
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        client.end(.notSotto("it closes the connection at once"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        client.end(error is HTTPParserError ? .notSotto("it does not answer in HTTP") : ConnectFailure.reason(error))
    }
}

extension ClientHandler {
    /// Prepares a channel that is about to connect: TLS, and HTTP until the WebSocket stands.
    static func configure(
        _ channel: any Channel, _ client: ClientHandler, url: ServerURL, tls: NIOSSLContext?
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        if let tls {
            let name = url.host.address == nil ? url.host.text : nil
            try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: name))
        }
        let entry = EntryHandler(client)
        let bound = NIOLoopBound((client: client, entry: entry), eventLoop: channel.eventLoop)
        let upgrader = NIOTypedWebSocketClientUpgrader<Void>(
            maxFrameSize: SignalingFrame.maximumFrame, enableAutomaticErrorHandling: false,
            upgradePipelineHandler: { channel, response in
                channel.eventLoop.makeCompletedFuture {
                    let (client, entry) = bound.value
                    guard response.headers["sec-websocket-protocol"] == [SignalingFrame.subprotocol] else {
                        return client.end(.notSotto("it speaks something else over WebSocket"))
                    }
                    channel.pipeline.syncOperations.removeHandler(entry, promise: nil)
                    try channel.pipeline.syncOperations.addHandler(client)
                }
            })
        let request = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "/",
            headers: ["Host": url.authority, "Sec-WebSocket-Protocol": SignalingFrame.subprotocol])
        var configuration = NIOUpgradableHTTPClientPipelineConfiguration(
            upgradeConfiguration: NIOTypedHTTPClientUpgradeConfiguration(
                upgradeRequestHead: request, upgraders: [upgrader],
                notUpgradingCompletionHandler: { channel in
                    channel.eventLoop.makeCompletedFuture { bound.value.client.end(.notSotto("its WebSocket handshake is wrong")) }
                }))
        configuration.leftOverBytesStrategy = .forwardBytes
        configuration.decoderConfiguration.maxHeaderListSize = 16_384
        _ = try pipeline.configureUpgradableHTTPClientPipeline(configuration: configuration)
        let upgradeHandler = try pipeline.handler(type: NIOTypedHTTPClientUpgradeHandler<Void>.self)
        try pipeline.addHandler(entry, position: .before(upgradeHandler))
    }
}
