import Crypto
import FoundationEssentials
import NIOCore
import Wire

/// Time-limited TURN credentials as coturn's `use-auth-secret` takes them (draft-uberti-behave-turn-rest-00):
/// username = expiry in seconds since 1970, a colon, a name; password = base64(HMAC-SHA-1(secret, username)).
enum TURNCredentials {
    /// The configured servers with credentials for `peer`, whom the TURN server knows by a hash only.
    ///
    /// - Parameter time: seconds since 1970.
    static func servers(_ turn: TURNConfiguration, for peer: PeerKey, time: Int64) -> [ICEServer] {
        let lifetime = max(60, turn.lifetime.nanoseconds / 1_000_000_000)
        let alias = HMAC<SHA256>.authenticationCode(for: peer.bytes, using: SymmetricKey(data: turn.secret))
        let name = alias.prefix(8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
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
        let code = HMAC<Insecure.SHA1>.authenticationCode(
            for: Array(username.utf8), using: SymmetricKey(data: secret))
        return Data(code).base64EncodedString()
    }
}
