// Header: type u16 | length u16 (of what follows the header, a multiple of 4) | magic cookie 0x2112A442
//         | transaction id 12. Classic (RFC 3489): transaction id 16 in place of cookie and id.
// Attribute: type u16 | length u16 | value, padded to a multiple of 4.

/// STUN (RFC 8489) as far as finding one's mapped address needs it: Binding requests and their answers over UDP.
/// Requests without the magic cookie (RFC 3489) are understood too, because libnice sends them.
package enum STUN {
    /// The fixed value that tells RFC 5389 and later from RFC 3489.
    package static let magicCookie: UInt32 = 0x2112_A442
    /// Size of the header in bytes.
    package static let headerByteCount = 20
    /// Requests above this are not answered: 1280 bytes, what every IPv6 link carries.
    package static let maximumMessage = 1280

    static let bindingRequest: UInt16 = 0x0001
    static let bindingSuccess: UInt16 = 0x0101
    static let bindingError: UInt16 = 0x0111

    enum Attribute {
        static let mappedAddress: UInt16 = 0x0001
        static let errorCode: UInt16 = 0x0009
        static let unknownAttributes: UInt16 = 0x000A
        static let xorMappedAddress: UInt16 = 0x0020
        /// Comprehension-required attributes (RFC 8489 §18.3) that change nothing in an answer without authentication:
        /// MAPPED-ADDRESS, USERNAME, MESSAGE-INTEGRITY, ERROR-CODE, UNKNOWN-ATTRIBUTES, REALM, NONCE,
        /// MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH, XOR-MAPPED-ADDRESS; and ICE's PRIORITY and
        /// USE-CANDIDATE.
        static let understood: Set<UInt16> = [
            0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E, 0x0020, 0x0024, 0x0025,
        ]
    }

    /// A Binding request: a header and nothing else. `transactionID` must be 12 random bytes, else `lengthOutOfRange`.
    package static func bindingRequest(transactionID: [UInt8]) throws(WireError) -> [UInt8] {
        guard transactionID.count == 12 else { throw .lengthOutOfRange }
        return message(bindingRequest, cookieAndID: cookieBytes + transactionID, attributes: [])
    }

    static let cookieBytes: [UInt8] = [0x21, 0x12, 0xA4, 0x42]

    static func message(_ type: UInt16, cookieAndID: [UInt8], attributes: [(UInt16, [UInt8])]) -> [UInt8] {
        var body = ByteWriter(capacity: 32)
        for (type, value) in attributes {
            body.write(type)
            body.write(UInt16(truncatingIfNeeded: value.count))
            body.write(value)
            body.write([UInt8](repeating: 0, count: paddingCount(value.count)))
        }
        var writer = ByteWriter(capacity: headerByteCount + body.bytes.count)
        writer.write(type)
        writer.write(UInt16(truncatingIfNeeded: body.bytes.count))
        writer.write(cookieAndID)
        writer.write(body.bytes)
        return writer.bytes
    }

    static func paddingCount(_ count: Int) -> Int { (4 - count % 4) % 4 }

    /// An address attribute: 0 | family u8 (1 IPv4, 2 IPv6) | port u16 | address. With a key, port and address are
    /// XORed with it (RFC 8489 §14.2: the key is cookie ‖ transaction id).
    static func addressValue(_ endpoint: Endpoint, xoring key: [UInt8]?) -> [UInt8] {
        var writer = ByteWriter(capacity: 20)
        writer.write(endpoint.port)
        let port = xor(writer.bytes, key)
        return [0, endpoint.address.isV6 ? 2 : 1] + port + xor(endpoint.address.bytes, key)
    }

    static func readAddress(_ value: ArraySlice<UInt8>, xoring key: [UInt8]?) throws(WireError) -> Endpoint {
        var reader = ByteReader(value)
        _ = try reader.readUInt8()
        let family = try reader.readUInt8()
        guard family == 1 || family == 2 else { throw .invalidValue }
        var port = ByteReader(xor(Array(try reader.readBytes(2)), key))
        let address = xor(Array(try reader.readBytes(family == 1 ? 4 : 16)), key)
        try reader.finish()
        return Endpoint(address: try IPAddress(bytes: address), port: try port.readUInt16())
    }

    private static func xor(_ bytes: [UInt8], _ key: [UInt8]?) -> [UInt8] {
        guard let key else { return bytes }
        return zip(bytes, key).map { $0 ^ $1 }
    }
}

/// A STUN message taken apart: header checked, attributes cut, nothing interpreted.
struct STUNMessage {
    let type: UInt16
    let cookieAndID: [UInt8]
    let attributes: [(type: UInt16, value: ArraySlice<UInt8>)]

    /// Whether the magic cookie is missing (RFC 3489).
    var isClassic: Bool { !cookieAndID.starts(with: STUN.cookieBytes) }

    /// Throws `invalidValue` for what is no STUN message (the two topmost bits of the type are 0, the length is a
    /// multiple of 4), `truncated` or `trailingBytes` when the length does not fit.
    init(_ bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        self.type = try reader.readUInt16()
        let length = try reader.readUInt16()
        guard type & 0xC000 == 0, length % 4 == 0 else { throw .invalidValue }
        self.cookieAndID = Array(try reader.readBytes(16))
        guard reader.remaining >= Int(length) else { throw .truncated }
        guard reader.remaining == Int(length) else { throw .trailingBytes }
        var attributes: [(type: UInt16, value: ArraySlice<UInt8>)] = []
        while reader.remaining > 0 {
            let type = try reader.readUInt16()
            let count = Int(try reader.readUInt16())
            let value = try reader.readBytes(count)
            _ = try reader.readBytes(STUN.paddingCount(count))
            attributes.append((type, value))
        }
        self.attributes = attributes
    }
}
