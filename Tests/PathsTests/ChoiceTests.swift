import Paths
import Testing

/// The choice as a table.
@Suite struct ChoiceTests {
    typealias Candidate = PathChoice.Candidate

    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var candidates: [Candidate]
        var current: UInt32?
        var expected: UInt32?
    }

    static func path(
        _ id: UInt32, _ kind: PathKind, _ milliseconds: Int64?, _ standing: PathStanding = .working,
        isLocal: Bool = false
    ) -> Candidate {
        Candidate(
            id: PathID(rawValue: id), kind: kind, isLocal: isLocal, standing: standing,
            roundTrip: milliseconds.map(TimeSpan.milliseconds))
    }

    static let relay = path(0, .relay, 20)
    static let relayAway = path(0, .relay, 20, .lost)

    static let cases = [
        Case(testDescription: "nothing", candidates: [], current: nil, expected: nil),
        Case(testDescription: "relay alone", candidates: [relay], current: nil, expected: 0),
        Case(
            testDescription: "unproven direct waits", candidates: [relay, path(1, .direct, nil, .unproven)], current: 0,
            expected: 0),
        Case(
            testDescription: "direct before a faster relay", candidates: [relay, path(1, .direct, 90)], current: 0,
            expected: 1),
        Case(
            testDescription: "direct before a faster TURN",
            candidates: [relay, path(1, .turn, 5), path(2, .direct, 90)],
            current: 1, expected: 2),
        Case(
            testDescription: "TURN before relay", candidates: [relay, path(1, .turn, 30)], current: 0, expected: 1),
        Case(
            testDescription: "local before faster direct",
            candidates: [path(1, .direct, 1), path(2, .direct, 3, isLocal: true)], current: 1, expected: 2),
        Case(
            testDescription: "same class, a little faster: stays",
            candidates: [path(1, .direct, 20), path(2, .direct, 16)], current: 1, expected: 1),
        Case(
            testDescription: "same class, 4 ms faster is not enough",
            candidates: [path(1, .direct, 8), path(2, .direct, 4)], current: 1, expected: 1),
        Case(
            testDescription: "same class, 20 % is not enough",
            candidates: [path(1, .direct, 100), path(2, .direct, 80)], current: 1, expected: 1),
        Case(
            testDescription: "same class, clearly faster", candidates: [path(1, .direct, 100), path(2, .direct, 79)],
            current: 1, expected: 2),
        Case(
            testDescription: "no current: fastest", candidates: [path(1, .direct, 20), path(2, .direct, 19)],
            current: nil, expected: 2),
        Case(
            testDescription: "doubtful current stays before relay",
            candidates: [relay, path(1, .direct, 10, .suspected)], current: 1, expected: 1),
        Case(
            testDescription: "doubtful other is not taken", candidates: [relay, path(1, .direct, 10, .suspected)],
            current: 0, expected: 0),
        Case(
            testDescription: "lost direct falls to TURN",
            candidates: [relay, path(1, .direct, 10, .lost), path(2, .turn, 40)], current: 1, expected: 2),
        Case(
            testDescription: "lost direct falls to relay", candidates: [relay, path(1, .direct, 10, .lost)], current: 1,
            expected: 0),
        Case(
            testDescription: "relay away: the lost direct path stays",
            candidates: [relayAway, path(1, .direct, 10, .lost)], current: 1, expected: 1),
        Case(
            testDescription: "relay away: doubtful before lost",
            candidates: [relayAway, path(1, .direct, 10, .lost), path(2, .direct, 10, .suspected)], current: 1,
            expected: 2),
        Case(
            testDescription: "relay away: untried direct",
            candidates: [relayAway, path(1, .direct, nil, .unproven)], current: 0, expected: 1),
        Case(
            testDescription: "nothing left: the last one", candidates: [relayAway, path(1, .direct, 10, .lost)],
            current: 0, expected: 0),
        Case(
            testDescription: "no relay at all: the first path", candidates: [path(1, .direct, nil, .unproven)],
            current: nil, expected: 1),
        Case(
            testDescription: "current was removed", candidates: [relay, path(2, .direct, 10)], current: 1, expected: 2),
    ]

    @Test(arguments: cases)
    func chooses(_ test: Case) {
        let current = test.current.map(PathID.init(rawValue:))
        let expected = test.expected.map(PathID.init(rawValue:))
        #expect(PathChoice.best(test.candidates, current: current) == expected)
        #expect(PathChoice.best(test.candidates.reversed(), current: current) == expected)
    }

    @Test func theReserveIsTheRelayAndOnlyInDoubt() {
        let doubtful = Self.path(1, .direct, 10, .suspected)
        let other = Self.path(2, .direct, 10)
        #expect(PathChoice.reserve(for: PathID(rawValue: 1), among: [doubtful, other, Self.relay]) == .relay)
        #expect(PathChoice.reserve(for: PathID(rawValue: 1), among: [doubtful, other, Self.relayAway])?.rawValue == 2)
        #expect(PathChoice.reserve(for: PathID(rawValue: 1), among: [doubtful, Self.relayAway]) == nil)
        #expect(PathChoice.reserve(for: PathID(rawValue: 2), among: [doubtful, other, Self.relay]) == nil)
        #expect(PathChoice.reserve(for: nil, among: [Self.relay]) == nil)
    }
}
