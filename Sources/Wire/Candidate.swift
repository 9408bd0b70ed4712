// Layout: length u8 of what follows | type u8 (1 host, 2 server-reflexive, 3 peer-reflexive, 4 relayed)
//         | endpoint (7 or 19 bytes) | priority u32 | foundation (u8 length, text)
//         | related: u8 0, or u8 1 and an endpoint
// The length lets a reader pass over types that it does not know. At most 78 bytes with its length.

/// An ICE candidate (RFC 8445 §5.1), component 1, UDP. A value of this type has passed every check that can be made
/// without asking the network.
package struct Candidate: Hashable, Sendable {
    /// How the candidate was found (RFC 8445 §5.1.1). Raw values are those of the wire.
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case host = 1
        case serverReflexive = 2
        case peerReflexive = 3
        case relayed = 4
    }

    /// How the candidate was found.
    package let type: Kind
    /// Where checks go: a unicast address and a port other than 0.
    package let endpoint: Endpoint
    /// At least 1, at most 2³¹ − 1 (RFC 8445 §5.1.2).
    package let priority: UInt32
    /// 1 to 32 ice-chars.
    package let foundation: String
    /// The base or mapped endpoint, for diagnosis only; may be unspecified.
    package let related: Endpoint?

    /// Throws `invalidValue` for port 0, for priority 0 or above 2³¹ − 1 and for an address that is not unicast,
    /// `lengthOutOfRange` for a foundation outside 1…32, and `invalidText` for one with other than ice-chars.
    package init(
        type: Kind, endpoint: Endpoint, priority: UInt32, foundation: String, related: Endpoint? = nil
    ) throws(WireError) {
        guard endpoint.port != 0, endpoint.address.isUnicast else { throw .invalidValue }
        guard (1...0x7FFF_FFFF).contains(priority) else { throw .invalidValue }
        guard (1...32).contains(foundation.utf8.count) else { throw .lengthOutOfRange }
        guard foundation.utf8.allSatisfy(isICEChar) else { throw .invalidText }
        self.type = type
        self.endpoint = endpoint
        self.priority = priority
        self.foundation = foundation
        self.related = related
    }
}

extension ByteReader {
    /// A candidate, or nil for one of a type that this version does not know. Throws as `Candidate.init` does.
    package mutating func readCandidate() throws(WireError) -> Candidate? {
        let length = try readUInt8()
        var body = ByteReader(try readBytes(Int(length)))
        guard let type = Candidate.Kind(rawValue: try body.readUInt8()) else { return nil }
        let endpoint = try body.readEndpoint()
        let priority = try body.readUInt32()
        let foundation = try body.readShortText()
        var related: Endpoint?
        switch try body.readUInt8() {
        case 0: break
        case 1: related = try body.readEndpoint()
        default: throw .invalidValue
        }
        try body.finish()
        return try Candidate(
            type: type, endpoint: endpoint, priority: priority, foundation: foundation, related: related)
    }
}

extension ByteWriter {
    /// A candidate.
    package mutating func write(_ candidate: Candidate) {
        var body = ByteWriter(capacity: 77)
        body.write(candidate.type.rawValue)
        body.write(candidate.endpoint)
        body.write(candidate.priority)
        body.write(UInt8(truncatingIfNeeded: candidate.foundation.utf8.count))
        body.write(candidate.foundation.utf8)
        if let related = candidate.related {
            body.write(UInt8(1))
            body.write(related)
        } else {
            body.write(UInt8(0))
        }
        write(UInt8(truncatingIfNeeded: body.bytes.count))
        write(body.bytes)
    }
}
