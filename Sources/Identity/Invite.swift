import Noise
package import Wire

// sotto:<peer id>@<host[:port]>?t=<token>[&n=<name>][&s=ws]
//   peer id  text form in lower case
//   host     normal form of `HostName`, IPv6 in brackets; the port only when it is not the default
//   t        16 bytes in base64url without padding: 22 characters
//   n        name, percent-encoded: unreserved characters as they are, all other bytes as %XX with upper-case digits
//   s        `ws` when the server is reached without TLS; absent for TLS

/// Why text is no invite.
package enum InviteError: Error, Hashable, Sendable {
    /// It does not begin with `sotto:`, or it is longer than any invite.
    case notAnInvite
    /// The peer id is not one; `mistyped` says that a character was changed.
    case peerID(PeerIDError)
    /// The server's host or port cannot be read.
    case server
    /// The token is missing or is not 16 bytes in base64url.
    case token
    /// The name is empty, too long, not UTF-8, or holds characters that could deceive.
    case name
    /// A parameter is unknown, repeated or out of order, or something is written in another way than it should be.
    case malformed
}

/// What somebody hands out so that others can reach them: who, on which server, and a token that lets a stranger in.
/// There is one way to write each invite, and nothing else is read: `try Invite(text).uri == text`.
package struct Invite: Hashable, Sendable, CustomStringConvertible {
    /// Size of a token in bytes.
    package static let tokenByteCount = 16
    /// Longest name in bytes of UTF-8.
    package static let maximumName = 64
    /// Longest URI in bytes.
    package static let maximumLength = 640
    /// What every invite begins with.
    package static let scheme = "sotto:"

    /// Who is to be reached.
    package let peerID: PeerID
    /// Their server.
    package let server: ServerURL
    /// 16 random bytes: the right to reach them. Keep it out of logs.
    package let token: [UInt8]
    /// The name that they go by. A suggestion: whoever writes the invite can write any name.
    package let name: String?

    /// Joins the parts. Throws `token` unless that has 16 bytes, and `name` unless that has 1 to 64 bytes, is harmless
    /// to show (`DisplayText`) and neither begins nor ends with a space.
    package init(peerID: PeerID, server: ServerURL, token: [UInt8], name: String?) throws(InviteError) {
        guard token.count == Invite.tokenByteCount else { throw .token }
        if let name {
            guard (1...Invite.maximumName).contains(name.utf8.count), DisplayText.isHarmless(name),
                name.first?.isWhitespace == false, name.last?.isWhitespace == false
            else { throw .name }
        }
        self.peerID = peerID
        self.server = server
        self.token = token
        self.name = name
    }

    /// 16 random bytes for a new invite.
    package static func makeToken() -> [UInt8] {
        Sodium.randomBytes(count: tokenByteCount)
    }

    /// Reads an invite; throws what is wrong with it.
    package init(_ text: String) throws(InviteError) {
        guard text.hasPrefix(Invite.scheme), text.utf8.count <= Invite.maximumLength else { throw .notAnInvite }
        let rest = text.utf8.dropFirst(Invite.scheme.utf8.count)
        guard let at = rest.firstIndex(of: UInt8(ascii: "@")),
            let question = rest[at...].firstIndex(of: UInt8(ascii: "?"))
        else { throw .malformed }
        let peerID = try Invite.readPeerID(rest[..<at])
        let parameters = try Parameters(rest[rest.index(after: question)...])
        guard let token = parameters.token.flatMap({ Base64URL.decode($0) }) else { throw .token }
        let name: String?
        if let encoded = parameters.name {
            guard let decoded = PercentEncoding.decode(encoded) else { throw .name }
            name = decoded
        } else {
            name = nil
        }
        let server = try Invite.readServer(rest[rest.index(after: at)..<question], isSecure: !parameters.isPlain)
        try self.init(peerID: peerID, server: server, token: token, name: name)
        guard uri.utf8.elementsEqual(text.utf8) else { throw .malformed }
    }

    /// The invite as text. Whoever has it can use it.
    package var uri: String {
        var text = "\(Invite.scheme)\(peerID)@\(server.authority)?t=\(Base64URL.encode(token))"
        if let name { text += "&n=\(PercentEncoding.encode(name))" }
        if !server.isSecure { text += "&s=ws" }
        return text
    }

    /// Without the token, so that no log can hold it by accident.
    package var description: String { "Invite(\(peerID)@\(server.authority))" }

    private static func readPeerID(_ text: Substring.UTF8View) throws(InviteError) -> PeerID {
        guard let text = String(text) else { throw .malformed }
        do throws(PeerIDError) {
            return try PeerID(text: text)
        } catch {
            throw .peerID(error)
        }
    }

    private static func readServer(_ text: Substring.UTF8View, isSecure: Bool) throws(InviteError) -> ServerURL {
        guard let authority = String(text), !authority.contains("/") else { throw .server }
        do throws(WireError) {
            return try ServerURL("\(isSecure ? "wss" : "ws")://\(authority)")
        } catch {
            throw .server
        }
    }

    /// The query: `t`, then `n` and `s` where present, each once.
    private struct Parameters {
        var token: Substring.UTF8View?
        var name: Substring.UTF8View?
        var isPlain = false

        init(_ query: Substring.UTF8View) throws(InviteError) {
            for part in query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
                guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else { throw .malformed }
                let value = part[part.index(after: equals)...]
                switch String(part[..<equals]) {
                case "t" where token == nil: token = value
                case "n" where name == nil: name = value
                case "s" where !isPlain && value.elementsEqual("ws".utf8): isPlain = true
                default: throw .malformed
                }
            }
        }
    }
}

/// Percent-encoding of RFC 3986 §2.1.
enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// Unreserved characters (RFC 3986 §2.3) as they are, all other bytes as `%XX`.
    static func encode(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            if isUnreserved(byte) {
                result.append(byte)
            } else {
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Nil for a `%` without two hexadecimal digits, and for bytes that are not UTF-8.
    static func decode(_ text: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        var iterator = text.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(digits.firstIndex(of:)),
                let low = iterator.next().flatMap(digits.firstIndex(of:))
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || Array("-._~".utf8).contains(byte)
    }
}
