import PortMapping
import Testing
import Wire

@testable import GatewayHelper

/// What is done about a gateway's errors.
struct MappingTableTests {
    private final class Router: PortMappingService {
        var external: IPAddress? = .v4(203, 0, 113, 5)
        /// Decides about a request: zero, or an error code.
        var decide: (_ port: UInt16, _ external: UInt16, _ seconds: UInt32) -> Int32 = { _, _, _ in 0 }
        var mappings: [UInt16: UInt16] = [:]
        var requests = 0

        func externalAddress() -> IPAddress? { external }

        func add(port: UInt16, external: UInt16, seconds: UInt32) -> Int32 {
            requests += 1
            let result = decide(port, external, seconds)
            if result == 0 { mappings[external] = port }
            return result
        }

        func delete(external: UInt16) -> Int32 { mappings.removeValue(forKey: external) == nil ? 714 : 0 }
    }

    private let router = Router()

    private func mapped(_ port: UInt16, _ seconds: UInt32) -> HelperAnswer {
        .mapped(Endpoint(address: .v4(203, 0, 113, 5), port: port), seconds: seconds)
    }

    @Test func mapsRenewsAndDeletes() {
        var table = MappingTable(router)
        for _ in 0..<2 { #expect(table.map(port: 1_000, external: 2_000, seconds: 600) == mapped(2_000, 600)) }
        #expect(router.mappings == [2_000: 1_000])
        #expect(table.delete(external: 2_000) == .deleted)
        #expect(table.delete(external: 2_000) == .failed(code: 714))
        #expect(router.mappings.isEmpty)
    }

    @Test func aPermanentLeaseIsTakenWhereThereIsNoOther() {
        router.decide = { _, _, seconds in seconds == 0 ? 0 : 725 }
        var table = MappingTable(router)
        #expect(table.map(port: 1_000, external: 2_000, seconds: 600) == mapped(2_000, 0))
        // And known from then on.
        #expect(table.map(port: 1_000, external: 2_000, seconds: 600) == mapped(2_000, 0))
        #expect(router.requests == 3)
        table.deleteAll()
        #expect(router.mappings.isEmpty)
    }

    @Test func anotherPortIsTakenWhereTheFirstIsSomebodyElses() {
        router.decide = { _, external, _ in external == 2_000 ? 718 : 0 }
        var table = MappingTable(router)
        guard case .mapped(let endpoint, 600) = table.map(port: 1_000, external: 2_000, seconds: 600) else {
            Issue.record("not mapped")
            return
        }
        #expect(MappingTable.otherPorts.contains(endpoint.port))
        #expect(router.mappings == [endpoint.port: 1_000])
    }

    @Test func theSamePortIsTakenWhereThatIsTheRule() {
        router.decide = { port, external, _ in external == port ? 0 : 724 }
        var table = MappingTable(router)
        #expect(table.map(port: 1_000, external: 2_000, seconds: 600) == mapped(1_000, 600))
    }

    /// Also a gateway that contradicts itself.
    @Test(arguments: [718, 725] as [Int32])
    func triesAreBounded(code: Int32) {
        router.decide = { _, _, _ in code }
        var table = MappingTable(router)
        guard case .failed = table.map(port: 1_000, external: 2_000, seconds: 600) else {
            Issue.record("not refused")
            return
        }
        #expect(router.requests <= MappingTable.maximumTries)
        #expect(table.held.isEmpty)
    }

    @Test(arguments: [(606, 606), (-3, 0), (70_000, 0), (Int32.min, 0)] as [(Int32, UInt16)])
    func otherErrorsAreTold(result: Int32, code: UInt16) {
        router.decide = { _, _, _ in result }
        var table = MappingTable(router)
        #expect(table.map(port: 1_000, external: 2_000, seconds: 600) == .failed(code: code))
        #expect(router.requests == 1)
    }

    @Test func aPortThatMovesLeavesNothingBehind() {
        var table = MappingTable(router)
        _ = table.map(port: 1_000, external: 2_000, seconds: 600)
        router.decide = { _, external, _ in external == 2_000 ? 718 : 0 }
        _ = table.map(port: 1_000, external: 2_000, seconds: 600)
        #expect(router.mappings.count == 1 && router.mappings[2_000] == nil)
    }

    @Test func mappingsAreBounded() {
        var table = MappingTable(router)
        for port in 1...UInt16(2 * MappingTable.maximumMappings) {
            _ = table.map(port: port, external: 2_000 + port, seconds: 600)
        }
        #expect(router.mappings.count == MappingTable.maximumMappings)
    }

    @Test func whatIsMappedIsDeletedAlsoWhereNoAddressIsKnown() {
        router.external = nil
        var table = MappingTable(router)
        #expect(table.map(port: 1_000, external: 2_000, seconds: 600) == .failed(code: 0))
        table.deleteAll()
        #expect(router.mappings.isEmpty)
    }
}
