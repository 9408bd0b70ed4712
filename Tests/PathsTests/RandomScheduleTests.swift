import Paths
import Testing

/// Whatever happens, in whatever order: a few rules always hold.
@Suite struct RandomScheduleTests {
    @Test(arguments: 0..<16 as Range<UInt64>)
    func keepsItsPromises(seed: UInt64) throws {
        let world = try Simulation.withRelay(seed: seed, traffic: .milliseconds(15))
        var dice = Dice(state: seed &* 77 &+ 5)
        var nextID: UInt32 = 1
        var live: [PathID] = []
        for _ in 0..<60 {
            Self.act(on: world, live: &live, nextID: &nextID, dice: &dice)
            world.run(for: .milliseconds(Int64.random(in: 0...1_500, using: &dice)))
        }
        Self.heal(world)
        // At worst a lost path is next probed after 15 seconds and then serves 30 for flapping.
        world.run(for: .seconds(50))
        for person in world.people {
            let primary = try #require(person.manager.route.primary)
            let isDirect = live.contains { person.manager.status(of: $0)?.kind == .direct }
            #expect(person.manager.status(of: primary)?.standing == .working)
            #expect((person.manager.status(of: primary)?.kind == .direct) == isDirect)
            #expect(person.manager.route.duplicate == nil)
            #expect(person.densestSecond <= 400, "\(person.densestSecond) probes in a second")
        }
        #expect(world.spins == 0)
    }

    /// Everything works again.
    static func heal(_ world: Simulation) {
        for id in world.links.keys {
            world.links[id]?.isCut = [false, false]
            world.links[id]?.lossPercent = 0
        }
        for person in world.people {
            person.isAsleep = false
            person.manager.setRelayAvailable(true, now: world.now)
        }
    }

    static func act(on world: Simulation, live: inout [PathID], nextID: inout UInt32, dice: inout Dice) {
        let person = world.people[Int.random(in: 0...1, using: &dice)]
        let link = live.randomElement(using: &dice) ?? .relay
        switch Int.random(in: 0..<12, using: &dice) {
        case 0, 1:
            guard live.count < 4 else { return }
            let id = PathID(rawValue: nextID)
            nextID += 1
            live.append(id)
            let delay = TimeSpan.milliseconds(Int64.random(in: 0...150, using: &dice))
            let kind: PathKind = dice.isBelow(percent: 80) ? .direct : .turn
            world.add(id, kind: kind, isLocal: dice.isBelow(percent: 30), Link(delay: delay))
        case 2:
            guard let gone = live.randomElement(using: &dice) else { return }
            live.removeAll { $0 == gone }
            world.links[gone] = nil
            for person in world.people { person.manager.removePath(gone, now: world.now) }
        case 3, 4: world.links[link]?.isCut = [true, true]
        case 5: world.links[link]?.isCut[Int.random(in: 0...1, using: &dice)].toggle()
        case 6: world.links[link]?.isCut = [false, false]
        case 7: world.links[link]?.lossPercent = Int.random(in: 0...60, using: &dice)
        case 8: world.links[link]?.largestPacket = Int.random(in: 1_200...1_500, using: &dice)
        case 9: person.isAsleep.toggle()
        case 10: person.manager.setRelayAvailable(dice.isBelow(percent: 70), now: world.now)
        default: person.manager.setActivity(dice.isBelow(percent: 50) ? .idle : .onScreen, now: world.now)
        }
    }

    @Test func pollsNoMoreOftenThanItHasReason() throws {
        let world = try FailoverTests.direct(traffic: nil)
        let before = world.people.map(\.polls)
        world.run(for: .seconds(60))
        for (person, count) in zip(world.people, before) { #expect(person.polls - count < 500) }
    }

    @Test func aClockThatStandsStillOrGoesBackIsHarmless() throws {
        let world = try FailoverTests.direct()
        let alice = world.alice
        for back in [0, 1, 1_000, 1_000_000] as [Int64] {
            _ = alice.manager.poll(now: world.now - .milliseconds(back))
            alice.manager.packetReceived(on: .first, now: world.now - .milliseconds(back))
            alice.manager.packetSent(on: .first, count: 1, now: .distantPast)
        }
        world.run(for: .seconds(2))
        #expect(alice.manager.route.primary == .first)
        #expect(alice.count(where: \.isSuspected) == 0)
    }
}
