/// What one person has written, and what became of it, as far as the program has said.
///
/// Numbers are never used twice: what was refused, or was not stored when the program died, is written again under a new number. So the sender's history has
/// to show growing numbers, and a number that was given up must never be seen again.
package struct Ledger: Sendable {
    /// So many messages are to be accepted.
    package let goal: Int
    package private(set) var lastNumber = 0
    /// Written to the program, which has not answered yet: number, size, and to which of its processes.
    package private(set) var unanswered: [(number: Int, size: Int, run: Int)] = []
    /// The last process of the program that is known to be dead: nothing can be written to it.
    package private(set) var lastDead = 0
    /// The program that was asked has died without an answer.
    package private(set) var doubtful: Set<Int> = []
    /// Message ids by number.
    package private(set) var accepted: [Int: String] = [:]
    /// Numbers that were refused or not stored.
    package private(set) var void: Set<Int> = []
    /// Accepted, and not known to be delivered; ids with numbers.
    package private(set) var undelivered: [String: Int] = [:]
    /// Lines in which the program contradicts itself.
    package private(set) var contradictions: [String] = []
    /// Refusals because the disk was full.
    package private(set) var refusals = 0

    package init(goal: Int) { self.goal = goal }

    /// Whether the goal is reached if all is well.
    package var needsMore: Bool { accepted.count + unanswered.count + doubtful.count < goal }
    package var isComplete: Bool { accepted.count >= goal }
    package var unansweredSize: Int { unanswered.reduce(0) { $0 + $1.size } }

    /// Takes the next number; it is written to the program next.
    @discardableResult
    package mutating func write(size: Int, to run: Int) -> Int {
        lastNumber += 1
        unanswered.append((lastNumber, size, run))
        return lastNumber
    }

    package mutating func queued(_ number: Int, id: String) {
        guard answered(number) else { return contradictions.append("queued \(number), which was not waiting") }
        if undelivered[id] != nil { contradictions.append("two messages have the id \(id)") }
        accepted[number] = id
        undelivered[id] = number
    }

    package mutating func refused(_ number: Int) {
        guard answered(number) else { return contradictions.append("refused \(number), which was not waiting") }
        void.insert(number)
        refusals += 1
    }

    package mutating func delivered(id: String) -> Bool { undelivered.removeValue(forKey: id) != nil }

    /// A process of the program has died.
    package mutating func died(_ run: Int) {
        lastDead = max(lastDead, run)
        doubtful.formUnion(unanswered.filter { $0.run <= run }.map(\.number))
        unanswered.removeAll { $0.run <= run }
    }

    /// Own messages that the history has, the latest included: numbers, ids and whether they are delivered.
    ///
    /// - Parameter doubtful: numbers that were in doubt before the history was read: they are there, or were never stored.
    package mutating func learned(_ rows: [(number: Int, id: String, isDelivered: Bool)], settling doubtful: Set<Int>) {
        for row in rows {
            if self.doubtful.remove(row.number) != nil {
                accepted[row.number] = row.id
                undelivered[row.id] = row.number
            }
            if row.isDelivered { _ = delivered(id: row.id) }
        }
        let missing = self.doubtful.intersection(doubtful)
        void.formUnion(missing)
        self.doubtful.subtract(missing)
    }

    private mutating func answered(_ number: Int) -> Bool {
        guard let index = unanswered.firstIndex(where: { $0.number == number }) else { return false }
        unanswered.remove(at: index)
        return true
    }
}
