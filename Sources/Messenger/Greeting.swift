package import Identity

/// What both sides say about themselves inside the handshake, encrypted to the other: who they are, the invite they come with, and the name they go by.
///
/// Layout: version 1 ‖ peer id (32) ‖ token length (0 or 16) ‖ token ‖ name length ‖ name in UTF-8 (at most 64 bytes).
package struct Greeting: Equatable, Sendable {
    /// The Ed25519 identity. The handshake proves only its X25519 form, which two Ed25519 keys share, so the receiver compares both.
    package let peer: PeerID
    /// The capability from an invite of the receiver, or empty.
    package let token: [UInt8]
    /// What the sender calls itself; not to be believed, only shown.
    package let name: String

    package static let tokenSize = 16
    package static let maximumNameSize = 64
    private static let version: UInt8 = 1

    package init(peer: PeerID, token: [UInt8], name: String) {
        self.peer = peer
        self.token = token.count == Self.tokenSize ? token : []
        self.name = Self.clipped(name)
    }

    /// A name cut to ``maximumNameSize`` bytes, at a character.
    static func clipped(_ name: String) -> String {
        var name = name
        while name.utf8.count > maximumNameSize { name.removeLast() }
        return name
    }

    package func encode() -> [UInt8] {
        [Self.version] + peer.bytes + [UInt8(token.count)] + token + [UInt8(name.utf8.count)] + Array(name.utf8)
    }

    /// Reads a greeting; `nil` when it is not well-formed. Bytes after the name belong to later versions and are ignored.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= 35, bytes[0] == Self.version, let peer = try? PeerID(bytes: bytes[1..<33]) else {
            return nil
        }
        let tokenEnd = 34 + Int(bytes[33])
        guard bytes[33] == 0 || Int(bytes[33]) == Self.tokenSize, bytes.count > tokenEnd else { return nil }
        let nameEnd = tokenEnd + 1 + Int(bytes[tokenEnd])
        guard Int(bytes[tokenEnd]) <= Self.maximumNameSize, bytes.count >= nameEnd,
            let name = String(validating: bytes[(tokenEnd + 1)..<nameEnd], as: UTF8.self)
        else { return nil }
        self.init(peer: peer, token: Array(bytes[34..<tokenEnd]), name: name)
    }
}
