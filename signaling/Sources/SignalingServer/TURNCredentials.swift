import NIOCore
import WebSocket
import Wire

/// Time-limited TURN credentials as coturn's `use-auth-secret` takes them (draft-uberti-behave-turn-rest-00):
/// username = expiry in seconds since 1970, a colon, the peer; password = base64(HMAC-SHA-1(secret, username)).
enum TURNCredentials {
    /// The configured servers with credentials for `peer`, which is named by a hash: TURN operators need not know peers.
    ///
    /// - Parameter time: seconds since 1970.
    static func servers(_ turn: TURNConfiguration, for peer: PeerKey, time: Int64) -> [ICEServer] {
        let lifetime = max(60, turn.lifetime.nanoseconds / 1_000_000_000)
        let alias = SHA1.authenticationCode(peer.bytes, key: turn.secret).prefix(8)
        let name = alias.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let username = "\(time + lifetime):\(name)"
        let credential = password(username: username, secret: turn.secret)
        return turn.servers.map { server in
            var server = server
            server.username = username
            server.credential = credential
            server.expiry = UInt32(clamping: lifetime)
            return server
        }
    }

    static func password(username: String, secret: [UInt8]) -> String {
        Base64.encode(SHA1.authenticationCode(Array(username.utf8), key: secret))
    }
}
