// publication = version u8 = 1 | peer id 32 | batch 16 | record of kind 1 | count u16 (≤ 43) | records of kind 2
// bundle      = version u8 = 1 | peer id 32 | record of kind 1 [| record of kind 2]
// record      = 1,292 bytes
// docs/protocol/ratchet.md, "Prekeys".

/// The parts of a publication of prekeys, for who keeps them and hands out bundles without knowing what is in them: signatures and keys are for `Ratchet` to look at.
package struct PrekeyPublicationLayout: Hashable, Sendable {
    /// The version that bundles and publications begin with.
    package static let version: UInt8 = 1
    /// Size of a record in bytes.
    package static let recordByteCount = 1_292
    /// Size of a batch's name in bytes.
    package static let batchByteCount = 16
    /// Most one-time records of a publication.
    package static let maximumOneTime = 43

    /// Whose keys they are said to be.
    package let peer: PeerKey
    /// The name of the set of one-time records, 16 bytes.
    package let batch: [UInt8]
    /// The record that is part of every bundle.
    package let signed: [UInt8]
    /// The one-time records, in the order in which they are to be handed out.
    package let oneTime: [[UInt8]]

    /// Takes an encoded publication apart. Throws `truncated`, `trailingBytes`, `invalidValue` (another version) or `lengthOutOfRange` (too many records).
    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        guard try reader.readUInt8() == Self.version else { throw .invalidValue }
        peer = try reader.readPeerKey()
        batch = Array(try reader.readBytes(Self.batchByteCount))
        signed = Array(try reader.readBytes(Self.recordByteCount))
        let count = Int(try reader.readUInt16())
        guard count <= Self.maximumOneTime else { throw .lengthOutOfRange }
        var records: [[UInt8]] = []
        for _ in 0..<count { records.append(Array(try reader.readBytes(Self.recordByteCount))) }
        try reader.finish()
        oneTime = records
    }

    /// A bundle of these records, as it is handed out.
    package static func bundle(of peer: PeerKey, signed: [UInt8], oneTime: [UInt8]?) -> [UInt8] {
        var writer = ByteWriter(capacity: 1 + PeerKey.byteCount + 2 * recordByteCount)
        writer.write(version)
        writer.write(peer)
        writer.write(signed)
        if let oneTime { writer.write(oneTime) }
        return writer.bytes
    }
}
