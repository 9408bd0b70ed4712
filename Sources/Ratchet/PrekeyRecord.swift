package import Identity
import Noise
import Wire

/// Names a prekey of its owner: a random number, never 0.
package struct PrekeyID: Hashable, Sendable {
    /// The number.
    package let rawValue: UInt32

    /// Any number; 0 stands for "none" in messages.
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

// Layout: id u32 | made at u64, milliseconds since 1970 | X25519 key 32 | ML-KEM-768 key 1,184 | signature 64.

/// The public half of a prekey: an X25519 key and an ML-KEM-768 key under one signature of their owner, so that nobody who
/// hands it on can swap or mix anything.
package struct PrekeyRecord: Equatable, Sendable {
    /// What a prekey is for. Part of what is signed.
    package enum Kind: UInt8, Sendable {
        /// Used by anybody, any number of times, while it lives; its ML-KEM key is the one of last resort.
        case signed = 1
        /// Used once.
        case oneTime = 2
    }

    /// Size in bytes.
    package static let byteCount = 1_292

    /// Its name.
    package let id: PrekeyID
    /// When it was made, in milliseconds since 1970.
    package let time: UInt64
    let dhKey: PublicKey
    let kemKey: [UInt8]
    let signature: [UInt8]

    init(_ pair: PrekeyPair, kind: Kind, signedBy identity: Identity) throws(RatchetError) {
        id = pair.id
        time = pair.time
        dhKey = pair.dhKey.publicKey
        kemKey = try pair.kemKey.publicKey()
        signature = identity.sign(PrekeyRecord.signedBytes(kind, id, time, dhKey, kemKey))
    }

    /// Reads an encoding, for a server that keeps records apart. Throws `malformed`.
    package init(decoding bytes: [UInt8]) throws(RatchetError) {
        guard bytes.count == PrekeyRecord.byteCount else { throw .malformed }
        var reader = ByteReader(bytes)
        try self.init(reading: &reader)
    }

    /// The 1,292 bytes.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: PrekeyRecord.byteCount)
        write(to: &writer)
        return writer.bytes
    }

    init(reading reader: inout ByteReader) throws(RatchetError) {
        id = PrekeyID(rawValue: try reader.takeUInt32())
        guard let time = try? reader.readUInt64(), id.rawValue != 0 else { throw .malformed }
        self.time = time
        dhKey = try PublicKey(reading: reader.take(PublicKey.length))
        kemKey = try reader.take(KEMKey.publicByteCount)
        signature = try reader.take(64)
    }

    func write(to writer: inout ByteWriter) {
        writer.write(id.rawValue)
        writer.write(time)
        writer.write(dhKey.bytes)
        writer.write(kemKey)
        writer.write(signature)
    }

    /// Whether `peer` signed it, for this use.
    package func isSigned(by peer: PeerID, as kind: Kind) -> Bool {
        peer.verify(signature: signature, message: PrekeyRecord.signedBytes(kind, id, time, dhKey, kemKey))
    }

    private static func signedBytes(
        _ kind: Kind, _ id: PrekeyID, _ time: UInt64, _ dhKey: PublicKey, _ kemKey: [UInt8]
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Array("sotto-prekey/1".utf8))
        writer.write(kind.rawValue)
        writer.write(id.rawValue)
        writer.write(time)
        writer.write(dhKey.bytes)
        writer.write(kemKey)
        return writer.bytes
    }
}
