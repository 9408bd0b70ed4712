/// A line of `sotto history`.
package struct HistoryRow: Sendable {
    package enum Kind: Sendable, Equatable {
        case incoming, outgoing
        /// No text: something that could not be read, an error, a kind that nobody wrote.
        case other(String)
    }

    package let kind: Kind
    package let id: String
    package let text: String
    package let state: String

    package init(kind: Kind, id: String, text: String, state: String) {
        self.kind = kind
        self.id = id
        self.text = text
        self.state = state
    }
}

/// What was wrong, by kind; everything has to be zero.
package struct Violations: Sendable {
    package private(set) var counts: [(name: String, count: Int)] = []
    /// The first of each kind, in words.
    package private(set) var examples: [String] = []

    package var isEmpty: Bool { counts.allSatisfy { $0.count == 0 } }
    package func count(_ name: String) -> Int { counts.first { $0.name == name }?.count ?? 0 }

    /// Adds what is wrong under a name; also nothing, so that the name appears.
    package mutating func add(_ name: String, _ found: [String]) {
        if let index = counts.firstIndex(where: { $0.name == name }) {
            counts[index].count += found.count
        } else {
            counts.append((name, found.count))
        }
        examples += found.prefix(8).map { "\(name): \($0)" }
    }

    /// Adds what was found elsewhere.
    package mutating func add(_ other: Violations) {
        for (name, count) in other.counts {
            add(name, [])
            if let index = counts.firstIndex(where: { $0.name == name }) { counts[index].count += count }
        }
        examples += other.examples
    }
}

/// Compares what was written with what both histories say.
package struct Verdict: Sendable {
    package private(set) var violations = Violations()
    package private(set) var compared = 0
    private let texts: MessageText

    package init(_ texts: MessageText) { self.texts = texts }

    /// One direction.
    ///
    /// - Parameters:
    ///   - ledger: what the author's program has accepted.
    ///   - sent: all of the author's history, oldest first.
    ///   - received: all of the other's.
    package mutating func compare(_ author: Part, _ ledger: Ledger, sent: [HistoryRow], received: [HistoryRow]) {
        let own = entries(sent.filter { $0.kind == .outgoing }, by: author)
        let theirs = entries(received.filter { $0.kind == .incoming }, by: author)
        compared += theirs.numbers.count
        let name = author.rawValue
        violations.add("undecryptable", (own.foreign + theirs.foreign).map { "\(name): \($0)" })
        checkSender(name, ledger, own)
        // What the author's history has is what is to be compared, in its order.
        let place = Dictionary(
            own.numbers.enumerated().map { ($1.number, $0) }, uniquingKeysWith: { first, _ in first })
        let arrived = Set(theirs.numbers.map(\.number))
        violations.add(
            "lost", own.numbers.filter { !arrived.contains($0.number) }.map { "\(name) \($0.number) (\($0.row.state))" }
        )
        violations.add("twice", repeated(theirs).map { "\(name) \($0)" })
        violations.add(
            "from nowhere",
            theirs.numbers.filter { place[$0.number] == nil }.map { "\(name) \($0.number)" })
        var outOfOrder: [String] = []
        var latest = -1
        for (number, _) in theirs.numbers {
            guard let position = place[number] else { continue }
            if position < latest { outOfOrder.append("\(name) \(number)") }
            latest = max(latest, position)
        }
        violations.add("out of order", outOfOrder)
        let ids = Dictionary(theirs.numbers.map { ($0.number, $0.row.id) }, uniquingKeysWith: { first, _ in first })
        violations.add(
            "other id",
            own.numbers.filter { entry in ids[entry.number].map { $0 != entry.row.id } ?? false }
                .map { "\(name) \($0.number)" })
    }

    private mutating func checkSender(_ name: String, _ ledger: Ledger, _ own: Entries) {
        let there = Set(own.numbers.map(\.number))
        violations.add(
            "lost by the sender",
            ledger.accepted.keys.filter { !there.contains($0) }.sorted().map { "\(name) \($0)" })
        violations.add("twice at the sender", repeated(own).map { "\(name) \($0)" })
        violations.add(
            "given up, but there",
            own.numbers.filter { ledger.accepted[$0.number] == nil }.map { "\(name) \($0.number)" })
        violations.add(
            "other id",
            own.numbers.filter { entry in ledger.accepted[entry.number].map { $0 != entry.row.id } ?? false }
                .map { "\(name) \($0.number)" })
        violations.add(
            "out of order at the sender",
            zip(own.numbers, own.numbers.dropFirst()).filter { $0.number >= $1.number }.map { "\(name) \($1.number)" })
        violations.add(
            "not delivered",
            own.numbers.filter { !["delivered", "read"].contains($0.row.state) }
                .map { "\(name) \($0.number) is \($0.row.state)" })
        violations.add("contradictions", ledger.contradictions.map { "\(name): \($0)" })
    }

    /// Rows of a history that are no messages.
    package mutating func notices(_ rows: [HistoryRow], of part: Part) {
        violations.add(
            "notices",
            rows.compactMap { row in
                guard case .other(let what) = row.kind else { return nil }
                return "\(part.rawValue): \(what)"
            })
    }

    package mutating func add(_ name: String, _ found: [String]) { violations.add(name, found) }

    private struct Entries {
        var numbers: [(number: Int, row: HistoryRow)] = []
        /// Rows that nobody wrote.
        var foreign: [String] = []
    }

    private func entries(_ rows: [HistoryRow], by author: Part) -> Entries {
        var entries = Entries()
        for row in rows {
            if let (part, number) = texts.author(of: row.text), part == author {
                entries.numbers.append((number, row))
            } else {
                entries.foreign.append("\(row.id) \(row.state) '\(row.text.prefix(80))'")
            }
        }
        return entries
    }

    private func repeated(_ entries: Entries) -> [Int] {
        var seen: Set<Int> = []
        return entries.numbers.map(\.number).filter { !seen.insert($0).inserted }
    }
}
