package import Identity
import Wire

// Layout: version u8 = 1 | peer id 32 | signed prekey 1,292 | one-time prekey 1,292 or nothing.

/// What somebody needs to start a session with a peer who may be absent (PQXDH, revision 3, §3.2): a signed prekey and,
/// if there was one left, a one-time prekey. Trusted only after `verify`.
package struct PrekeyBundle: Equatable, Sendable {
    /// Longest encoding in bytes.
    package static let maximumByteCount = 33 + 2 * PrekeyRecord.byteCount
    /// How far in the past (or, for clocks that are wrong, the future) its signed prekey may have been made, in
    /// milliseconds: 45 days.
    package static let longestAge: UInt64 = 45 * 86_400_000

    /// Whose keys these are said to be.
    package let peer: PeerID
    /// The signed prekey.
    package let signed: PrekeyRecord
    /// The one-time prekey, if there is one.
    package let oneTime: PrekeyRecord?

    /// Puts a bundle together. A server does, from a publication and one of its one-time prekeys.
    package init(peer: PeerID, signed: PrekeyRecord, oneTime: PrekeyRecord?) {
        self.peer = peer
        self.signed = signed
        self.oneTime = oneTime
    }

    /// Reads an encoding. Throws `malformed`.
    package init(decoding bytes: [UInt8]) throws(RatchetError) {
        guard bytes.count <= PrekeyBundle.maximumByteCount else { throw .malformed }
        var reader = ByteReader(bytes)
        peer = try PrekeyBundle.readHead(&reader)
        signed = try PrekeyRecord(reading: &reader)
        oneTime = reader.remaining == 0 ? nil : try PrekeyRecord(reading: &reader)
        guard reader.remaining == 0 else { throw .malformed }
    }

    /// 1,325 or 2,617 bytes.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: PrekeyBundle.maximumByteCount)
        writer.write(PrekeyBundle.version)
        writer.write(peer.key)
        signed.write(to: &writer)
        oneTime?.write(to: &writer)
        return writer.bytes
    }

    /// Throws unless it is `peer`'s, signed by it in every part, and fresh enough at `now` (milliseconds since 1970):
    /// `wrongPeer`, `badSignature`, `expiredPrekey`.
    package func verify(for peer: PeerID, now: UInt64) throws(RatchetError) {
        guard self.peer == peer else { throw .wrongPeer }
        guard signed.isSigned(by: peer, as: .signed), oneTime?.isSigned(by: peer, as: .oneTime) ?? true else {
            throw .badSignature
        }
        let age = now > signed.time ? now - signed.time : signed.time - now
        guard age <= PrekeyBundle.longestAge else { throw .expiredPrekey }
    }

    static let version: UInt8 = 1

    /// Version and peer id, with which bundles and publications begin.
    static func readHead(_ reader: inout ByteReader) throws(RatchetError) -> PeerID {
        guard (try? reader.readUInt8()) == version, let key = try? reader.readPeerKey(), let peer = try? PeerID(key)
        else { throw .malformed }
        return peer
    }
}
