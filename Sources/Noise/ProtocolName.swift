/// A Noise protocol name (revision 34, §8): "Noise_IK_25519_ChaChaPoly_BLAKE2b", with modifiers behind the pattern.
package struct ProtocolName: Sendable {
    /// The name as it was given; it goes into the handshake hash.
    package let text: String
    let pattern: HandshakePattern
    let cipher: CipherFunction
    let hash: HashFunction

    /// Throws `unsupportedProtocol` for a malformed name and for patterns and functions that this module lacks (448,
    /// BLAKE2s).
    package init(_ text: String) throws(NoiseError) {
        // §8: at most 255 bytes.
        guard text.utf8.count <= 255 else { throw .unsupportedProtocol }
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "Noise", parts[2] == "25519",
            let cipher = CipherFunction(rawValue: String(parts[3])),
            let hash = HashFunction(rawValue: String(parts[4]))
        else { throw .unsupportedProtocol }
        self.text = text
        self.cipher = cipher
        self.hash = hash
        pattern = try HandshakePattern(parsing: parts[1])
    }
}
