import Foundation
import NATLab

/// Makes things go wrong, as the schedule says, and puts them right again.
final class Conductor: Sendable {
    /// What was done.
    struct Tally: Sendable {
        var kills: [String: Int] = [:]
        var cuts: [String: Int] = [:]
        var fills: [String: Int] = [:]
        /// The longest and the sum of times to put something right, in seconds.
        var troubles: [String] = []
    }

    /// How long a fault waits for its messages, before it comes without them.
    private static let patience = Duration.milliseconds(2_500)
    /// How far the messages may run ahead of the faults.
    private static let lead = 120

    let world: World
    let server: Keeper
    let talkers: [Part: Talker]
    let tally = Watched(Tally())
    private let busy = Watched<Set<Fault.Resource>>([])

    init(world: World, server: Keeper, talkers: [Part: Talker]) {
        self.world = world
        self.server = server
        self.talkers = talkers
    }

    var accepted: Int { talkers.values.reduce(0) { $0 + $1.state.value.ledger.accepted.count } }

    /// Lets the messages go on up to a number, in both directions together; nil: to the end.
    func allow(_ total: Int?) {
        for talker in talkers.values {
            talker.state.update { state in
                state.allowance = total.map { $0 / 2 + Self.lead } ?? .max
            }
        }
    }

    /// Goes through the schedule. Returns when everything is right again.
    func run(_ schedule: Schedule) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, step) in schedule.steps.enumerated() {
                allow(step.after)
                try await reached(step.after)
                let needs = step.fault.needs
                // What comes next may come meanwhile.
                allow(index + 1 < schedule.steps.count ? schedule.steps[index + 1].after : nil)
                try await busy.first("a turn for the next fault", within: .seconds(300)) { busy -> Void? in
                    guard busy.isDisjoint(with: needs) else { return nil }
                    busy.formUnion(needs)
                    return ()
                }
                group.addTask { [self] in
                    defer { busy.update { $0.subtract(needs) } }
                    try await perform(step.fault)
                }
            }
            allow(nil)
            try await group.waitForAll()
        }
    }

    private func reached(_ count: Int) async throws {
        let deadline = ContinuousClock.now + Self.patience
        for await _ in Ticks(every: .milliseconds(10)) where accepted >= count || ContinuousClock.now > deadline {
            return
        }
        try Task.checkCancellation()
    }

    /// For so long something stays wrong; shorter when everything is written, since then all is put right anyway.
    private func last(_ duration: Duration) async throws {
        let deadline = ContinuousClock.now + duration
        for await _ in Ticks(every: .milliseconds(10)) where ContinuousClock.now >= deadline || isWritten { return }
        try Task.checkCancellation()
    }

    private var isWritten: Bool { talkers.values.allSatisfy(\.state.value.ledger.isComplete) }

    private func perform(_ fault: Fault) async throws {
        switch fault {
        case .kill(let kills):
            try await withThrowingTaskGroup(of: Void.self) { group in
                for kill in kills { group.addTask { [self] in try await perform(kill) } }
                try await group.waitForAll()
            }
        case .cut(let cut, let part, let duration):
            world.evidence.write("faults", "cut \(cut) \(part.rawValue) for \(duration)")
            tally.update { $0.cuts[cut.rawValue, default: 0] += 1 }
            try await begin(cut, part)
            try await last(duration)
            try await end(cut, part)
            world.evidence.write("faults", "cut \(cut) \(part.rawValue) is over")
        case .fill(let part, let duration):
            world.evidence.write("faults", "fill \(part.rawValue) for \(duration)")
            tally.update { $0.fills[part.rawValue, default: 0] += 1 }
            try await world.fill(part)
            try await last(duration)
            try await world.free(part)
            world.evidence.write("faults", "fill \(part.rawValue) is over")
        }
    }

    private func perform(_ kill: Fault.Kill) async throws {
        world.evidence.write("faults", "kill \(kill)")
        tally.update { $0.kills[kill.victim.rawValue, default: 0] += 1 }
        if let talker = talkers[kill.victim] {
            try await talker.suffer(kill) { [self] in try await last(kill.absence) }
        } else {
            try await server.live(kill.life)
            try await server.hold()
            defer { server.letGo() }
            await server.kill()
            try await last(kill.absence)
            try server.start(kill.manner)
        }
        world.evidence.write("faults", "\(kill.victim.rawValue) is back")
    }

    private func begin(_ cut: Cut, _ part: Part) async throws {
        let (host, server) = (try world.host(part), try world.host(.server))
        switch cut {
        case .link: try await host.takeDown()
        case .udp: try await host.site.cutUDP()
        case .server:
            try await world.lab.block(from: host, to: server)
            try await world.lab.block(from: server, to: host)
        case .nat: try await host.site.flushMappings()
        }
    }

    private func end(_ cut: Cut, _ part: Part) async throws {
        let (host, server) = (try world.host(part), try world.host(.server))
        switch cut {
        case .link: try await host.bringUp()
        case .udp: try await host.site.restoreUDP()
        case .server:
            try await world.lab.unblock(from: host, to: server)
            try await world.lab.unblock(from: server, to: host)
        case .nat: break
        }
    }
}
