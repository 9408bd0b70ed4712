import Foundation
import NATLab

/// A run from the first invite to the verdict.
package enum ChaosRun {
    /// - Throws: when the laboratory or the programs cannot be set up. What goes wrong later is in the report.
    package static func run(_ options: ChaosOptions) async throws -> ChaosReport {
        let world = try await World.make(options)
        do {
            let report = try await Play(world).perform()
            try await world.close()
            return report
        } catch {
            try? await world.close()
            throw error
        }
    }
}

/// The parts of a run, in order.
private final class Play: Sendable {
    private let world: World
    private let server: Keeper
    private let talkers: [Part: Talker]
    private let conductor: Conductor
    private let secrets = Locked(Secrets())
    private let report = Locked(ChaosReport())
    private let began = ContinuousClock.now

    init(_ world: World) throws {
        self.world = world
        server = Keeper(
            .server, evidence: world.evidence, isExcused: { world.isFull(.server) },
            spawn: { _, observer in try world.startServer(observer: observer) }, hear: { _, _ in })
        let half = world.options.messages / 2
        talkers = [
            .alice: Talker(.alice, goal: world.options.messages - half, world: world),
            .bob: Talker(.bob, goal: half, world: world),
        ]
        conductor = Conductor(world: world, server: server, talkers: talkers)
    }

    private var people: [Talker] { Part.people.compactMap { talkers[$0] } }

    func perform() async throws -> ChaosReport {
        var verdict = Verdict(world.texts)
        let manner = Manner(isChat: false, isRelayOnly: false, looksLate: false)
        try server.start(manner)
        let proxy = try await world.startProxy()
        try await meet()
        var failures: [String] = []
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { [self] in try await tellProgress() }
                group.addTask { [self] in try await server.watch { [self] in try server.start(manner) } }
                for talker in people {
                    group.addTask { try await talker.keeper.watch { try await talker.revive() } }
                }
                group.addTask { [self] in try await play() }
                // The play is the only one that comes to an end by itself.
                try await group.next()
                group.cancelAll()
            }
        } catch {
            failures.append("\(error)")
        }
        failures += await leave(proxy)
        verdict.add("failures of the run", failures)
        try await judge(&verdict)
        let report = finish(verdict)
        if !report.isClean {
            for part in Part.allCases {
                world.evidence.keep(try await world.copy(part, "kept"), as: "home-\(part.rawValue)")
            }
        }
        return report
    }

    // MARK: Acts

    /// Identities, and an invite taken.
    private func meet() async throws {
        for part in Part.people {
            let lines = try await world.initialise(part)
            let ids = try await world.sotto(part, ["id"])
            let peer = (lines + ids).compactMap { Event($0)?.peer }.first { $0.hasPrefix("sotto1") }
            secrets.withLock { $0.peers[part] = peer }
        }
        let lines = try await world.sotto(.bob, ["invite"])
        guard let invite = lines.compactMap({ Event($0)?.uri }).first else {
            throw LabError.unknown("the invite in \(lines)")
        }
        secrets.withLock { $0.invites.append(invite) }
        try await world.sotto(.alice, ["add", invite, "--as", world.name(.bob)])
        try talkers[.bob]?.keeper.start(Manner(isChat: false, isRelayOnly: false, looksLate: false))
        try talkers[.alice]?.keeper.start(Manner(isChat: true, isRelayOnly: false, looksLate: false))
        talkers[.alice]?.state.update { $0.hasContact = true }
        try await talkers[.bob]?.state.first("a contact of bob's", within: .seconds(60)) { $0.hasContact ? () : nil }
        world.options.progress("\(world.name(.alice)) and \(world.name(.bob)) know each other")
    }

    private func play() async throws {
        let schedule = Schedule(world.options)
        let isOver = Watched(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for talker in people { group.addTask { try await talker.talk() } }
            group.addTask { [conductor] in try await conductor.run(schedule) }
            group.addTask { [world] in
                try await isOver.first(
                    "end of the run", within: world.options.limit, describe: { _ in "see the report" }
                ) {
                    $0 ? () : nil
                }
            }
            for _ in 0..<(people.count + 1) { try await group.next() }
            isOver.update { $0 = true }
            try await group.waitForAll()
        }
        try await settle()
    }

    /// Everything is healed: all programs start afresh, and deliver what is left.
    private func settle() async throws {
        world.options.progress("all accepted; everything is healed and restarted")
        let healed = ContinuousClock.now
        let complaints = await withTaskGroup(of: String?.self) { group -> [String] in
            for keeper in people.map(\.keeper) + [server] {
                group.addTask { await keeper.leave(within: .seconds(30)) }
            }
            var all: [String] = []
            for await one in group { if let one { all.append(one) } }
            return all
        }
        report.withLock { $0.violations.add("did not leave in good order", complaints) }
        try server.start(Manner(isChat: false, isRelayOnly: false, looksLate: false))
        for talker in people {
            try await talker.look()
            try talker.keeper.start(
                Manner(isChat: talker.part == .alice, isRelayOnly: false, looksLate: false))
            talker.keeper.letGo()
        }
        server.letGo()
        let deadline = healed + world.options.settling
        for await tick in Ticks(every: .milliseconds(200)) {
            if people.allSatisfy({ $0.state.value.ledger.undelivered.isEmpty }) { break }
            if tick % 25 == 24 { for talker in people { try await talker.look() } }
            guard ContinuousClock.now < deadline else { break }
        }
        report.withLock { $0.settlingSeconds = (ContinuousClock.now - healed) / .seconds(1) }
        try await scan("running")
        try await emptyQueues(until: deadline)
    }

    /// Both programs have to say themselves that nothing waits any more.
    private func emptyQueues(until deadline: ContinuousClock.Instant) async throws {
        for talker in people {
            var waiting: [Int] = []
            for await _ in Ticks(every: .milliseconds(500)) {
                let lines = try await world.sotto(talker.part, ["status"])
                waiting = lines.compactMap { Event($0) }.filter { $0.event == "queue" }.compactMap(\.waiting)
                if waiting == [0] || ContinuousClock.now > deadline { break }
            }
            report.withLock {
                $0.violations.add("left in a queue", waiting == [0] ? [] : ["\(talker.part.rawValue): \(waiting)"])
            }
        }
    }

    private func scan(_ purpose: String) async throws {
        for part in Part.allCases {
            let scan = secrets.withLock { $0 }.scan(for: part, texts: world.texts, names: world.names)
            let result = try scan.search(try await world.copy(part, purpose))
            report.withLock { report in
                report.scannedFiles += result.files
                report.scannedBytes += result.bytes
                report.violations.add("plaintext", result.findings.map { "\(part.rawValue): \($0)" })
            }
        }
    }

    private func leave(_ proxy: LabProcess) async -> [String] {
        var failures: [String] = []
        for keeper in people.map(\.keeper) + [server] {
            if let complaint = await keeper.leave(within: .seconds(30)) { failures.append(complaint) }
        }
        proxy.closeInput()
        guard let status = try? await proxy.exit(within: .seconds(10)), status.succeeded,
            let line = proxy.lines.last?.text,
            let counts = try? JSONDecoder().decode(MailProxy.Counts.self, from: Data(line.utf8))
        else { return failures + ["the proxy: \(proxy.errorText.suffix(400))"] }
        report.withLock { report in
            report.mails = counts.toClients.mails
            report.repeats = counts.toClients.repeats
            report.swaps = counts.toClients.swaps
            report.doubles = counts.toServer.repeats
        }
        return failures
    }

    // MARK: The end

    private func judge(_ verdict: inout Verdict) async throws {
        var histories: [Part: [HistoryRow]] = [:]
        for part in Part.people {
            histories[part] = try await world.history(of: part, within: .seconds(600))
        }
        for talker in people {
            let (own, others) = (histories[talker.part] ?? [], histories[talker.part.other] ?? [])
            verdict.compare(talker.part, talker.state.value.ledger, sent: own, received: others)
            verdict.notices(own, of: talker.part)
            verdict.add("shown twice", talker.state.value.shownTwice)
            verdict.add("missing", talker.state.value.ledger.isComplete ? [] : ["\(talker.part.rawValue) is not done"])
        }
        verdict.add("ended by themselves", (people.map(\.keeper) + [server]).flatMap(\.state.value.collapses))
        verdict.add("contradictions", [])
        for talker in people {
            for (part, rows) in histories where part == talker.part {
                for row in rows { world.evidence.write("history-\(part.rawValue)", "\(row)") }
            }
        }
    }

    private func finish(_ verdict: Verdict) -> ChaosReport {
        var report = report.withLock { $0 }
        let tally = conductor.tally.value
        report.seed = world.options.seed
        report.messages = world.options.messages
        report.compared = verdict.compared
        report.seconds = (ContinuousClock.now - began) / .seconds(1)
        (report.kills, report.cuts, report.fills) = (tally.kills, tally.cuts, tally.fills)
        for talker in people {
            let state = talker.state.value
            report.routes.merge(state.routes) { $0 + $1 }
            report.errors.merge(state.errors) { $0 + $1 }
            report.refusals += state.ledger.refusals
            report.reconsidered += state.ledger.void.count - state.ledger.refusals
            report.chokes += state.chokes
            report.excusedEnds += talker.keeper.state.value.excused
        }
        report.excusedEnds += server.state.value.excused
        var violations = verdict.violations
        violations.add(report.violations)
        report.violations = violations
        return report
    }

    private func tellProgress() async throws {
        var last = (accepted: 0, at: ContinuousClock.now)
        for await _ in Ticks(every: .seconds(5)) {
            let tally = conductor.tally.value
            let delivered = people.reduce(0) {
                $0 + $1.state.value.ledger.accepted.count - $1.state.value.ledger.undelivered.count
            }
            world.options.progress(
                String(
                    format: "%6.0f s  %d accepted, %d delivered, %d kills, %d cuts, %d disks filled",
                    (ContinuousClock.now - began) / .seconds(1), conductor.accepted, delivered,
                    tally.kills.values.reduce(0, +), tally.cuts.values.reduce(0, +), tally.fills.values.reduce(0, +)))
            if conductor.accepted != last.accepted || people.allSatisfy(\.state.value.ledger.isComplete) {
                last = (conductor.accepted, .now)
            }
            // No fault lasts as long: somebody does not answer.
            guard ContinuousClock.now - last.at < .seconds(90) else {
                throw LabError.timedOut(
                    waitingFor: "message that is accepted", .seconds(90),
                    sofar: people.map { "\($0.part.rawValue): \($0.plight)" }.joined(separator: "; "))
            }
        }
    }
}
