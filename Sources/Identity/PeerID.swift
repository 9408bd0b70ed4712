import CSodium
package import Noise
package import Wire

/// Why something is no peer id.
package enum PeerIDError: Error, Hashable, Sendable {
    /// Not 32 bytes, or not text that begins with `sotto1` and has the length and the letters of a peer id.
    case malformed
    /// It looks like a peer id, but its checksum is wrong: one or more characters were mistyped.
    case mistyped
    /// The bytes are no key that anybody could own: not a canonical point of Ed25519's prime-order subgroup.
    case unusableKey
}

/// Who somebody is: an Ed25519 public key that has been checked. In text it is Bech32m (BIP 350) with the prefix
/// `sotto`, 64 characters long.
///
/// The Noise static key is the X25519 key of the same point, so a peer id is all that a dialer needs. The map drops the
/// sign: a point and its negative have the same X25519 key. Only the owner of one can sign for the other, so nobody
/// else gains anything; but a peer found by its Noise key is to be compared with pinned peer ids, never turned into
/// one.
package struct PeerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Size in bytes.
    package static let byteCount = 32
    /// Human-readable part of the text form.
    package static let prefix = "sotto"

    /// The bytes as frames carry them.
    package let key: PeerKey
    /// The X25519 public key of the same point: the peer's static key in every Noise handshake.
    package let noisePublicKey: PublicKey

    /// Checks 32 bytes. Throws `malformed` for another count and `unusableKey` unless they are the canonical encoding
    /// of a point of the prime-order subgroup.
    package init(bytes: some Collection<UInt8>) throws(PeerIDError) {
        let key: PeerKey
        do throws(WireError) {
            key = try PeerKey(bytes)
        } catch {
            throw .malformed
        }
        try self.init(key)
    }

    /// Checks the bytes of a frame. Throws `unusableKey`.
    package init(_ key: PeerKey) throws(PeerIDError) {
        Sodium.initialize()
        let bytes = key.bytes
        var montgomery = [UInt8](repeating: 0, count: PublicKey.length)
        guard crypto_core_ed25519_is_valid_point(bytes) == 1,
            crypto_sign_ed25519_pk_to_curve25519(&montgomery, bytes) == 0
        else { throw .unusableKey }
        do throws(NoiseError) {
            self.noisePublicKey = try PublicKey(montgomery)
        } catch {
            throw .unusableKey
        }
        self.key = key
    }

    /// Reads the text form, in lower or in upper case but not mixed. Throws `mistyped` when only the checksum is wrong.
    package init(text: String) throws(PeerIDError) {
        let prefix: String
        let values: [UInt8]
        do throws(Bech32m.Failure) {
            (prefix, values) = try Bech32m.decode(text)
        } catch {
            let looksRight = text.utf8.count == PeerID.textLength && text.lowercased().hasPrefix(PeerID.prefix + "1")
            throw error == .wrongChecksum && looksRight ? .mistyped : .malformed
        }
        guard prefix == PeerID.prefix, let bytes = Bech32m.bytes(fromGroups: values) else { throw .malformed }
        try self.init(bytes: bytes)
    }

    /// Length of the text form: prefix, separator, 52 characters of data, 6 of checksum.
    package static let textLength = 64

    /// The 32 bytes.
    package var bytes: [UInt8] { key.bytes }

    /// The text form in lower case.
    package var description: String { Bech32m.encode(prefix: PeerID.prefix, data: bytes) }

    /// Whether `signature` (64 bytes of Ed25519) over `message` was made by this peer.
    package func verify(signature: some Collection<UInt8>, message: [UInt8]) -> Bool {
        guard signature.count == 64 else { return false }
        return crypto_sign_verify_detached(Array(signature), message, UInt64(message.count), bytes) == 0
    }

    /// Order of the bytes, first byte first: what decides when both peers dial at once.
    package static func < (left: PeerID, right: PeerID) -> Bool { left.key < right.key }

    /// Equal when the bytes are.
    package static func == (left: PeerID, right: PeerID) -> Bool { left.key == right.key }

    /// Hashes the bytes.
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
