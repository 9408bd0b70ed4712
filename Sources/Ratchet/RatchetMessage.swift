import Wire

// Layout: type u8 | prefix 1,128, only in type 1 | nonce 24 | sealed header 56 | sealed body (its length + 16).
// Header: ratchet key 32 | number of messages in the previous sending chain u32 | number in this chain u32.

/// A ciphertext, taken apart.
struct RatchetMessage: Sendable {
    enum Kind: UInt8, Sendable {
        /// From the initiator of a session who has not been answered yet: the prefix is there.
        case first = 1
        case ordinary = 2
    }

    static let sealedHeaderByteCount = RatchetHeader.byteCount + AEAD.tagByteCount

    let prefix: PQXDHPrefix?
    let nonce: [UInt8]
    let sealedHeader: [UInt8]
    let sealedBody: [UInt8]

    var kind: Kind { prefix == nil ? .ordinary : .first }

    init(prefix: PQXDHPrefix?, nonce: [UInt8], sealedHeader: [UInt8], sealedBody: [UInt8]) {
        self.prefix = prefix
        self.nonce = nonce
        self.sealedHeader = sealedHeader
        self.sealedBody = sealedBody
    }

    /// Throws `malformed`, and `tooLong`.
    init(decoding bytes: [UInt8]) throws(RatchetError) {
        guard bytes.count <= RatchetLimits.ciphertext else { throw .tooLong }
        var reader = ByteReader(bytes)
        guard let type = try? reader.readUInt8(), let kind = Kind(rawValue: type) else { throw .malformed }
        prefix = kind == .first ? try PQXDHPrefix(reader.take(PQXDHPrefix.byteCount)) : nil
        nonce = try reader.take(AEAD.nonceByteCount)
        sealedHeader = try reader.take(RatchetMessage.sealedHeaderByteCount)
        sealedBody = Array(reader.readRest())
        guard sealedBody.count >= AEAD.tagByteCount,
            sealedBody.count - AEAD.tagByteCount <= RatchetLimits.plaintext
        else { throw .malformed }
    }

    func encode() -> [UInt8] {
        [kind.rawValue] + (prefix?.bytes ?? []) + nonce + sealedHeader + sealedBody
    }
}

/// HEADER(dh_pair, pn, n) (Double Ratchet, revision 4, §3.1).
struct RatchetHeader: Equatable, Sendable {
    static let byteCount = 40

    let ratchetKey: [UInt8]
    let previousCount: UInt32
    let number: UInt32

    init(ratchetKey: [UInt8], previousCount: UInt32, number: UInt32) {
        self.ratchetKey = ratchetKey
        self.previousCount = previousCount
        self.number = number
    }

    init(_ bytes: [UInt8]) throws(RatchetError) {
        var reader = ByteReader(bytes)
        ratchetKey = try reader.take(32)
        previousCount = try reader.takeUInt32()
        number = try reader.takeUInt32()
        guard reader.remaining == 0 else { throw .malformed }
    }

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: RatchetHeader.byteCount)
        writer.write(ratchetKey)
        writer.write(previousCount)
        writer.write(number)
        return writer.bytes
    }
}
