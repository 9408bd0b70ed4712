package import Identity
import Wire

// Layout: version u8 = 1 | peer id 32 | batch 16 | signed prekey 1,292 | count u16 (≤ 43) | one-time prekeys 1,292 each.

/// All that a server gets to hand out bundles for an absent owner.
///
/// What a server does with it: the signed prekey replaces the stored one. When the batch is the one already stored, its
/// one-time prekeys are left alone, because some may have been handed out since; when it is another, the one-time
/// prekeys replace those that are left. Each is handed out once, in order.
package struct PrekeyPublication: Equatable, Sendable {
    /// Longest encoding in bytes, and most one-time prekeys that fit.
    package static let maximumByteCount = 57_344
    /// Most one-time prekeys of a publication.
    package static let maximumOneTime = 43

    /// The owner.
    package let peer: PeerID
    /// 16 random bytes that name this set of one-time prekeys.
    package let batch: [UInt8]
    /// The signed prekey, which every bundle holds.
    package let signed: PrekeyRecord
    /// The one-time prekeys.
    package let oneTime: [PrekeyRecord]

    init(peer: PeerID, batch: [UInt8], signed: PrekeyRecord, oneTime: [PrekeyRecord]) {
        self.peer = peer
        self.batch = batch
        self.signed = signed
        self.oneTime = oneTime
    }

    /// Reads an encoding. Throws `malformed`.
    package init(decoding bytes: [UInt8]) throws(RatchetError) {
        guard bytes.count <= PrekeyPublication.maximumByteCount else { throw .malformed }
        var reader = ByteReader(bytes)
        peer = try PrekeyBundle.readHead(&reader)
        batch = try reader.take(PrekeySet.batchByteCount)
        signed = try PrekeyRecord(reading: &reader)
        guard let count = try? reader.readUInt16(), count <= PrekeyPublication.maximumOneTime,
            reader.remaining == Int(count) * PrekeyRecord.byteCount
        else { throw .malformed }
        var records: [PrekeyRecord] = []
        for _ in 0..<count {
            records.append(try PrekeyRecord(reading: &reader))
        }
        oneTime = records
    }

    /// The bytes to publish.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 51 + (1 + oneTime.count) * PrekeyRecord.byteCount)
        writer.write(PrekeyBundle.version)
        writer.write(peer.key)
        writer.write(batch)
        signed.write(to: &writer)
        writer.write(UInt16(truncatingIfNeeded: oneTime.count))
        for record in oneTime {
            record.write(to: &writer)
        }
        return writer.bytes
    }

    /// Whether the owner signed every part, for its use: what a server may check before it stores it. About 50 µs a prekey.
    package var isSigned: Bool {
        signed.isSigned(by: peer, as: .signed) && oneTime.allSatisfy { $0.isSigned(by: peer, as: .oneTime) }
    }
}
