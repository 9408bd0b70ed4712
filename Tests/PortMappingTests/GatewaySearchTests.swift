import TestTools
import Testing
import Wire

@testable import PortMapping

/// The question to a gateway that may speak PCP, NAT-PMP, both or neither.
@Suite(.timeLimit(.minutes(5)))
struct GatewaySearchTests {
    private typealias Messages = GatewayMessages
    private typealias Habit = @Sendable ([UInt8]) -> [StandInGateway.Answer]

    /// Milliseconds: an answer ends the wait, or its absence does.
    private static let patient: Int64 = 240_000
    private static let impatient: Int64 = 100

    private static let pcp: Habit = { [.own(Messages.answer($0))] }
    private static let natPMP: Habit = { _ in [.own(Messages.address(.v4(203, 0, 113, 5)))] }
    private static let silent: Habit = { _ in [] }
    private static func other(_ version: UInt8) -> Habit { { [.own(Messages.otherVersion(version, $0))] } }
    private static func refusal(_ result: UInt8) -> Habit { { [.own(Messages.answer($0, result: result))] } }

    private static func ask(
        toPCP: @escaping Habit, toNATPMP: @escaping Habit, deadline: Int64 = patient
    ) throws -> (server: StandInGateway, found: (GatewayReport, (any Gateway)?)?) {
        let server = try StandInGateway { Messages.isPCP($0) ? toPCP($0) : toNATPMP($0) }
        let natPMP = try #require(NATPMPGateway(gateway: server.address))
        #expect(natPMP.gateway == server.address && natPMP.local == .v4(127, 0, 0, 1))
        let pcp = try #require(PCPGateway(gateway: server.address))
        defer { withExtendedLifetime(server) {} }
        return (server, GatewaySearch.ask(pcp, natPMP, deadline: deadline))
    }

    private static let speakers: [(String, Habit, Habit, GatewayReport.Language)] = [
        ("both", pcp, natPMP, .pcp), ("PCP only, and says so", pcp, other(2), .pcp),
        ("PCP only, else silent", pcp, silent, .pcp), ("PCP without ANNOUNCE", refusal(4), other(2), .pcp),
        ("NAT-PMP only, and says so", other(0), natPMP, .natPMP),
        ("NAT-PMP only, else silent", silent, natPMP, .natPMP),
        ("PCP of version 1", other(1), natPMP, .natPMP), ("refuses by PCP", refusal(2), natPMP, .natPMP),
        ("rubbish by PCP", { _ in [.own([2, 0x80, 0])] }, natPMP, .natPMP),
        ("refuses by NAT-PMP", pcp, { _ in [.own(Messages.address(.v4(0, 0, 0, 0), result: 2))] }, .pcp),
    ]

    /// At once: nobody waits for the other protocol.
    @Test(arguments: speakers.indices) func theProtocolThatIsAnsweredIsSpoken(index: Int) throws {
        let (_, toPCP, toNATPMP, language) = Self.speakers[index]
        let (server, found) = try Self.ask(toPCP: toPCP, toNATPMP: toNATPMP)
        let (report, gateway) = try #require(found)
        #expect(report.language == language)
        #expect(report.external == (language == .natPMP ? .v4(203, 0, 113, 5) : nil))
        #expect(language == .pcp ? gateway is PCPGateway : gateway is NATPMPGateway)
        // The questions change nothing there.
        #expect(!server.requests.all.contains(where: Messages.isMapping))
    }

    @Test func nobodyIsWaitedForWhoSpeaksOtherVersionsOnly() throws {
        #expect(try Self.ask(toPCP: Self.other(3), toNATPMP: Self.other(3)).found == nil)
    }

    @Test func nobodyIsWaitedForWhoDoesNotListen() throws {
        let address = try StandInGateway.nobody()
        let natPMP = try #require(NATPMPGateway(gateway: address))
        #expect(GatewaySearch.ask(PCPGateway(gateway: address), natPMP, deadline: Self.patient) == nil)
    }

    @Test func silenceEndsWithTheDeadlineOfBoth() throws {
        #expect(try Self.ask(toPCP: Self.silent, toNATPMP: Self.silent, deadline: Self.impatient).found == nil)
    }

    @Test(arguments: [UInt8(2), 7, 12, 13]) func aRefusalIsTakenAtItsWord(result: UInt8) throws {
        let (report, gateway) = try #require(
            try Self.ask(toPCP: Self.refusal(result), toNATPMP: Self.other(2)).found)
        #expect(report == GatewayReport(language: .pcp, external: nil) && gateway == nil)
        let (other, none) = try #require(
            try Self.ask(
                toPCP: Self.other(0), toNATPMP: { _ in [.own(Messages.address(.v4(0, 0, 0, 0), result: 3))] }
            ).found)
        #expect(other == GatewayReport(language: .natPMP, external: nil) && none == nil)
    }

    @Test func aGatewayBehindAnotherNATIsNotAskedForPorts() throws {
        let (report, gateway) = try #require(
            try Self.ask(toPCP: Self.other(0), toNATPMP: { _ in [.own(Messages.address(.v4(10, 0, 0, 1)))] }).found)
        #expect(report.external == .v4(10, 0, 0, 1) && gateway == nil)
    }

    @Test func aQuestionThatIsLostIsRepeated() throws {
        let server = try StandInGateway { [first = Once()] request in
            guard Messages.isPCP(request), !first.take() else { return [] }
            return [.own(Messages.answer(request))]
        }
        defer { withExtendedLifetime(server) {} }
        let natPMP = try #require(NATPMPGateway(gateway: server.address))
        let found = GatewaySearch.ask(PCPGateway(gateway: server.address), natPMP, deadline: Self.patient)
        #expect(found?.0.language == .pcp)
    }
}

// Safety: used by the stand-in's queue only, which is serial.
private final class Once: @unchecked Sendable {
    private var isTaken = false

    /// Whether this is the first time.
    func take() -> Bool {
        defer { isTaken = true }
        return !isTaken
    }
}
