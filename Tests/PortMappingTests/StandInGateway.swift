import Dispatch
import Glibc
import TestTools
import Wire

/// A gateway on loopback, at an address of its own and the port of PCP and NAT-PMP, that answers as it is told.
// Safety: the descriptors do not change, and the source is cancelled once, at the end.
final class StandInGateway: @unchecked Sendable {
    /// What it sends for a request.
    enum Answer {
        case own([UInt8])
        /// From another port of the gateway, and from another address.
        case elsewhere([UInt8])
    }

    struct Unavailable: Error {}

    let address: IPAddress
    /// What it was asked.
    let requests = EventLog<[UInt8]>()
    private let source: any DispatchSourceRead

    init(_ answers: @escaping @Sendable ([UInt8]) -> [Answer]) throws {
        guard let (descriptor, address) = (0..<100).lazy.compactMap({ _ in Self.bound(port: PCP.serverPort) }).first,
            let otherPort = Self.socket(at: address, port: 0), let otherHost = Self.bound(port: PCP.serverPort)
        else { throw Unavailable() }
        self.address = address
        source = DispatchSource.makeReadSource(
            fileDescriptor: descriptor, queue: DispatchQueue(label: "stand-in gateway"))
        source.setEventHandler { [requests] in
            while let (request, client) = Self.receive(descriptor) {
                for answer in answers(request) {
                    switch answer {
                    case .own(let bytes): Self.send(bytes, descriptor, client)
                    case .elsewhere(let bytes):
                        Self.send(bytes, otherPort, client)
                        Self.send(bytes, otherHost.descriptor, client)
                    }
                }
                requests.append(request)
            }
        }
        source.setCancelHandler { for other in [descriptor, otherPort, otherHost.descriptor] { close(other) } }
        source.resume()
    }

    deinit { source.cancel() }

    /// An address of loopback at which nobody listens.
    static func nobody() throws -> IPAddress {
        guard let (descriptor, address) = (0..<100).lazy.compactMap({ _ in bound(port: PCP.serverPort) }).first else {
            throw Unavailable()
        }
        close(descriptor)
        return address
    }

    private static func bound(port: UInt16) -> (descriptor: Int32, address: IPAddress)? {
        let address = IPAddress.v4(127, .random(in: 1...254), .random(in: 1...254), .random(in: 1...254))
        return socket(at: address, port: port).map { ($0, address) }
    }

    private static func socket(at address: IPAddress, port: UInt16) -> Int32? {
        let descriptor = Glibc.socket(
            AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: address.bytes) }
        let isBound = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func receive(_ descriptor: Int32) -> ([UInt8], sockaddr_in)? {
        var buffer = [UInt8](repeating: 0, count: 2_048)
        var client = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &client) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
            }
        }
        return count >= 0 ? (Array(buffer.prefix(count)), client) : nil
    }

    private static func send(_ bytes: [UInt8], _ descriptor: Int32, _ client: sockaddr_in) {
        _ = withUnsafePointer(to: client) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// The messages of PCP and NAT-PMP as a gateway sees them.
enum GatewayMessages {
    static func bytes(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    static func isPCP(_ request: [UInt8]) -> Bool { request.first == 2 }
    static func isMapping(_ request: [UInt8]) -> Bool { request.count == 60 && request.prefix(2) == [2, 1] }
    static func isDeletion(_ request: [UInt8]) -> Bool { isMapping(request) && lifetime(request) == 0 }
    static func lifetime(_ request: [UInt8]) -> UInt32 { request[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
    static func nonce(_ request: [UInt8]) -> [UInt8] { Array(request[24..<36]) }
    static func internalPort(_ request: [UInt8]) -> UInt16 { UInt16(request[40]) << 8 | UInt16(request[41]) }
    /// Port and address.
    static func suggestion(_ request: [UInt8]) -> [UInt8] { Array(request[42..<60]) }

    /// The answer to a request by PCP; for a mapping with what is assigned.
    static func answer(
        _ request: [UInt8], result: UInt8 = 0, lifetime: UInt32? = nil, epoch: UInt32 = 1_000,
        external: String = "203.0.113.5:50000"
    ) -> [UInt8] {
        let header =
            [2, request[1] | 0x80, 0, result] + bytes(lifetime ?? Self.lifetime(request)) + bytes(epoch)
            + [UInt8](repeating: 0, count: 12)
        guard isMapping(request), let endpoint = try? Endpoint(external) else { return header }
        let prefix: [UInt8] = endpoint.address.isV6 ? [] : [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        return header + request[24..<42] + [UInt8(endpoint.port >> 8), UInt8(endpoint.port & 0xFF)] + prefix
            + endpoint.address.bytes
    }

    /// What a server says that does not speak the request's version (RFC 6887 §9; for 0 RFC 6886 §3.5).
    static func otherVersion(_ version: UInt8, _ request: [UInt8]) -> [UInt8] {
        let opcode = (request.count > 1 ? request[1] : 0) | 0x80
        guard version != 0 else { return [0, opcode, 0, 1] + bytes(1_000) }
        return [version, opcode, 0, 1] + bytes(1_800) + bytes(1_000) + [UInt8](repeating: 0, count: 12)
    }

    /// NAT-PMP's answer to the question for the external address.
    static func address(_ address: IPAddress, result: UInt8 = 0) -> [UInt8] {
        [0, 128, 0, result] + bytes(1_000) + address.bytes
    }
}
