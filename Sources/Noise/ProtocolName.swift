/// A Noise protocol name (revision 34, §8): "Noise_IK_25519_ChaChaPoly_BLAKE2b", with modifiers behind the pattern. A hybrid one
/// (modifier "hfs") names its KEM behind the curve: "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b".
package struct ProtocolName: Sendable {
    /// The name as it was given; it goes into the handshake hash.
    package let text: String
    let pattern: HandshakePattern
    let cipher: CipherFunction
    let hash: HashFunction
    /// Exactly where the pattern has the modifier "hfs".
    let kem: KEMFunction?

    /// Throws `unsupportedProtocol` for a malformed name and for patterns and functions that this module lacks (448,
    /// BLAKE2s).
    package init(_ text: String) throws(NoiseError) {
        // §8: at most 255 bytes.
        guard text.utf8.count <= 255 else { throw .unsupportedProtocol }
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "Noise",
            let cipher = CipherFunction(rawValue: String(parts[3])),
            let hash = HashFunction(rawValue: String(parts[4]))
        else { throw .unsupportedProtocol }
        self.text = text
        self.cipher = cipher
        self.hash = hash
        pattern = try HandshakePattern(parsing: parts[1])
        kem = try ProtocolName.kem(in: parts[2])
        guard (kem != nil) == pattern.isHybrid else { throw .unsupportedProtocol }
    }

    /// "25519" or "25519+MLKEM768".
    private static func kem(in text: Substring) throws(NoiseError) -> KEMFunction? {
        let functions = text.split(separator: "+", omittingEmptySubsequences: false)
        guard functions[0] == "25519", functions.count <= 2 else { throw .unsupportedProtocol }
        guard functions.count == 2 else { return nil }
        guard let kem = KEMFunction(rawValue: String(functions[1])) else { throw .unsupportedProtocol }
        return kem
    }
}
