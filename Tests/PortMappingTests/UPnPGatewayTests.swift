import Testing
import Wire

@testable import PortMapping

/// What the program makes of a helper's answers. The helpers are shell scripts.
struct UPnPGatewayTests {
    private static func gateway(_ script: String) -> UPnPGateway {
        UPnPGateway(
            HelperCommand(path: "/bin/sh", arguments: ["sh", "-c", script]), gateway: .v4(192, 168, 1, 1),
            local: .v4(192, 168, 1, 20),
            deadlines: .init(find: 120_000, map: 120_000, delete: 120_000, end: 120_000))
    }

    /// Answers to what a helper is asked in this order.
    private static func script(_ answers: String...) -> String {
        answers.map { "read -r line; echo '\($0)'" }.joined(separator: "; ") + "; read -r line"
    }

    @Test func takesWhatIsMapped() throws {
        let gateway = Self.gateway(Self.script("found 203.0.113.5", "mapped 203.0.113.5 50000 300"))
        #expect(gateway.find() == .v4(203, 0, 113, 5))
        let grant = try #require(gateway.map(port: 40_000, suggested: 40_000))
        #expect(grant.external == Endpoint(address: .v4(203, 0, 113, 5), port: 50_000))
        #expect(grant.lifetime == 300)
        gateway.end()
    }

    @Test func aMappingWithoutEndIsRenewedLikeOthers() throws {
        let gateway = Self.gateway(Self.script("found 203.0.113.5", "mapped 203.0.113.5 50000 0"))
        #expect(gateway.find() != nil)
        #expect(gateway.map(port: 40_000, suggested: 40_000)?.lifetime == Lease.requested)
    }

    @Test(arguments: [
        "mapped 192.168.0.5 50000 600", "mapped 100.64.0.1 50000 600", "mapped 127.0.0.1 50000 600",
        "mapped 0.0.0.0 50000 600", "mapped 239.1.1.1 50000 600", "failed 718", "found 203.0.113.5", "none", "deleted",
    ])
    func anAddressThatNobodyCanSendToIsNoMapping(answer: String) {
        let gateway = Self.gateway(Self.script("found 203.0.113.5", answer))
        #expect(gateway.find() != nil)
        #expect(gateway.map(port: 40_000, suggested: 40_000) == nil)
    }

    @Test(arguments: ["none", "failed 0", "mapped 203.0.113.5 50000 600", "nonsense"])
    func aGatewayThatIsNotFoundIsNone(answer: String) {
        #expect(Self.gateway(Self.script(answer)).find() == nil)
    }

    @Test(arguments: ["exit 1", script("found 203.0.113.5") + "; exit 1", script("found 203.0.113.5", "nonsense")])
    func aHelperThatFailsIsStartedAnewSomeTimesOnly(script: String) {
        let gateway = Self.gateway(script)
        for _ in 0..<3 * UPnPGateway.maximumStarts { #expect(gateway.map(port: 1, suggested: 1) == nil) }
        #expect(gateway.starts == UPnPGateway.maximumStarts)
    }

    @Test func nothingIsStartedAfterTheEnd() {
        let gateway = Self.gateway(Self.script("found 203.0.113.5", "deleted"))
        gateway.end()
        #expect(gateway.find() == nil)
        #expect(gateway.map(port: 1, suggested: 1) == nil)
    }
}
