import NIOCore
import WebSocket

// Before the WebSocket: one request, answered with 101, or with a page and the end of the connection.
extension ConnectionHandler {
    /// Takes bytes of the request.
    func receiveHTTP(_ bytes: ByteBuffer) {
        var buffer = bytes
        if var start = head.take() {
            start.writeBuffer(&buffer)
            buffer = start
        }
        let parsed = buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(HTTPHeadError) in try HTTPHead.parse(bytes) }
        }
        switch parsed {
        case .success(nil):
            head = ByteBuffer(bytes: buffer.readableBytesView)
        case .success(let (request, length)?):
            buffer.moveReaderIndex(forwardBy: length)
            answer(request)
            guard phase == .challenged else { return }
            decoder.append(buffer)
            readFrames()
        case .failure:
            respond("400 Bad Request", "This is no HTTP request.\n")
        }
    }

    private func answer(_ request: HTTPHead) {
        let method = request.startLine[0]
        let path = request.startLine[1].split(separator: "?", maxSplits: 1).first.map(String.init) ?? ""
        guard method == "GET" || method == "HEAD" else {
            return respond("405 Method Not Allowed", "Only GET is served here.\n", headers: "Allow: GET, HEAD\r\n")
        }
        switch path {
        case "/":
            upgrade(request)
        case "/healthz":
            respond("200 OK", "ok\n", includesBody: method == "GET")
        case "/metrics":
            let page = server.metrics.text(connections: server.addresses.total, peers: server.router.count)
            respond("200 OK", page, type: "text/plain; version=0.0.4", includesBody: method == "GET")
        default:
            respond("404 Not Found", "There is nothing here.\n", includesBody: method == "GET")
        }
    }

    private func upgrade(_ request: HTTPHead) {
        let response: String
        do {
            response = try WebSocketUpgrade.response(to: request)
        } catch {
            return respond(refusal: error)
        }
        write(raw: response)
        challenge(hint: request.value("host").flatMap(OwnHosts.host(inHeader:)))
    }

    private func respond(refusal: WebSocketUpgrade.Refusal) {
        switch refusal {
        case .upgradeRequired:
            respond(
                "426 Upgrade Required", "This is a Sotto signaling server: it speaks WebSocket here.\n",
                headers: "Upgrade: websocket\r\n")
        case .unsupportedVersion:
            respond("426 Upgrade Required", "WebSocket version 13 only.\n", headers: "Sec-WebSocket-Version: 13\r\n")
        case .badRequest:
            respond("400 Bad Request", "This is no WebSocket handshake.\n")
        case .subprotocolRequired:
            respond("400 Bad Request", "The subprotocol \(WebSocketUpgrade.subprotocol) is required.\n")
        }
    }

    private func respond(
        _ status: String, _ body: String, type: String = "text/plain; charset=utf-8", headers: String = "",
        includesBody: Bool = true
    ) {
        guard let context, phase == .http else { return }
        phase = .closing
        let head = """
            HTTP/1.1 \(status)\r
            Content-Type: \(type)\r
            Content-Length: \(body.utf8.count)\r
            Cache-Control: no-store\r
            Connection: close\r
            \(headers)\r

            """
        let buffer = ByteBuffer(string: includesBody ? head + body : head)
        context.writeAndFlush(wrapOutboundOut(buffer)).assumeIsolated().whenComplete { [weak self] _ in
            self?.closeNow()
        }
    }
}
