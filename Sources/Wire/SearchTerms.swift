// Layout: mapping u8 (1 endpoint-independent, 2 endpoint-dependent, 3 unknown) | endpoint (7 or 19 bytes) | secret 32.

/// How a NAT chooses the public port of what leaves one socket (RFC 4787 §4.1). Raw values are those of the wire.
package enum NATMapping: UInt8, Hashable, Sendable, CaseIterable {
    /// One for all destinations.
    case endpointIndependent = 1
    /// Another for each destination ("symmetric").
    case endpointDependent = 2
    /// Only one server answered, so that it cannot be told.
    case unknown = 3
}

/// What each side of a port search tells the other (docs/protocol/rendezvous.md, "Port search").
package struct SearchTerms: Hashable, Sendable {
    /// Size of the secret in bytes.
    package static let secretByteCount = 32

    /// How the sender's NAT maps.
    package let mapping: NATMapping
    /// The sender's socket as a STUN server saw it. Its port means something only if the mapping does not depend on the
    /// destination.
    package let endpoint: Endpoint
    /// 32 random bytes, half of what the search's packets are keyed with.
    package let secret: [UInt8]

    /// Throws `invalidValue` for port 0 and an address that is not unicast, `lengthOutOfRange` for a secret of another size.
    package init(mapping: NATMapping, endpoint: Endpoint, secret: [UInt8]) throws(WireError) {
        guard secret.count == SearchTerms.secretByteCount else { throw .lengthOutOfRange }
        guard endpoint.port != 0, endpoint.address.isUnicast else { throw .invalidValue }
        self.mapping = mapping
        self.endpoint = endpoint
        self.secret = secret
    }
}

extension ByteReader {
    mutating func readSearchTerms() throws(WireError) -> SearchTerms {
        guard let mapping = NATMapping(rawValue: try readUInt8()) else { throw .invalidValue }
        let endpoint = try readEndpoint()
        return try SearchTerms(
            mapping: mapping, endpoint: endpoint, secret: Array(try readBytes(SearchTerms.secretByteCount)))
    }
}

extension ByteWriter {
    mutating func write(_ terms: SearchTerms) {
        write(terms.mapping.rawValue)
        write(terms.endpoint)
        write(terms.secret)
    }
}
