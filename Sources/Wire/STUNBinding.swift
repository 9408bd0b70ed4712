/// A Binding request as a server reads it.
package struct STUNBindingRequest: Hashable, Sendable {
    /// Whether the request has no magic cookie (RFC 3489).
    package let isClassic: Bool
    /// Comprehension-required attributes that are not understood; the answer is then error 420.
    package let unknownAttributes: [UInt16]

    private let cookieAndID: [UInt8]

    /// Reads one datagram. Throws for anything but a well-formed Binding request of at most 1280 bytes, and for a
    /// classic request with attributes it would have to refuse: there is nothing to answer then. RFC 3489's
    /// RESPONSE-ADDRESS and CHANGE-REQUEST are among these, so an answer only ever goes to where the request came from.
    package init(_ datagram: [UInt8]) throws(WireError) {
        guard datagram.count <= STUN.maximumMessage else { throw .lengthOutOfRange }
        let message = try STUNMessage(datagram)
        guard message.type == STUN.bindingRequest else { throw .invalidValue }
        var unknown: [UInt16] = []
        for attribute in message.attributes where attribute.type < 0x8000 {
            if !STUN.Attribute.understood.contains(attribute.type), !unknown.contains(attribute.type) {
                unknown.append(attribute.type)
            }
        }
        guard unknown.isEmpty || !message.isClassic else { throw .invalidValue }
        self.isClassic = message.isClassic
        self.unknownAttributes = unknown
        self.cookieAndID = message.cookieAndID
    }

    /// The answer for a request that came from `source`: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS to a classic request, or
    /// error 420 with UNKNOWN-ATTRIBUTES (RFC 8489 §6.3.1).
    package func response(mapped source: Endpoint) -> [UInt8] {
        guard unknownAttributes.isEmpty else { return unknownAttributesResponse() }
        let attribute: (UInt16, [UInt8]) =
            isClassic
            ? (STUN.Attribute.mappedAddress, STUN.addressValue(source, xoring: nil))
            : (STUN.Attribute.xorMappedAddress, STUN.addressValue(source, xoring: cookieAndID))
        return STUN.message(STUN.bindingSuccess, cookieAndID: cookieAndID, attributes: [attribute])
    }

    private func unknownAttributesResponse() -> [UInt8] {
        var list = ByteWriter(capacity: 16)
        for type in unknownAttributes { list.write(type) }
        return STUN.message(
            STUN.bindingError, cookieAndID: cookieAndID,
            attributes: [
                (STUN.Attribute.errorCode, [0, 0, 4, 20]),
                (STUN.Attribute.unknownAttributes, list.bytes),
            ])
    }
}

/// The answer to a Binding request as a client reads it.
package enum STUNBindingResponse: Hashable, Sendable {
    /// The address and port from which the server saw the request come.
    case mapped(Endpoint)
    /// The server refused with this code, 300…699.
    case refused(code: Int)

    /// Reads one datagram as the answer to the request with these 12 bytes of transaction id. Prefers
    /// XOR-MAPPED-ADDRESS to MAPPED-ADDRESS, which some NATs rewrite. Throws `invalidValue` when it answers something
    /// else or nothing.
    package init(_ datagram: [UInt8], transactionID: [UInt8]) throws(WireError) {
        let message = try STUNMessage(datagram)
        guard message.cookieAndID == STUN.cookieBytes + transactionID else { throw .invalidValue }
        func value(_ type: UInt16) -> ArraySlice<UInt8>? { message.attributes.first { $0.type == type }?.value }
        switch message.type {
        case STUN.bindingSuccess:
            if let value = value(STUN.Attribute.xorMappedAddress) {
                self = .mapped(try STUN.readAddress(value, xoring: message.cookieAndID))
            } else if let value = value(STUN.Attribute.mappedAddress) {
                self = .mapped(try STUN.readAddress(value, xoring: nil))
            } else {
                throw .invalidValue
            }
        case STUN.bindingError:
            guard let value = value(STUN.Attribute.errorCode) else { throw .invalidValue }
            var reader = ByteReader(value)
            _ = try reader.readUInt16()
            let hundreds = Int(try reader.readUInt8() & 0x07)
            let rest = Int(try reader.readUInt8())
            guard (3...6).contains(hundreds), rest < 100 else { throw .invalidValue }
            self = .refused(code: hundreds * 100 + rest)
        default:
            throw .invalidValue
        }
    }
}
