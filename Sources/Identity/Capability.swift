import CSodium
import Noise
package import Wire

/// What a contact gets from us to leave mail for us, and we from it: 16 random bytes, a secret between the two. The server of
/// whoever gave it knows its digest alone (`docs/protocol/mailbox.md`, "Capabilities").
package enum Capability {
    /// A new one, from the system's randomness.
    package static func generate() -> [UInt8] {
        Sodium.initialize()
        var capability = MailFrame.noCapability
        randombytes_buf(&capability, capability.count)
        return capability
    }

    /// What the server is told, and finds it by: BLAKE2b-128 of the capability, keyed with `"sotto-capability/1"`. Throws
    /// `lengthOutOfRange` unless the capability has 16 bytes.
    package static func digest(of capability: [UInt8]) throws(WireError) -> CapabilityDigest {
        guard capability.count == MailFrame.capabilityByteCount else { throw .lengthOutOfRange }
        Sodium.initialize()
        let label = Array("sotto-capability/1".utf8)
        var digest = [UInt8](repeating: 0, count: CapabilityDigest.byteCount)
        _ = crypto_generichash(&digest, digest.count, capability, UInt64(capability.count), label, label.count)
        return try CapabilityDigest(digest)
    }
}
