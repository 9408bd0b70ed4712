import PortMapping
import Wire

/// What maps ports, as far as ``MappingTable`` knows it.
protocol PortMappingService {
    func externalAddress() -> IPAddress?
    func add(port: UInt16, external: UInt16, seconds: UInt32) -> Int32
    func delete(external: UInt16) -> Int32
}

extension GatewayDevice: PortMappingService {}

/// The mappings that the gateway made for us, and what to do about its errors.
struct MappingTable {
    /// Error codes of AddPortMapping (WANIPConnection:1 §2.4.16, WANIPConnection:2 §2.5.16).
    enum Code {
        static let conflict: Int32 = 718
        static let samePortRequired: Int32 = 724
        static let onlyPermanentLeases: Int32 = 725
    }

    /// External ports that are tried for one mapping, and questions about its lease.
    static let maximumTries = 6
    /// Mappings at a time: twice what the program asks for.
    static let maximumMappings = 32
    /// Where another external port is taken from.
    static let otherPorts: ClosedRange<UInt16> = 20_000...60_000

    private let service: any PortMappingService
    /// The port of ours by external port.
    private(set) var held: [UInt16: UInt16] = [:]
    private var hasPermanentLeasesOnly = false

    init(_ service: any PortMappingService) { self.service = service }

    /// Maps a port, or renews that.
    mutating func map(port: UInt16, external wanted: UInt16, seconds: UInt32) -> HelperAnswer {
        var external = wanted
        for _ in 0..<Self.maximumTries {
            guard held[external] != nil || held.count < Self.maximumMappings else { return .failed(code: 0) }
            let lease = hasPermanentLeasesOnly ? 0 : seconds
            let result = service.add(port: port, external: external, seconds: lease)
            switch result {
            case 0:
                return granted(port: port, external: external, seconds: lease)
            case Code.onlyPermanentLeases where lease != 0:
                // It is deleted at the end, also at that of a program that was killed: by us.
                hasPermanentLeasesOnly = true
            case Code.conflict:
                external = UInt16.random(in: Self.otherPorts)
            case Code.samePortRequired where external != port:
                external = port
            default:
                return .failed(code: UInt16(exactly: result) ?? 0)
            }
        }
        return .failed(code: UInt16(Code.conflict))
    }

    mutating func delete(external: UInt16) -> HelperAnswer {
        held[external] = nil
        let result = service.delete(external: external)
        return result == 0 ? .deleted : .failed(code: UInt16(exactly: result) ?? 0)
    }

    mutating func deleteAll() {
        for external in held.keys.sorted() { _ = delete(external: external) }
    }

    private mutating func granted(port: UInt16, external: UInt16, seconds: UInt32) -> HelperAnswer {
        for (other, itsPort) in held where itsPort == port && other != external { _ = delete(external: other) }
        held[external] = port
        // Asked each time: who dials in anew has another address.
        guard let address = service.externalAddress() else { return .failed(code: 0) }
        return .mapped(Endpoint(address: address, port: external), seconds: seconds)
    }
}
