package import Identity
package import Noise

// Layout: version u8 = 1 | owner 32 | needs publishing u8 | batch 16 | count u16 and for each signed prekey: replaced at u64, pair |
// count u16 and pairs of the batch | count u16 and retired: replaced at u64, pair | count u16 and reserved: peer id 32, pair.
// A pair: id u32 | made at u64 | X25519 secret 32 | ML-KEM seed 64.

extension PrekeySet {
    private static let version: UInt8 = 1

    /// The set as it is stored: secret, at most 93 KB, usually below 10 KB.
    package func encode() -> SecretBytes {
        StateWriter.encode { writer in
            writer.write(integer: PrekeySet.version)
            writer.write(owner.bytes)
            writer.write(integer: UInt8(needsPublishing ? 1 : 0))
            writer.write(batch)
            writer.write(integer: UInt16(truncatingIfNeeded: signed.count))
            for entry in signed {
                writer.write(integer: entry.replacedAt)
                entry.pair.write(to: &writer)
            }
            writer.write(integer: UInt16(truncatingIfNeeded: oneTime.count))
            for pair in oneTime {
                pair.write(to: &writer)
            }
            writer.write(integer: UInt16(truncatingIfNeeded: retired.count))
            for entry in retired {
                writer.write(integer: entry.replacedAt)
                entry.pair.write(to: &writer)
            }
            writer.write(integer: UInt16(truncatingIfNeeded: reserved.count))
            for entry in reserved {
                writer.write(entry.peer.bytes)
                entry.pair.write(to: &writer)
            }
        }
    }

    /// Reads what `encode` gave. Throws `malformed`, and `wrongPeer` when it belongs to another identity.
    package init(decoding bytes: borrowing SecretBytes, owner: PeerID) throws(RatchetError) {
        self = try bytes.withUnsafeBytes { buffer throws(RatchetError) in
            var reader = StateReader(buffer)
            let set = try PrekeySet(reading: &reader, owner: owner)
            try reader.finish()
            return set
        }
    }

    private init(reading reader: inout StateReader, owner: PeerID) throws(RatchetError) {
        guard try reader.integer(UInt8.self) == PrekeySet.version else { throw .malformed }
        guard try reader.bytes(PeerID.byteCount) == owner.bytes else { throw .wrongPeer }
        let flag = try reader.integer(UInt8.self)
        guard flag <= 1 else { throw .malformed }
        let batch = try reader.bytes(PrekeySet.batchByteCount)
        let size = PrekeyPair.storedByteCount
        var signed: [Signed] = []
        for _ in 0..<(try reader.count(UInt16.self, limit: PrekeySet.maximumSigned, size: size + 8)) {
            let replacedAt = try reader.integer(UInt64.self)
            signed.append(Signed(pair: try PrekeyPair(reading: &reader), replacedAt: replacedAt))
        }
        guard !signed.isEmpty else { throw .malformed }
        var oneTime: [PrekeyPair] = []
        for _ in 0..<(try reader.count(UInt16.self, limit: PrekeySet.batchCount, size: size)) {
            oneTime.append(try PrekeyPair(reading: &reader))
        }
        self.init(owner: owner, signed: signed, batch: batch, oneTime: oneTime)
        needsPublishing = flag == 1
        for _ in 0..<(try reader.count(UInt16.self, limit: PrekeySet.maximumRetired, size: size + 8)) {
            let replacedAt = try reader.integer(UInt64.self)
            retired.append(Retired(pair: try PrekeyPair(reading: &reader), replacedAt: replacedAt))
        }
        let limit = PrekeySet.maximumReserved
        for _ in 0..<(try reader.count(UInt16.self, limit: limit, size: size + PeerID.byteCount)) {
            guard let peer = try? PeerID(bytes: reader.bytes(PeerID.byteCount)) else { throw .malformed }
            reserved.append(Reserved(pair: try PrekeyPair(reading: &reader), peer: peer))
        }
    }
}
