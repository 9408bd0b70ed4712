import Foundation
import NATLab

/// One person: writes messages to their program as fast as it takes them, in bursts, and keeps account of what it says.
final class Talker: Sendable {
    /// Messages that the program has not answered yet.
    private static let unansweredLimit = 64
    /// Bytes of them: the pipe to the program must never be full.
    private static let unansweredSize = 72 * 1024
    /// Messages that are not delivered yet.
    private static let undeliveredLimit = 400
    /// Rows of the history that are asked for after a restart; more than can be undecided.
    private static let lookBack = 4_000

    struct State: Sendable {
        var ledger: Ledger
        /// No more than this may be accepted yet.
        var allowance = 0
        var trap: Moment?
        var route = "relay"
        /// Ids of messages that the mailbox has taken.
        var mailed: Set<String> = []
        /// Messages delivered, by the way they went.
        var routes: [String: Int] = [:]
        /// Ids that this run of the program has shown.
        var shown: Set<String> = []
        var shownTwice: [String] = []
        var arrivals = 0
        var errors: [String: Int] = [:]
        var hasContact = false
        var isReady = false
        var chokes = 0
        var isStopped = false
    }

    let part: Part
    let keeper: Keeper
    let state: Watched<State>
    private let world: World

    init(_ part: Part, goal: Int, world: World) {
        self.part = part
        self.world = world
        let state = Watched(State(ledger: Ledger(goal: goal)))
        self.state = state
        let keeperBox = Locked<Keeper?>(nil)
        let keeper = Keeper(
            part, evidence: world.evidence, isExcused: { world.isFull(part) },
            spawn: { manner, observer in
                state.update { state in
                    state.shown = []
                    state.isReady = false
                    state.route = "relay"
                }
                return try world.startPerson(part, manner, observer: observer)
            },
            hear: { news, run in
                let isTrapped = Self.heard(news, run, state)
                if isTrapped { keeperBox.withLock { $0 }?.state.value.process?.signal(SIGKILL) }
            })
        keeperBox.withLock { $0 = keeper }
        self.keeper = keeper
    }

    /// How things stand, for whoever wonders why nothing goes on.
    var plight: String {
        let (state, running) = (state.value, keeper.state.value)
        let ledger = state.ledger
        return """
            accepted \(ledger.accepted.count) of \(ledger.goal), allowed \(state.allowance), unanswered \
            \(ledger.unanswered.map(\.number)), doubtful \(ledger.doubtful.sorted()), undelivered \
            \(ledger.undelivered.count), run \(running.run), up \(running.isUp), held \(running.isHeld)
            """
    }

    // MARK: Listening

    /// Takes in what the program says. True when this is the moment to kill it.
    private static func heard(_ news: Keeper.News, _ run: Int, _ watched: Watched<State>) -> Bool {
        guard case .line(let line) = news else {
            watched.update { $0.ledger.died(run) }
            return false
        }
        guard let event = Event(line) else { return false }
        return watched.update { state in state.take(event) }
    }

    // MARK: Writing

    /// Writes until everything is accepted.
    func talk() async throws {
        var random = SeededRandom(seed: world.options.seed, purpose: "bursts of \(part.rawValue)")
        var pause = 0
        for await _ in Ticks(every: .milliseconds(15)) {
            pause -= 1
            guard pause < 0 else { continue }
            for _ in 0..<Int.random(in: 1...60, using: &random) {
                guard try await writeNext() else { return }
            }
            pause = Int.random(in: 0...5, using: &random)
        }
        try Task.checkCancellation()
    }

    /// False when there is nothing more to be written.
    private func writeNext() async throws -> Bool {
        // Nobody but this task takes numbers.
        let number = state.value.ledger.lastNumber + 1
        let text = world.texts.text(number, of: part)
        let line = Order(to: world.name(part.other), send: text, ref: "\(number)").line
        let keeper = keeper
        let process = try await state.first(
            "room for the next message of \(part.rawValue)", within: world.options.limit
        ) {
            state -> LabProcess?? in
            if state.isStopped || state.ledger.isComplete { return .some(nil) }
            let ledger = state.ledger
            let running = keeper.state.value
            guard running.isUp, running.run > ledger.lastDead, let process = running.process, ledger.needsMore,
                state.hasContact,
                ledger.accepted.count + ledger.unanswered.count < state.allowance,
                ledger.unanswered.count < Self.unansweredLimit,
                ledger.unanswered.isEmpty || ledger.unansweredSize + line.utf8.count < Self.unansweredSize,
                ledger.undelivered.count < Self.undeliveredLimit
            else { return nil }
            state.ledger.write(size: line.utf8.count, to: running.run)
            return process
        }
        guard let process else { return false }
        do {
            try process.write(line)
        } catch {
            // Half a line is in the pipe: nobody can go on from there.
            state.update { $0.chokes += 1 }
            try await keeper.hold()
            await keeper.kill()
            keeper.letGo()
        }
        let isTrapped = state.update { state in
            guard state.trap == .afterWrite else { return false }
            state.trap = nil
            return true
        }
        if isTrapped { process.signal(SIGKILL) }
        return true
    }

    // MARK: Dying, and what is left

    /// Kills the program at a moment, and starts it again when `absence` is over.
    func suffer(_ kill: Fault.Kill, absence: () async throws -> Void) async throws {
        try await keeper.live(kill.life)
        try await keeper.hold()
        defer { keeper.letGo() }
        if kill.moment != .atOnce {
            state.update { $0.trap = kill.moment }
            // When the moment does not come it is now.
            try? await keeper.state.first("the moment", within: .seconds(1)) { $0.isUp ? nil : () }
        }
        state.update { $0.trap = nil }
        await keeper.kill()
        try await absence()
        if !kill.manner.looksLate { try await look() }
        try keeper.start(kill.manner)
        if kill.manner.looksLate { try await look() }
    }

    /// Starts the program after it ended by itself.
    func revive() async throws {
        try await look()
        try keeper.start(Manner(isChat: false, isRelayOnly: false, looksLate: false))
    }

    /// Reads in the history which of the messages that got no answer were stored, and what was delivered meanwhile.
    func look() async throws {
        let doubtful = state.value.ledger.doubtful
        let end = ContinuousClock.now + .seconds(60)
        for await _ in Ticks(every: .milliseconds(300)) {
            do {
                learn(try await world.history(of: part, last: Self.lookBack), isFinal: doubtful)
                return
            } catch {
                world.evidence.write(part.rawValue, "--- no history: \(error)")
                if !world.isFull(part), ContinuousClock.now > end { throw error }
            }
        }
        try Task.checkCancellation()
    }

    private func learn(_ rows: [HistoryRow], isFinal doubtful: Set<Int>) {
        var own: [(number: Int, id: String, isDelivered: Bool)] = []
        for row in rows where row.kind == .outgoing {
            guard let (author, number) = world.texts.author(of: row.text), author == part else { continue }
            own.append((number, row.id, ["delivered", "read"].contains(row.state)))
        }
        state.update { state in
            state.ledger.learned(own, settling: doubtful)
            state.mailed = state.mailed.filter { state.ledger.undelivered[$0] != nil }
        }
    }
}

extension Talker.State {
    /// True when this is the moment to kill the program.
    fileprivate mutating func take(_ event: Event) -> Bool {
        switch event.event {
        case "ready": isReady = true
        case "contact": hasContact = true
        case "path": route = event.path ?? route
        case "message" where event.direction != "out" && event.direction != "outgoing":
            arrivals += 1
            if let id = event.id, !shown.insert(id).inserted { shownTwice.append(id) }
            return isMoment(.afterArrival)
        case "state": return take(state: event)
        case "error":
            errors[event.code ?? "?", default: 0] += 1
            if let number = event.ref.flatMap({ Int($0) }) { ledger.refused(number) }
        case "notice":
            errors["notice \(event.kind ?? "?")", default: 0] += 1
        default: break
        }
        return false
    }

    private mutating func take(state event: Event) -> Bool {
        guard let id = event.id else { return false }
        switch event.state {
        case "queued":
            if let number = event.ref.flatMap({ Int($0) }) { ledger.queued(number, id: id) }
            return isMoment(.afterQueued)
        case "sent":
            if ledger.undelivered[id] != nil { mailed.insert(id) }
        case "delivered", "read":
            let isMailed = mailed.remove(id) != nil
            if ledger.delivered(id: id) { routes[isMailed ? "mailbox" : route, default: 0] += 1 }
        case "failed":
            errors["failed: \(event.code ?? event.reason ?? "?")", default: 0] += 1
            if let number = event.ref.flatMap({ Int($0) }) { ledger.refused(number) }
        default: break
        }
        return false
    }

    private mutating func isMoment(_ moment: Moment) -> Bool {
        guard trap == moment else { return false }
        trap = nil
        return true
    }
}
