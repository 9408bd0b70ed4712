import Foundation
import NATLab
import Testing

/// One NAT maps by destination and the other filters by port: ICE has no answer, and a search for the port finds one.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct HardNATTests {
    struct Cell: Sendable, CustomTestStringConvertible {
        let alice: NATProfile
        let bob: NATProfile

        var testDescription: String { "\(alice) dials \(bob)" }
    }

    static let cells = [
        Cell(alice: .symmetric, bob: .portRestricted), Cell(alice: .portRestricted, bob: .symmetric),
        Cell(alice: .symmetric, bob: .doubleNAT), Cell(alice: .doubleNAT, bob: .symmetric),
    ]

    /// A search fails by chance once in 3,400, and the next begins ten seconds after it: both fail once in ten million.
    private static let limit = Duration.seconds(90)

    @Test(arguments: cells)
    func becomesDirectWhileTheRelayCarriesTheTalk(cell: Cell) async throws {
        try await Meeting.with(alice: .behind(cell.alice), bob: .behind(cell.bob)) { meeting in
            let captures = [try meeting.alice.host.capture(), try meeting.bob.host.capture()]
            try await meeting.begin()
            try await meeting.talking {
                try await meeting.waitForPath("direct", within: Self.limit)
                try await meeting.waitForMessages(100)
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
            let direct = try #require(meeting.alice.journal.value.paths.last { $0.kind == "direct" })
            MatrixReport.shared.note("\(cell)", "direct after \(Int(direct.sinceStart)) ms")
            for capture in captures {
                let search = capture.packets.filter { $0.isUDP && $0.isOutgoing && $0.beginning.first == 0x10 }
                // One size, so that nothing can be amplified: 32 bytes, and the headers of UDP and IPv4.
                #expect(search.allSatisfy { $0.length == 60 })
                #expect(Set(search.map(\.destination.address)).count <= 1)
            }
        }
    }

    /// What one side can have the other do: nothing without its consent, and nobody need consent.
    @Test func nothingIsSentWhenEitherSideWantsNoSearch() async throws {
        for options in [(["--no-port-search"], []), ([], ["--no-port-search"])] as [([String], [String])] {
            try await Meeting.with(alice: .behind(.symmetric), bob: .behind(.portRestricted)) { meeting in
                let captures = [try meeting.alice.host.capture(), try meeting.bob.host.capture()]
                try await meeting.begin(alice: options.0, bob: options.1)
                let began = ContinuousClock.now
                try await meeting.talking {
                    for person in [meeting.alice, meeting.bob] {
                        try await person.first("six seconds of messages") { journal in
                            journal.messages.last.flatMap { $0.time - began > .seconds(6) ? () : nil }
                        }
                    }
                }
                for capture in captures {
                    #expect(!capture.packets.contains { $0.isUDP && $0.beginning.first == 0x10 })
                }
                for person in [meeting.alice, meeting.bob] {
                    #expect(person.journal.value.paths.allSatisfy { $0.kind == "relay" })
                }
            }
        }
    }

    /// How often it works, and how soon: `SOTTO_SEARCH_TRIES=50` tries in each cell, within 30 s each.
    @Test(.enabled(if: tries > 0, "SOTTO_SEARCH_TRIES is not set"), arguments: cells)
    func countsTries(cell: Cell) async throws {
        var (times, failures) = (Figures(), 0)
        for _ in 0..<Self.tries {
            try await Meeting.with(alice: .behind(cell.alice), bob: .behind(cell.bob)) { meeting in
                try await meeting.begin()
                do {
                    try await meeting.waitForPath("direct", within: .seconds(30))
                    let direct = meeting.alice.journal.value.paths.last { $0.kind == "direct" }
                    times.values.append(direct?.sinceStart ?? .nan)
                } catch {
                    failures += 1
                }
            }
        }
        MatrixReport.shared.note(
            "port search, \(cell)",
            "\(Self.tries - failures) of \(Self.tries) direct within 30 s; \(times.summary): \(times.list)")
        #expect(failures * 20 <= Self.tries)
    }

    private static let tries = ProcessInfo.processInfo.environment["SOTTO_SEARCH_TRIES"].flatMap { Int($0) } ?? 0
}
