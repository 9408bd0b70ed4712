import CSodium
package import Wire

extension ICECredentials {
    /// Fresh credentials from libsodium's generator: 48 bits of ufrag and 192 bits of password (RFC 8445 §5.3 asks for 24
    /// and 128). libnice's own come from a Mersenne Twister.
    package static func random() -> ICECredentials {
        initializeSodium()
        var bytes = [UInt8](repeating: 0, count: byteCount)
        randombytes_buf(&bytes, byteCount)
        return ICECredentials(making: bytes)
    }

    /// The credentials of who answers an offer: BLAKE2b of the offer's, so that the offerer has them before the answer comes
    /// (`docs/protocol/rendezvous.md`, "Credentials").
    ///
    /// Checks overtake the answer where the relay is slower than the path. libnice 0.1.21 can lose a pair for good that it learns
    /// of while it does not know the credentials.
    ///
    /// - Parameters:
    ///   - offer: a secret of at least 128 bits that only the two sides know, since offers are sealed.
    ///   - connectionID: of the offer.
    package static func answering(_ offer: ICECredentials, connectionID: [UInt8]) -> ICECredentials {
        initializeSodium()
        var writer = ByteWriter()
        writer.write("sotto ice answer".utf8)
        writer.write(offer)
        writer.write(connectionID)
        var bytes = [UInt8](repeating: 0, count: byteCount)
        crypto_generichash(&bytes, byteCount, writer.bytes, UInt64(writer.bytes.count), nil, 0)
        return ICECredentials(making: bytes)
    }

    private static let (ufragLength, passwordLength) = (8, 32)
    private static var byteCount: Int { ufragLength + passwordLength }

    private init(making bytes: [UInt8]) {
        // 64 characters: six bits of each byte choose without bias.
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        let text = bytes.map { alphabet[Int($0 & 63)] }
        do {
            try self.init(
                ufrag: String(decoding: text.prefix(Self.ufragLength), as: UTF8.self),
                password: String(decoding: text.dropFirst(Self.ufragLength), as: UTF8.self))
        } catch {
            preconditionFailure("8 and 32 characters of the alphabet of ice-chars are valid")
        }
    }

    private static func initializeSodium() {
        // Idempotent and thread-safe; without it the generator is not set up.
        precondition(sodium_init() >= 0, "libsodium cannot get random numbers from the system")
    }
}
