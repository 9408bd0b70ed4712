// Layout: family u8 (4 or 6), address of 4 or 16 bytes, port u16. 7 or 19 bytes.

/// An address and a UDP or TCP port.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// The host.
    package let address: IPAddress
    /// The port; 0 where the field means none.
    package let port: UInt16

    /// Joins address and port.
    package init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// From `1.2.3.4:5` or `[2001:db8::1]:5`. Throws `invalidText`.
    package init(_ text: String) throws(WireError) {
        let (host, port) = try HostPort.split(text)
        guard let port, host.isBracketed == host.text.utf8.contains(UInt8(ascii: ":")) else { throw .invalidText }
        self.init(address: try IPAddress(host.text), port: port)
    }

    /// `1.2.3.4:5` or `[2001:db8::1]:5`.
    package var description: String {
        address.isV6 ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}

extension ByteReader {
    /// An endpoint: family, address, port. Throws `invalidValue` for a family that is neither 4 nor 6.
    package mutating func readEndpoint() throws(WireError) -> Endpoint {
        let family = try readUInt8()
        guard family == 4 || family == 6 else { throw .invalidValue }
        let address = try IPAddress(bytes: readBytes(family == 4 ? 4 : 16))
        return Endpoint(address: address, port: try readUInt16())
    }
}

extension ByteWriter {
    /// An endpoint: family, address, port.
    package mutating func write(_ endpoint: Endpoint) {
        write(UInt8(endpoint.address.isV6 ? 6 : 4))
        write(endpoint.address.bytes)
        write(endpoint.port)
    }
}
