import CSodium
package import Wire

extension ICECredentials {
    /// Fresh credentials from libsodium's generator: 48 bits of ufrag and 192 bits of password (RFC 8445 §5.3 asks for 24
    /// and 128). libnice's own come from a Mersenne Twister.
    package static func random() -> ICECredentials {
        do {
            return try ICECredentials(ufrag: randomICEChars(8), password: randomICEChars(32))
        } catch {
            preconditionFailure("8 and 32 characters of the alphabet of ice-chars are valid")
        }
    }
}

private func randomICEChars(_ count: Int) -> String {
    // Idempotent and thread-safe; without it the generator is not set up.
    precondition(sodium_init() >= 0, "libsodium cannot get random numbers from the system")
    var bytes = [UInt8](repeating: 0, count: count)
    randombytes_buf(&bytes, count)
    // 64 characters: six bits of each byte choose without bias.
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    return String(decoding: bytes.map { alphabet[Int($0 & 63)] }, as: UTF8.self)
}
