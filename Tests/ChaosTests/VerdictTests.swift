import ChaosLab
import Testing

/// The judge is judged: each kind of trouble is called by its name, and a good run is called good.
@Suite struct VerdictTests {
    private static let texts = MessageText(seed: 3)

    private static func row(_ number: Int, _ kind: HistoryRow.Kind, state: String = "delivered", id: String? = nil)
        -> HistoryRow
    {
        HistoryRow(kind: kind, id: id ?? "id\(number)", text: texts.text(number, of: .alice), state: state)
    }

    private static func ledger(_ numbers: [Int]) -> Ledger {
        var ledger = Ledger(goal: numbers.count)
        for number in 1...(numbers.max() ?? 1) {
            ledger.write(size: 1, to: 1)
            if numbers.contains(number) { ledger.queued(number, id: "id\(number)") } else { ledger.refused(number) }
        }
        return ledger
    }

    private static func judge(
        accepted: [Int] = [1, 2, 4], sent: [HistoryRow]? = nil, received: [HistoryRow]
    ) -> Violations {
        var verdict = Verdict(texts)
        verdict.compare(
            .alice, ledger(accepted), sent: sent ?? accepted.map { row($0, .outgoing) }, received: received)
        return verdict.violations
    }

    private static func named(_ violations: Violations) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: violations.counts.filter { $0.count > 0 }.map { ($0.name, $0.count) })
    }

    @Test func aGoodRunIsGood() {
        #expect(Self.judge(received: [1, 2, 4].map { Self.row($0, .incoming, state: "seen") }).isEmpty)
    }

    @Test func seesWhatTheReceiverHasNotOrTwiceOrElsewhere() {
        func received(_ numbers: [Int]) -> [String: Int] {
            Self.named(Self.judge(received: numbers.map { Self.row($0, .incoming) }))
        }
        #expect(received([1, 4]) == ["lost": 1])
        #expect(received([1, 2, 2, 4]) == ["twice": 1])
        #expect(received([2, 1, 4]) == ["out of order": 1])
        #expect(received([1, 2, 3, 4]) == ["from nowhere": 1])
    }

    @Test func seesWhatTheSenderHasNotOrShouldNotHave() {
        let received = [1, 2, 4].map { Self.row($0, .incoming) }
        func sent(_ rows: [HistoryRow]) -> [String: Int] { Self.named(Self.judge(sent: rows, received: received)) }
        let rows = [1, 2, 4].map { Self.row($0, .outgoing) }
        #expect(sent([rows[0], rows[1]]) == ["lost by the sender": 1, "from nowhere": 1])
        #expect(sent([rows[0], rows[1], Self.row(3, .outgoing), rows[2]]) == ["given up, but there": 1, "lost": 1])
        #expect(sent([rows[1], rows[0], rows[2]])["out of order at the sender"] == 1)
        #expect(sent([rows[0], rows[0], rows[1], rows[2]])["twice at the sender"] == 1)
        #expect(sent([rows[0], rows[1], Self.row(4, .outgoing, state: "sent")]) == ["not delivered": 1])
        #expect(sent([rows[0], rows[1], Self.row(4, .outgoing, id: "other")]) == ["other id": 2])
    }

    @Test func seesTextsThatNobodyWrote() {
        var received = [1, 2, 4].map { Self.row($0, .incoming) }
        received.append(HistoryRow(kind: .incoming, id: "x", text: "unable to decrypt", state: "unread"))
        #expect(Self.named(Self.judge(received: received)) == ["undecryptable": 1])
        var verdict = Verdict(Self.texts)
        verdict.notices([HistoryRow(kind: .other("{}"), id: "", text: "", state: "")], of: .bob)
        #expect(Self.named(verdict.violations) == ["notices": 1])
    }

    @Test func theLedgerSettlesWhatDiedUnanswered() {
        var ledger = Ledger(goal: 3)
        for _ in 0..<3 { ledger.write(size: 10, to: 1) }
        ledger.queued(1, id: "a")
        ledger.died(1)
        #expect(ledger.doubtful == [2, 3])
        ledger.learned([(1, "a", true), (2, "b", false)], settling: [2, 3])
        #expect(ledger.doubtful.isEmpty)
        #expect(ledger.accepted == [1: "a", 2: "b"])
        #expect(ledger.undelivered == ["b": 2])
        #expect(ledger.void == [3])
        #expect(ledger.needsMore)
        ledger.queued(3, id: "c")
        #expect(ledger.contradictions.count == 1)
    }
}
