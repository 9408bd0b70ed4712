import TestTools
import Testing
import Wire

@testable import PortMapping

/// PCP (RFC 6887) with a server on loopback.
@Suite(.timeLimit(.minutes(5)))
struct PCPGatewayTests {
    private typealias Messages = GatewayMessages

    /// Milliseconds: longer than any test waits for what comes, and shorter than it waits for what does not.
    private static let patient: Int64 = 240_000
    private static let impatient: Int64 = 100

    private static func gateway(
        deadline: Int64 = patient, _ answers: @escaping @Sendable ([UInt8]) -> [StandInGateway.Answer]
    ) throws -> (StandInGateway, PCPGateway) {
        let server = try StandInGateway(answers)
        return (server, try #require(PCPGateway(gateway: server.address, deadline: deadline)))
    }

    private static func endpoint(_ text: String) throws -> Endpoint { try Endpoint(text) }

    @Test func mapsRenewsAndDeletesWithOneNonce() async throws {
        let (server, gateway) = try Self.gateway { [.own(Messages.answer($0))] }
        defer { withExtendedLifetime(server) {} }
        for _ in 0..<2 {
            let grant = try #require(gateway.map(port: 40_000, suggested: 40_000))
            #expect(try grant.external == Self.endpoint("203.0.113.5:50000"))
            #expect(grant.lifetime == Lease.requested)
        }
        gateway.delete(port: 40_000, external: 50_000, isAtEnd: false)
        #expect(gateway.map(port: 40_000, suggested: 40_000) != nil)
        gateway.delete(port: 40_000, external: 50_000, isAtEnd: true)
        let requests = try await server.requests.until("five requests") { $0.count == 5 ? $0 : nil }
        #expect(requests.allSatisfy(Messages.isMapping))
        #expect(requests.map(Messages.lifetime) == [600, 600, 0, 600, 0])
        #expect(requests.allSatisfy { $0[8..<24] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1] })
        #expect(requests.allSatisfy { Messages.internalPort($0) == 40_000 && $0[36..<40] == [17, 0, 0, 0] })
        let (first, second) = (Messages.nonce(requests[0]), Messages.nonce(requests[3]))
        #expect(requests.map(Messages.nonce) == [first, first, first, second, second])
        #expect(first != second)
        // Any address at first, then the one that was assigned; nothing with a deletion.
        let (none, disguise): ([UInt8], [UInt8]) = ([0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
        #expect(Messages.suggestion(requests[0]) == [0x9C, 0x40] + disguise + none)
        #expect(Messages.suggestion(requests[1]) == [0xC3, 0x50] + disguise + [203, 0, 113, 5])
        #expect(Messages.suggestion(requests[2]) == [0, 0] + disguise + none)
    }

    @Test func eachMappingHasItsOwnNonce() throws {
        let (server, gateway) = try Self.gateway { [.own(Messages.answer($0))] }
        defer { withExtendedLifetime(server) {} }
        for port in UInt16(40_000)..<40_016 { #expect(gateway.map(port: port, suggested: port) != nil) }
        #expect(Set(server.requests.all.map(Messages.nonce)).count == 16)
    }

    @Test func aRequestOrAnAnswerThatIsLostIsRepeated() async throws {
        let (server, gateway) = try Self.gateway { [asked = Counter()] request in
            asked.next() < 2 ? [] : [.own(Messages.answer(request))]
        }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.map(port: 40_000, suggested: 40_000) != nil)
        let requests = try await server.requests.until("repetitions") { $0.count >= 3 ? $0 : nil }
        #expect(Set(requests).count == 1)
    }

    @Test func silenceIsNoMappingAndWhatWasMadeAllTheSameIsDeleted() async throws {
        let (server, gateway) = try Self.gateway(deadline: Self.impatient) { _ in [] }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.map(port: 40_000, suggested: 40_000) == nil)
        let requests = try await server.requests.until("a deletion") {
            $0.contains(where: Messages.isDeletion) ? $0 : nil
        }
        #expect(Set(requests.map(Messages.nonce)).count == 1)
    }

    /// UNSUPP_VERSION has its own test: it says nothing about a mapping.
    @Test(arguments: (UInt8(2)...13).map(\.self) + [14, 200, 255])
    func aRefusalIsTakenAtItsWordForItsTime(result: UInt8) throws {
        let (server, gateway) = try Self.gateway { [refuses = Counter()] request in
            let isFirst = refuses.next() == 0 || Messages.internalPort(request) != 40_000
            return [.own(Messages.answer(request, result: isFirst ? 0 : result, lifetime: isFirst ? 600 : .max))]
        }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.map(port: 40_000, suggested: 40_000) != nil)
        for _ in 0..<3 { #expect(gateway.map(port: 40_000, suggested: 40_000) == nil) }
        #expect(server.requests.all.count <= 2)
        // Another mapping is another question.
        #expect(gateway.map(port: 40_001, suggested: 40_001) != nil)
    }

    @Test(arguments: [UInt8(2), 8, 11, 12]) func aPortThatIsRefusedAtOnceIsNone(result: UInt8) throws {
        let (server, gateway) = try Self.gateway { [.own(Messages.answer($0, result: result, lifetime: 30))] }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.map(port: 40_000, suggested: 40_000) == nil)
    }

    @Test(arguments: [
        "192.168.0.5:50000", "10.1.2.3:50000", "100.64.0.1:50000", "127.0.0.1:50000", "169.254.1.1:50000",
        "0.0.0.0:50000", "239.1.1.1:50000", "255.255.255.255:50000", "[2001:db8::5]:50000", "[::]:50000",
        "203.0.113.5:0",
    ])
    func anEndpointThatNobodyCanSendToIsDeletedAndNoMoreIsAskedFor(external: String) async throws {
        let (server, gateway) = try Self.gateway { [.own(Messages.answer($0, external: external))] }
        defer { withExtendedLifetime(server) {} }
        for port in UInt16(40_000)..<40_004 { #expect(gateway.map(port: port, suggested: port) == nil) }
        let requests = try await server.requests.until("a deletion") { $0.count >= 2 ? $0 : nil }
        #expect(requests.map(Messages.lifetime) == [600, 0])
        #expect(Set(requests.map(Messages.nonce)).count == 1)
    }

    @Test func oneFalseAddressDoesNotCostTheOthers() throws {
        let (server, gateway) = try Self.gateway { request in
            let external = Messages.internalPort(request) == 40_001 ? "10.0.0.1:50000" : "203.0.113.5:50000"
            return [.own(Messages.answer(request, external: external))]
        }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.map(port: 40_000, suggested: 40_000) != nil)
        #expect(gateway.map(port: 40_001, suggested: 40_001) == nil)
        #expect(gateway.map(port: 40_000, suggested: 50_000) != nil)
        #expect(gateway.map(port: 40_002, suggested: 40_002) != nil)
    }

    @Test func hugeLifetimesAreCutToALease() throws {
        let (server, gateway) = try Self.gateway { [.own(Messages.answer($0, lifetime: .max))] }
        defer { withExtendedLifetime(server) {} }
        let grant = try #require(gateway.map(port: 40_000, suggested: 40_000))
        #expect(Lease(granted: grant.lifetime).seconds == 3_600)
    }

    /// What is not the answer to this very request.
    private static let wrong: [@Sendable ([UInt8]) -> [UInt8]] = [
        { _ in [] }, { _ in [2] }, { $0 }, { Array(Messages.answer($0).dropLast(4)) },
        { Messages.answer($0) + [0] }, { Messages.answer($0) + [UInt8](repeating: 0, count: 1_044) },
        { changed(Messages.answer($0), 0) }, { changed(Messages.answer($0), 1) },
        { changed(Messages.answer($0), 24) }, { changed(Messages.answer($0), 35) },
        { changed(Messages.answer($0), 36) }, { changed(Messages.answer($0), 40) },
        { changed(Messages.answer($0), 41) }, { changed(Messages.answer($0, result: 2), 30) },
        { Messages.answer($0, lifetime: 0) }, { Messages.answer(Array($0.prefix(24))) },
        { Messages.otherVersion(0, $0) }, { Messages.otherVersion(1, $0) }, { Messages.otherVersion(2, $0) },
        { Messages.answer([2, 0] + $0.dropFirst(2).prefix(22)) },
    ]

    private static func changed(_ bytes: [UInt8], _ index: Int) -> [UInt8] {
        var bytes = bytes
        bytes[index] ^= 1
        return bytes
    }

    @Test(arguments: wrong.indices) func whatIsNotTheAnswerIsPassedOver(index: Int) throws {
        let (server, gateway) = try Self.gateway { request in
            [.own(Self.wrong[index](request)), .own(Messages.answer(request, external: "203.0.113.7:50007"))]
        }
        defer { withExtendedLifetime(server) {} }
        #expect(try gateway.map(port: 40_000, suggested: 40_000)?.external == Self.endpoint("203.0.113.7:50007"))
    }

    @Test func aFloodOfWrongAnswersEndsWithTheDeadline() throws {
        let (server, gateway) = try Self.gateway(deadline: Self.impatient) { request in
            [StandInGateway.Answer](repeating: .own(Self.changed(Messages.answer(request), 24)), count: 500)
        }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.map(port: 40_000, suggested: 40_000) == nil)
    }

    @Test func onlyTheGatewaysOwnPortIsHeard() throws {
        let (server, gateway) = try Self.gateway { request in
            [.elsewhere(Messages.answer(request, external: "203.0.113.66:6666")), .own(Messages.answer(request))]
        }
        defer { withExtendedLifetime(server) {} }
        #expect(try gateway.map(port: 40_000, suggested: 40_000)?.external == Self.endpoint("203.0.113.5:50000"))
    }

    @Test func aGatewayWhereNobodyListensIsNotWaitedFor() throws {
        let gateway = try #require(PCPGateway(gateway: StandInGateway.nobody(), deadline: Self.patient))
        #expect(gateway.map(port: 40_000, suggested: 40_000) == nil)
        #expect(gateway.learnAddress() == nil)
    }

    @Test func anAnswerToTheMappingIsNotTakenForThatToItsDeletion() async throws {
        let (server, gateway) = try Self.gateway { [deletions = Counter()] request in
            let isLate = Messages.isDeletion(request) && deletions.next() == 0
            return [.own(Messages.answer(request, lifetime: isLate ? 600 : nil))]
        }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.map(port: 40_000, suggested: 40_000) != nil)
        gateway.delete(port: 40_000, external: 50_000, isAtEnd: false)
        let requests = try await server.requests.until("two deletions") { $0.count >= 3 ? $0 : nil }
        #expect(requests.map(Messages.lifetime).prefix(3) == [600, 0, 0])
    }

    @Test func anAnswerThatIsRepeatedIsNotTakenForThatToTheNextRequest() async throws {
        let (server, gateway) = try Self.gateway { [asked = Counter()] request in
            let answer = Messages.answer(request, external: "203.0.113.5:\(50_000 + asked.next())")
            return [.own(answer), .own(answer), .own(answer)]
        }
        for number in 0..<4 {
            #expect(gateway.map(port: 40_000, suggested: 40_000)?.external.port == 50_000 + UInt16(number))
            // What it sent is there when it says so.
            try await server.requests.until("all answers") { $0.count == number + 1 ? true : nil }
        }
    }

    /// §8.5: a server that was restarted counts from the beginning.
    @Test func aServerThatLostWhatItHadIsSeenOnce() throws {
        let epochs: [UInt32] = [1_000, 1_000, 0, 0]
        let (server, gateway) = try Self.gateway { [counter = Counter()] request in
            let number = counter.next()
            // Minutes pass between this and the next in a machine that hangs: the server's clock goes with ours.
            return [.own(Messages.answer(request, epoch: epochs[min(number, 3)] &+ Self.seconds()))]
        }
        defer { withExtendedLifetime(server) {} }
        var losses: [Bool] = []
        for _ in epochs {
            #expect(gateway.map(port: 40_000, suggested: 40_000) != nil)
            losses.append(gateway.takeLoss())
        }
        #expect(losses == [false, false, true, false])
        #expect(!gateway.takeLoss())
    }

    private static let start = Uptime.milliseconds
    private static func seconds() -> UInt32 { UInt32(truncatingIfNeeded: (Uptime.milliseconds - start) / 1_000) }

    /// §11.6: with a mapping to the socket that asks.
    @Test(arguments: ["203.0.113.5", "10.0.0.1"]) func itsAddressIsLearntByAMappingOfAMoment(text: String) async throws
    {
        let (server, gateway) = try Self.gateway { [.own(Messages.answer($0, external: "\(text):50000"))] }
        defer { withExtendedLifetime(server) {} }
        #expect(try gateway.learnAddress() == IPAddress(text))
        let requests = try await server.requests.until("a deletion") { $0.count == 2 ? $0 : nil }
        #expect(requests.map(Messages.lifetime) == [120, 0])
        #expect(Set(requests.map(Messages.nonce)).count == 1)
        #expect(Set(requests.map(Messages.internalPort)).count == 1)
    }

    @Test func anAddressThatIsRefusedIsNotLearnt() throws {
        let (server, gateway) = try Self.gateway { [.own(Messages.answer($0, result: 2))] }
        defer { withExtendedLifetime(server) {} }
        #expect(gateway.learnAddress() == nil)
    }
}

/// Counts calls on the queue of a stand-in.
// Safety: used by that queue only, which is serial.
private final class Counter: @unchecked Sendable {
    private var calls = 0

    /// How often it was called before.
    func next() -> Int {
        defer { calls += 1 }
        return calls
    }
}
