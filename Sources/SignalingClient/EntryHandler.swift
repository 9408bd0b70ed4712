import NIOCore
import NIOHTTP1
import NIOSSL
import NIOWebSocket
import Wire

/// Watches an attempt until the WebSocket stands: what it sees go wrong is the reason why the attempt ends. Stands behind
/// the upgrade's handler, so that all it reads are parts of a response that is no upgrade.
final class EntryHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let client: ClientHandler

    init(_ client: ClientHandler) {
        self.client = client
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        guard head.status != .switchingProtocols else {
            return client.end(.notSotto("its WebSocket handshake is wrong"))
        }
        let answer = HarmlessText.of("HTTP \(head.status.code) \(head.status.reasonPhrase)")
        client.end(.notSotto("it answers \(answer)"))
    }

    func channelInactive(context: ChannelHandlerContext) {
        client.end(.notSotto("it closes the connection at once"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is HTTPParserError: client.end(.notSotto("it does not answer in HTTP"))
        case is NIOHTTPClientUpgradeError: client.end(.notSotto("its WebSocket handshake is wrong"))
        default: client.end(ConnectFailure.reason(error))
        }
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
            maxFrameSize: MailFrame.maximumFrame, enableAutomaticErrorHandling: false,
            upgradePipelineHandler: { channel, response in
                channel.eventLoop.makeCompletedFuture {
                    let (client, entry) = bound.value
                    channel.pipeline.syncOperations.removeHandler(entry, promise: nil)
                    guard response.headers["sec-websocket-protocol"] == [SignalingFrame.subprotocol] else {
                        return client.end(.notSotto("it speaks something else over WebSocket"))
                    }
                    try channel.pipeline.syncOperations.addHandler(client)
                }
            })
        let request = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "/",
            headers: ["Host": url.authority, "Sec-WebSocket-Protocol": SignalingFrame.subprotocol])
        var configuration = NIOUpgradableHTTPClientPipelineConfiguration(
            upgradeConfiguration: NIOTypedHTTPClientUpgradeConfiguration(
                upgradeRequestHead: request, upgraders: [upgrader],
                notUpgradingCompletionHandler: { $0.eventLoop.makeSucceededVoidFuture() }))
        configuration.leftOverBytesStrategy = .forwardBytes
        configuration.decoderConfiguration.maxHeaderListSize = 16_384
        _ = try pipeline.configureUpgradableHTTPClientPipeline(configuration: configuration)
        try pipeline.addHandler(entry)
    }
}
