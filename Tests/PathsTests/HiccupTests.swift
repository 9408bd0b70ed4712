import Paths
import Testing

/// Noise that must not look like a failure, and failures that must not make the route oscillate.
@Suite struct HiccupTests {
    @Test(arguments: [60, 300, 2_000, 60_000] as [Int64])
    func aProcessThatSleptAsksBeforeItJudges(milliseconds: Int64) throws {
        let world = try FailoverTests.direct()
        for person in world.people { person.isAsleep = true }
        world.run(for: .milliseconds(milliseconds))
        let start = world.now
        for person in world.people { person.isAsleep = false }
        world.run(for: .seconds(10))
        for person in world.people {
            #expect(person.first(from: start) { $0.isSuspected || $0.isLost } == nil)
            #expect(person.manager.route.primary == .first)
            let roundTrip = try #require(person.manager.status(of: .first)?.roundTrip)
            #expect(roundTrip < .milliseconds(20))
        }
    }

    @Test(arguments: [60, 300, 2_000, 60_000] as [Int64])
    func aPeerThatSleptIsTakenBack(milliseconds: Int64) throws {
        let world = try FailoverTests.direct()
        world.alice.isAsleep = true
        world.run(for: .milliseconds(milliseconds))
        let start = world.now
        world.alice.isAsleep = false
        world.run(for: .seconds(milliseconds > 30_000 ? 16 : 3))
        #expect(world.alice.first(from: start) { $0.isLost } == nil)
        for person in world.people {
            #expect(person.manager.route == Route(primary: .first, duplicate: nil, maximumPacketSize: 1452))
        }
    }

    @Test func aFailureDuringSleepIsStillFound() throws {
        let world = try FailoverTests.direct()
        world.alice.isAsleep = true
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(20))
        let start = world.now
        world.alice.isAsleep = false
        world.run(for: .seconds(2))
        let suspected = try #require(world.alice.first(from: start) { $0.isSuspected })
        #expect(suspected - start <= .milliseconds(300))
        #expect(world.alice.manager.route.primary == .relay)
    }

    @Test func pollsThatAreAlwaysLateStillFindAFailure() throws {
        let world = try FailoverTests.direct()
        world.links[.first]?.isCut = [true, true]
        let start = world.now
        for _ in 0..<40 {
            world.alice.isAsleep = true
            world.run(for: .milliseconds(150))
            world.alice.isAsleep = false
            world.run(for: .zero)
        }
        #expect(world.alice.first(from: start) { $0.isLost } != nil)
    }

    @Test func lossOfFivePercentIsHardlyEverSuspected() throws {
        let world = try FailoverTests.direct(delay: .milliseconds(25))
        world.links[.first]?.lossPercent = 5
        world.run(for: .seconds(120))
        for person in world.people {
            #expect(person.count(where: \.isSuspected) <= 4)
            #expect(person.count(where: \.isLost) == 0)
            #expect(person.manager.route.maximumPacketSize == 1452)
        }
    }

    @Test func aQueueThatFillsQuicklyIsNoFailure() throws {
        let world = try FailoverTests.direct()
        for step in 1...15 as ClosedRange<Int64> {
            world.links[.first]?.delay[0] = .milliseconds(5 + 10 * step)
            world.run(for: .milliseconds(20))
        }
        world.run(for: .seconds(5))
        for person in world.people { #expect(person.count(where: \.isSuspected) == 0) }
    }

    @Test func aFlappingPathDoesNotOscillate() throws {
        let world = try FailoverTests.direct()
        let start = world.now
        for _ in 0..<60 {
            world.links[.first]?.isCut = [true, true]
            world.run(for: .seconds(2))
            world.links[.first]?.isCut = [false, false]
            world.run(for: .seconds(3))
        }
        for person in world.people {
            let changes = person.events.count { $0.at >= start && ($0.event.isChosen(.first)) }
            #expect(changes <= 16, "\(changes) in five minutes")
        }
        world.run(for: .seconds(40))
        for person in world.people { #expect(person.manager.route.primary == .first) }
    }

    @Test(arguments: [(300, 700), (150, 300)] as [(Int64, Int64)])
    func aPathWithShortOutagesIsGivenUp(down: Int64, up: Int64) throws {
        let world = try FailoverTests.direct()
        let start = world.now
        while world.now - start < .seconds(120) {
            world.links[.first]?.isCut = [true, true]
            world.run(for: .milliseconds(down))
            world.links[.first]?.isCut = [false, false]
            world.run(for: .milliseconds(up))
        }
        for person in world.people {
            #expect(person.manager.route.primary == .relay)
            #expect(person.count(where: \.isSuspected) <= 16)
        }
        let missing = world.alice.nextNumber - UInt64(world.bob.arrivals.count)
        #expect(missing < world.alice.nextNumber / 50, "\(missing) of \(world.alice.nextNumber)")
        world.run(for: .seconds(40))
        for person in world.people { #expect(person.manager.route.primary == .first) }
    }

    @Test func aFreshPathInheritsThePenaltyUnlessTheNetworkChanged() throws {
        for hasChanged in [false, true] {
            let world = try FailoverTests.direct()
            for _ in 0..<4 {
                world.links[.first]?.isCut = [true, true]
                world.run(for: .milliseconds(1_500))
                world.links[.first]?.isCut = [false, false]
                world.run(for: .milliseconds(6_500))
            }
            world.links[.first]?.isCut = [true, true]
            world.run(for: .milliseconds(1_500))
            if hasChanged {
                for person in world.people { person.manager.networkChanged(now: world.now) }
            }
            world.add(.second, kind: .direct, Link(delay: .milliseconds(5)))
            world.run(for: .milliseconds(500))
            for person in world.people {
                #expect(person.manager.route.primary == (hasChanged ? .second : .relay))
            }
            world.run(for: .seconds(31))
            for person in world.people { #expect(person.manager.route.primary == .second) }
        }
    }

    /// What serves a penalty is not probed so densely that the peer's bound on answers makes gaps.
    @Test func dataHeardOnALostPathDoesNotMultiplyProbes() throws {
        let world = try FailoverTests.direct()
        world.links[.first]?.isCut = [true, false]
        world.run(for: .seconds(3))
        for person in world.people { person.manager.setRelayAvailable(false, now: world.now) }
        let count = world.alice.probes.count
        world.run(for: .seconds(10))
        #expect(world.alice.probes.count - count < 200)
    }

    @Test func aQuietConversationCostsLittle() throws {
        for (activity, most) in [(PathActivity.onScreen, 150), (.idle, 12)] {
            let world = try FailoverTests.direct(traffic: nil)
            for person in world.people { person.manager.setActivity(activity, now: world.now) }
            let before = world.people.map(\.probes.count)
            world.run(for: .seconds(60))
            for (person, count) in zip(world.people, before) { #expect(person.probes.count - count <= most) }
        }
    }
}
