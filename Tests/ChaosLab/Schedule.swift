/// What goes wrong, and when: drawn from the seed, told in accepted messages.
package struct Schedule: Sendable {
    package struct Step: Sendable {
        /// So many messages were accepted.
        package let after: Int
        package let fault: Fault
    }

    package let steps: [Step]

    package init(_ options: ChaosOptions) {
        var random = SeededRandom(seed: options.seed, purpose: "faults")
        var faults: [Fault] = []
        var kills = 0
        while kills < options.kills {
            let drawn = Self.kill(&random, options)
            kills += drawn.count
            faults.append(.kill(drawn))
        }
        for _ in 0..<options.cuts { faults.append(Self.cut(&random, options)) }
        for index in 0..<(options.isOnDisk ? 0 : options.fills) {
            let part = Part.allCases[index % Part.allCases.count]
            faults.append(.fill(part, for: random.milliseconds(options.isShort ? 300...900 : 300...3_000)))
        }
        faults.shuffle(using: &random)
        // Not in the first and last moments, when there is nothing to lose.
        let range = (options.messages / 50)...max(options.messages / 50, options.messages * 49 / 50)
        let moments = faults.map { _ in Int.random(in: range, using: &random) }.sorted()
        steps = zip(moments, faults).map { Step(after: $0, fault: $1) }
    }

    private static func kill(_ random: inout SeededRandom, _ options: ChaosOptions) -> [Fault.Kill] {
        var victims = [random.pick(Part.allCases)]
        // Sometimes two at once, for whom no third is there to remember.
        if random.chance(0.15) { victims.append(random.pick(Part.allCases.filter { $0 != victims[0] })) }
        return victims.map { victim in
            Fault.Kill(
                victim: victim, moment: victim == .server ? .atOnce : random.pick(Moment.allCases),
                life: life(&random, options), absence: absence(&random, options),
                manner: Manner(
                    isChat: random.chance(0.5), isRelayOnly: random.chance(0.3), looksLate: random.chance(0.3)))
        }
    }

    /// Mostly long enough to be in the middle of a conversation, sometimes not even long enough to start.
    private static func life(_ random: inout SeededRandom, _ options: ChaosOptions) -> Duration {
        if random.chance(0.15) { return random.milliseconds(0...150) }
        return random.milliseconds(options.isShort ? 300...900 : 400...3_000)
    }

    private static func absence(_ random: inout SeededRandom, _ options: ChaosOptions) -> Duration {
        let kind = Double.random(in: 0..<1, using: &random)
        if options.isShort { return random.milliseconds(kind < 0.7 ? 0...150 : 500...2_000) }
        if kind < 0.70 { return random.milliseconds(0...300) }
        // Long enough for the others to notice, and for mail to go to the server.
        return random.milliseconds(kind < 0.92 ? 300...2_500 : 4_000...8_000)
    }

    private static func cut(_ random: inout SeededRandom, _ options: ChaosOptions) -> Fault {
        let kind = random.pick(Cut.allCases)
        // The server can be unplugged, too; the other kinds are about one person.
        let part = random.pick(kind == .link ? Part.allCases : Part.people)
        let length = Double.random(in: 0..<1, using: &random)
        let range =
            options.isShort
            ? 200...1_500 : length < 0.5 ? 200...1_500 : length < 0.85 ? 1_500...5_000 : 5_000...15_000
        return .cut(kind, part, for: random.milliseconds(range))
    }
}
