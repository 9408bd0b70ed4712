/// The opening handshake of RFC 6455, section 4: from HTTP/1.1 to frames.
package enum WebSocketUpgrade {
    /// The subprotocol both sides of Sotto's signaling must name.
    package static let subprotocol = "sotto.v1"

    /// Why a request is not answered with 101, with the HTTP status to answer with.
    package enum Refusal: Error, Hashable {
        /// No upgrade was asked for (426).
        case upgradeRequired
        /// Something in the handshake is missing or wrong (400).
        case badRequest
        /// Another WebSocket version than 13 (426 with the version we speak).
        case unsupportedVersion
        /// The client does not speak ``WebSocketUpgrade/subprotocol`` (400).
        case subprotocolRequired
    }

    /// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2).
    package static func accept(key: String) -> String {
        Base64.encode(SHA1.hash(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }

    /// Checks a client's request; what is left to check is its target.
    ///
    /// - Returns: the whole 101 response.
    /// - Throws: ``Refusal``.
    package static func response(to request: HTTPHead) throws(Refusal) -> String {
        guard request.has("websocket", in: "upgrade"), request.has("upgrade", in: "connection") else {
            throw .upgradeRequired
        }
        guard request.startLine.count == 3, request.startLine[0] == "GET", request.startLine[2] == "HTTP/1.1" else {
            throw .badRequest
        }
        guard let version = request.value("sec-websocket-version") else { throw .badRequest }
        guard version == "13" else { throw .unsupportedVersion }
        guard let key = request.value("sec-websocket-key"), key.utf8.count == 24, key.hasSuffix("==") else {
            throw .badRequest
        }
        guard request.values("sec-websocket-protocol").contains(subprotocol) else { throw .subprotocolRequired }
        return """
            HTTP/1.1 101 Switching Protocols\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Accept: \(accept(key: key))\r
            Sec-WebSocket-Protocol: \(subprotocol)\r
            \r

            """
    }

    /// A client's request. `authority` is the value of the Host header; `key` 16 random bytes.
    package static func request(authority: String, path: String, key: [UInt8]) -> String {
        """
        GET \(path) HTTP/1.1\r
        Host: \(authority)\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: \(Base64.encode(key))\r
        Sec-WebSocket-Protocol: \(subprotocol)\r
        \r

        """
    }

    /// Whether `response` accepts the request made with `key` (section 4.1).
    package static func isAccepted(_ response: HTTPHead, key: [UInt8]) -> Bool {
        response.startLine.count >= 2 && response.startLine[0] == "HTTP/1.1" && response.startLine[1] == "101"
            && response.has("websocket", in: "upgrade") && response.has("upgrade", in: "connection")
            && response.value("sec-websocket-accept") == accept(key: Base64.encode(key))
            && response.value("sec-websocket-protocol") == subprotocol
            && response.value("sec-websocket-extensions") == nil
    }
}
