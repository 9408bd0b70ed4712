import TestTools
import Testing
import Wire

@testable import PortMapping

/// What the mapper makes of a gateway's answers.
struct MapperTests {
    private static let local = IPAddress.v4(192, 168, 1, 20)

    /// Gives every port, and has lost what it had before when it gives certain ones.
    // Safety: used by the mapper's queue only, which is serial.
    private final class Forgetful: Gateway, @unchecked Sendable {
        let local = MapperTests.local
        let mapped = EventLog<UInt16>()
        private let losses: ClosedRange<Int>

        init(losses: ClosedRange<Int>) { self.losses = losses }

        func map(port: UInt16, suggested: UInt16) -> Grant? {
            mapped.append(port)
            return Grant(external: Endpoint(address: .v4(203, 0, 113, 5), port: port), lifetime: 600)
        }

        func delete(port: UInt16, external: UInt16, isAtEnd: Bool) {}
        func end() {}
        func learnAddress() -> IPAddress? { .v4(203, 0, 113, 5) }
        func takeLoss() -> Bool { losses.contains(mapped.count) }
    }

    private final class Owner {}

    /// RFC 6887 §8.5. A gateway that says so again and again is not believed again and again.
    @Test func whatAGatewayLostIsAskedForAnewOnce() async throws {
        let gateway = Forgetful(losses: 3...1_000)
        let core = MapperCore { _ in (GatewayReport(language: .pcp, external: nil), gateway) }
        let owners = (0..<3).map { _ in Owner() }
        let found = EventLog<Endpoint>()
        for (index, owner) in owners.enumerated() {
            let port = 40_000 + UInt16(index)
            core.add(ObjectIdentifier(owner), Endpoint(address: Self.local, port: port)) { found.append($0) }
        }
        let mapped = try await gateway.mapped.until("the lost mappings") { $0.count >= 5 ? $0 : nil }
        #expect(mapped.prefix(3) == [40_000, 40_001, 40_002])
        #expect(Set(mapped.dropFirst(3)) == [40_000, 40_001])
        // Nothing that was told has changed.
        let surveys = EventLog<GatewayReport>()
        for _ in 0..<8 { core.survey { surveys.append($0) } }
        let reports = try await surveys.until("surveys") { $0.count == 8 ? $0 : nil }
        #expect(gateway.mapped.count == 5 && found.count == 3)
        #expect(Set(reports) == [GatewayReport(language: .pcp, external: .v4(203, 0, 113, 5))])
        withExtendedLifetime(owners) {}
    }
}
