import Crypto
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// The handshake of RFC 6455 section 4.2. Adds nothing to the pipeline: what a connection does with its bytes is for its handler.
final class WebSocketUpgrade: HTTPServerProtocolUpgrader, Sendable {
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    let supportedProtocol = "websocket"
    let requiredUpgradeHeaders: [String] = []
    private let begin: @Sendable (any Channel, HTTPRequestHead) throws -> Void

    /// - Parameter begin: called on the channel's event loop when the answer has been written.
    init(_ begin: @escaping @Sendable (any Channel, HTTPRequestHead) throws -> Void) {
        self.begin = begin
    }

    func buildUpgradeResponse(
        channel: any Channel, upgradeRequest: HTTPRequestHead, initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        let request = upgradeRequest.headers
        guard let key = Self.only("Sec-WebSocket-Key", in: request),
            Self.only("Sec-WebSocket-Version", in: request) == "13"
        else { return channel.eventLoop.makeFailedFuture(NIOWebSocketUpgradeError.invalidUpgradeHeader) }
        guard var headers = HTTPHandler.upgradeHeaders(upgradeRequest) else {
            return channel.eventLoop.makeFailedFuture(NIOWebSocketUpgradeError.unsupportedWebSocketTarget)
        }
        headers.replaceOrAdd(name: "Upgrade", value: "websocket")
        headers.replaceOrAdd(name: "Connection", value: "upgrade")
        headers.replaceOrAdd(name: "Sec-WebSocket-Accept", value: Self.accept(key))
        return channel.eventLoop.makeSucceededFuture(headers)
    }

    func upgrade(context: ChannelHandlerContext, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<Void> {
        let channel = context.channel
        return channel.eventLoop.makeCompletedFuture { try begin(channel, upgradeRequest) }
    }

    /// The value of a header that comes once.
    private static func only(_ name: String, in headers: HTTPHeaders) -> String? {
        let values = headers[name]
        return values.count == 1 && !values[0].utf8.contains(UInt8(ascii: ",")) ? values[0] : nil
    }

    /// What proves that the server has read the key.
    static func accept(_ key: String) -> String {
        Data(Insecure.SHA1.hash(data: Array((key + suffix).utf8))).base64EncodedString()
    }
}
