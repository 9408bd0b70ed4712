import Paths
import Testing
import Wire

@testable import PortSearch

struct PortTests {
    @Test func drawsEveryPortOnceAndNoneBelow1024() {
        var generator = Seeded(state: 1)
        let all = SearchPorts.draw(70_000, using: &generator)
        #expect(all.count == SearchPorts.available && SearchPorts.available == 64_512)
        #expect(Set(all).count == all.count)
        #expect(all.min() == 1_024 && all.max() == 65_535)
        #expect(SearchPorts.draw(-1, using: &generator).isEmpty)
    }

    @Test func drawsEvenly() {
        var generator = Seeded(state: 2)
        var quarters = [0, 0, 0, 0]
        for _ in 0..<50 {
            for port in SearchPorts.draw(SearchLimits.probes, using: &generator) {
                quarters[(Int(port) - 1_024) * 4 / SearchPorts.available] += 1
            }
        }
        // 25,600 each, give or take five standard deviations (139).
        for count in quarters { #expect(abs(count - 25_600) < 700) }
    }

    @Test(arguments: [(1_024, 0.983), (2_048, 0.9997), (174, 0.499), (0, 0), (64_512, 1)])
    func theArithmeticHolds(probes: Int, expected: Double) {
        #expect(abs(SearchPorts.probability(probes: probes, mappings: 256) - expected) < 0.001)
    }
}

struct RoleTests {
    @Test(arguments: NATMapping.allCases, NATMapping.allCases)
    func bothSidesTakeOppositePartsOrNone(own: NATMapping, peer: NATMapping) {
        switch (SearchRole.decide(own: own, peer: peer), SearchRole.decide(own: peer, peer: own)) {
        case (nil, nil): #expect(own == peer)
        case (.opener, .prober), (.prober, .opener): #expect(own != peer)
        default: Issue.record("\(own) \(peer)")
        }
    }

    @Test func theSideThatMapsByDestinationOpens() {
        #expect(SearchRole.decide(own: .endpointDependent, peer: .endpointIndependent) == .opener)
        #expect(SearchRole.decide(own: .endpointDependent, peer: .endpointDependent) == nil)
    }
}

struct MappingQueryTests {
    private let servers = [3_478, 3_479].map { Endpoint(address: .v4(198, 51, 100, 1), port: $0) }

    private func query(_ servers: [Endpoint], localPort: UInt16 = 5_000) -> MappingQuery {
        var next: UInt8 = 0
        return MappingQuery(servers: servers, localPort: localPort, now: start) {
            next += 1
            return [UInt8](repeating: next, count: 12)
        }
    }

    private func answer(_ request: [UInt8], _ mapped: Endpoint) throws -> [UInt8] {
        // RFC 8489 §14.2: XOR-MAPPED-ADDRESS of IPv4.
        let port = mapped.port ^ 0x2112
        let address = zip(mapped.address.bytes, [0x21, 0x12, 0xA4, 0x42] as [UInt8]).map { $0 ^ $1 }
        return [0x01, 0x01, 0, 12] + request[4..<20] + [0, 0x20, 0, 8, 0, 1] + [UInt8(port >> 8), UInt8(port & 255)]
            + address
    }

    private func run(_ ports: [UInt16?], localPort: UInt16 = 5_000) throws -> (MappingQuery.Result?, MappingQuery) {
        var query = query(Array(servers.prefix(ports.count)), localPort: localPort)
        for port in ports {
            guard let (request, server) = query.nextRequest(now: start) else { continue }
            guard let port else { continue }
            query.receive(try answer(request, Endpoint(address: hardAddress, port: port)), from: server)
        }
        return (query.result, query)
    }

    @Test(
        arguments: [
            ([7_000, 7_000], NATMapping.endpointIndependent), ([7_000, 7_001], .endpointDependent),
            ([5_000, nil], .endpointIndependent), ([7_000, nil], .unknown), ([7_000], .unknown),
        ] as [([UInt16?], NATMapping)])
    func tellsTheMapping(ports: [UInt16?], expected: NATMapping) throws {
        let (result, _) = try run(ports)
        #expect(result?.mapping == expected)
        #expect(result?.endpoint == Endpoint(address: hardAddress, port: 7_000) || ports.first == 5_000)
    }

    @Test func differentAddressesAreOfNoUse() throws {
        var query = query(servers)
        for address in [hardAddress, .v4(203, 0, 113, 8)] {
            guard let (request, server) = query.nextRequest(now: start) else { continue }
            query.receive(try answer(request, Endpoint(address: address, port: 7_000)), from: server)
        }
        #expect(query.result == nil && query.isDone(now: start))
    }

    @Test func asksThreeTimesAndGivesUp() {
        var query = query(servers)
        var requests = 0
        for step in 0..<300 as Range<Int64> {
            while query.nextRequest(now: start + .milliseconds(step * 10)) != nil { requests += 1 }
        }
        #expect(requests == 6)
        #expect(!query.isDone(now: start + .milliseconds(1_499)) && query.isDone(now: start + .milliseconds(1_500)))
        #expect(query.result == nil)
    }

    @Test func asksFourServersOfIPv4AtMostEachOnce() {
        let many = (0..<10).map { Endpoint(address: .v4(198, 51, 100, 1), port: UInt16(3_478 + $0 / 2)) }
        var query = query([Endpoint(address: .v6(1, 0, 0, 0, 0, 0, 0, 1), port: 3_478)] + many)
        var asked: [Endpoint] = []
        while let (_, server) = query.nextRequest(now: start) { asked.append(server) }
        #expect(asked.count == 4 && Set(asked).count == 4)
        #expect(asked.allSatisfy { !$0.address.isV6 })
    }

    @Test func takesAnswersOfTheServerAskedOnly() throws {
        var query = query(servers)
        guard let (request, server) = query.nextRequest(now: start) else { return }
        let genuine = try answer(request, Endpoint(address: hardAddress, port: 7_000))
        query.receive(genuine, from: Endpoint(address: hardAddress, port: 3_478))
        query.receive(genuine, from: servers[1])
        for count in 0..<genuine.count { query.receive(Array(genuine.prefix(count)), from: server) }
        #expect(query.result == nil)
        query.receive(genuine, from: server)
        #expect(query.result?.endpoint.port == 7_000)
    }
}
