import CSodium

/// An invite that the user handed out. Only a digest of its token is kept: who reads the book cannot use the invite.
package struct IssuedInvite: Equatable, Sendable {
    /// BLAKE2b-256 of the token.
    package let tokenDigest: [UInt8]
    /// Seconds since 1970.
    package let expires: Int64

    package init(tokenDigest: [UInt8], expires: Int64) {
        self.tokenDigest = tokenDigest
        self.expires = expires
    }

    static func digest(_ token: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&digest, digest.count, token, UInt64(token.count), nil, 0)
        return digest
    }

    /// Compares in constant time.
    func matches(_ digest: [UInt8]) -> Bool {
        digest.count == tokenDigest.count && sodium_memcmp(digest, tokenDigest, digest.count) == 0
    }
}
