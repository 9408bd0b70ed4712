// Request:  version u8 = 2 | opcode u8 | reserved u16 | lifetime u32 | client's address 16
// Response: version u8 = 2 | 0x80 + opcode u8 | reserved u8 | result u8 | lifetime u32 | epoch u32 | reserved 12
// MAP, in both: nonce 12 | protocol u8 | reserved u24 | internal port u16 | external port u16 | external address 16
// ANNOUNCE has nothing more. Options may follow: none are sent, and those that arrive are passed over.
//
// An IPv4 address is written as the IPv6 address ::ffff:a.b.c.d.

/// PCP (RFC 6887) as far as a host needs it that wants UDP ports of an IPv4 NAT mapped to its own: MAP and ANNOUNCE.
package enum PCP {
    /// Where a server listens (§19.1); NAT-PMP's, too.
    package static let serverPort: UInt16 = 5_351
    /// The longest message in bytes (§7).
    package static let maximumMessage = 1_100
    /// The shortest lifetime in seconds that a server should give (§15).
    package static let minimumLifetime: UInt32 = 120

    static let version: UInt8 = 2
    static let responseBit: UInt8 = 0x80
    /// The IANA's number of UDP.
    static let udp: UInt8 = 17

    enum Opcode {
        static let announce: UInt8 = 0
        static let map: UInt8 = 1
    }
}

/// Tells one mapping of a host from all others, and its owner from who guesses (§11.1). Chosen anew for each mapping, and kept for its renewals.
package struct PCPNonce: Hashable, Sendable {
    /// Size in bytes.
    package static let byteCount = 12

    /// The 96 bits.
    package let bytes: [UInt8]

    /// From that many random bits.
    package init(using generator: inout some RandomNumberGenerator) {
        bytes = (0..<Self.byteCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// From 12 bytes; throws `lengthOutOfRange` for any other count.
    package init(bytes: some Collection<UInt8>) throws(WireError) {
        guard bytes.count == Self.byteCount else { throw .lengthOutOfRange }
        self.bytes = Array(bytes)
    }
}

/// A mapping of a UDP port, as a request or a response names it (§11.1).
package struct PCPMapping: Hashable, Sendable {
    package let nonce: PCPNonce
    /// Ours.
    package let internalPort: UInt16
    /// Suggested or assigned. An IPv6 address that holds an IPv4 one is that.
    package let external: Endpoint

    /// A suggestion without an opinion: any address, and with port 0 any port.
    package static let noSuggestion = Endpoint(address: .v4(0, 0, 0, 0), port: 0)

    package init(nonce: PCPNonce, internalPort: UInt16, external: Endpoint) {
        self.nonce = nonce
        self.internalPort = internalPort
        self.external = external
    }
}

/// What a server is asked.
package enum PCPRequest: Hashable, Sendable {
    /// Whether it is there (§14.1).
    case announce
    /// To make a mapping, to renew it, or with a lifetime of 0 seconds to delete it (§11, §15).
    case map(PCPMapping, lifetime: UInt32)

    /// The datagram: 24 or 60 bytes.
    ///
    /// - Parameter client: the address that it is sent from. A server refuses when it sees another (§8.1).
    package func encode(client: IPAddress) -> [UInt8] {
        var writer = ByteWriter(capacity: 60)
        writer.write(PCP.version)
        switch self {
        case .announce: writer.write(PCP.Opcode.announce)
        case .map: writer.write(PCP.Opcode.map)
        }
        writer.write(UInt16(0))
        if case .map(_, let lifetime) = self { writer.write(lifetime) } else { writer.write(UInt32(0)) }
        writer.writePCP(client)
        if case .map(let mapping, _) = self {
            writer.write(mapping.nonce.bytes)
            writer.write(PCP.udp)
            writer.write([0, 0, 0])
            writer.write(mapping.internalPort)
            writer.write(mapping.external.port)
            writer.writePCP(mapping.external.address)
        }
        return writer.bytes
    }
}

/// What a server says of a request (§7.4). All but one are refusals; named are those that say something about the server.
package struct PCPResult: RawRepresentable, Hashable, Sendable {
    package static let success = PCPResult(rawValue: 0)
    package static let unsupportedVersion = PCPResult(rawValue: 1)
    package static let unsupportedOpcode = PCPResult(rawValue: 4)

    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// A server's answer.
package struct PCPResponse: Hashable, Sendable {
    package let result: PCPResult
    /// Seconds: for which the mapping holds, or for which the same request would be refused again.
    package let lifetime: UInt32
    /// Seconds since the server lost what it had, or began (§8.5).
    package let epoch: UInt32
    /// What was asked for; nil in an answer to ANNOUNCE.
    package let mapping: PCPMapping?

    /// Reads one datagram, as §8.3 says.
    ///
    /// Throws `unsupported` with the version of a server that speaks another one only (§9; 0 is NAT-PMP), and something else for what is no answer to
    /// a request of ours: a request, another opcode or protocol, more than 1,100 bytes, a length that is not a multiple of four.
    package init(_ datagram: [UInt8]) throws(WireError) {
        guard datagram.count <= PCP.maximumMessage else { throw .lengthOutOfRange }
        var reader = ByteReader(datagram)
        let version = try reader.readUInt8()
        let opcode = try reader.readUInt8()
        guard opcode & PCP.responseBit != 0 else { throw .invalidValue }
        _ = try reader.readUInt8()
        let result = PCPResult(rawValue: try reader.readUInt8())
        guard version == PCP.version, result != .unsupportedVersion else { throw .unsupported(version) }
        guard datagram.count.isMultiple(of: 4) else { throw .lengthOutOfRange }
        self.result = result
        lifetime = try reader.readUInt32()
        epoch = try reader.readUInt32()
        _ = try reader.readBytes(12)
        switch opcode & ~PCP.responseBit {
        case PCP.Opcode.announce: mapping = nil
        case PCP.Opcode.map: mapping = try reader.readPCPMapping()
        default: throw .invalidValue
        }
    }
}

/// Tells from the times in a server's answers whether it still has what it had (§8.5).
package struct PCPEpoch: Sendable {
    private var previous: (server: Int64, client: Int64)?

    /// Nothing was heard yet.
    package init() {}

    /// Takes the time of an answer.
    ///
    /// - Parameters:
    ///   - server: ``PCPResponse/epoch``.
    ///   - client: seconds of a clock of ours that only goes forward.
    /// - Returns: false when the server has lost its mappings.
    package mutating func isContinued(server: UInt32, client: Int64) -> Bool {
        let now = (server: Int64(server), client: client)
        defer { previous = now }
        guard let previous else { return true }
        guard now.server >= previous.server - 1 else { return false }
        let (passedThere, passedHere) = (now.server - previous.server, now.client - previous.client)
        return passedHere + 2 >= passedThere - passedThere / 16 && passedThere + 2 >= passedHere - passedHere / 16
    }
}

extension ByteReader {
    fileprivate mutating func readPCPMapping() throws(WireError) -> PCPMapping {
        let nonce = try PCPNonce(bytes: readBytes(PCPNonce.byteCount))
        guard try readUInt8() == PCP.udp else { throw .invalidValue }
        _ = try readBytes(3)
        let (internalPort, externalPort) = (try readUInt16(), try readUInt16())
        let address = try IPAddress(bytes: readBytes(16))
        return PCPMapping(
            nonce: nonce, internalPort: internalPort,
            external: Endpoint(address: address.v4Mapped ?? address, port: externalPort))
    }
}

extension ByteWriter {
    fileprivate mutating func writePCP(_ address: IPAddress) {
        if !address.isV6 { write([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) }
        write(address.bytes)
    }
}
