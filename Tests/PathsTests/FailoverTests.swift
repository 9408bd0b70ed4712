import Paths
import Testing

/// What happens when the direct path appears, goes dark and comes back.
@Suite struct FailoverTests {
    /// A world that has settled on a direct path with this one-way delay.
    static func direct(delay: TimeSpan = .milliseconds(5), traffic: TimeSpan? = .milliseconds(10)) throws -> Simulation
    {
        let world = try Simulation.withRelay(traffic: traffic)
        world.run(for: .milliseconds(100))
        world.add(.first, kind: .direct, Link(delay: delay))
        world.run(for: .seconds(3))
        for person in world.people {
            try #require(person.manager.route == Route(primary: .first, duplicate: nil, maximumPacketSize: 1452))
        }
        return world
    }

    @Test func beginsOnTheRelayAndMovesToDirectAfterOneAnswer() throws {
        let world = try Simulation.withRelay()
        world.run(for: .milliseconds(100))
        #expect(world.alice.manager.route == Route(primary: .relay, duplicate: nil, maximumPacketSize: 1452))
        world.add(.first, kind: .direct, Link(delay: .milliseconds(5)))
        let start = world.now
        world.run(for: .milliseconds(9))
        #expect(world.alice.manager.route.primary == .relay)
        world.run(for: .milliseconds(50))
        for person in world.people {
            let chosen = try #require(person.first(from: start) { $0.isChosen(.first) })
            #expect(chosen - start <= .milliseconds(15))
        }
    }

    @Test func neverUsesADirectPathThatWorksOneWayOnly() throws {
        for direction in 0...1 {
            let world = try Simulation.withRelay()
            var link = Link(delay: .milliseconds(5))
            link.isCut[direction] = true
            world.add(.first, kind: .direct, link)
            world.run(for: .seconds(30))
            for person in world.people {
                #expect(person.manager.route.primary == .relay)
                #expect(person.count { $0.isChosen(.first) } == 0)
            }
        }
    }

    @Test(arguments: [1, 5, 25, 50, 100, 200])
    func suspectsADarkPathInTimeAndLosesItLater(delay: Int64) throws {
        let world = try Self.direct(delay: .milliseconds(delay))
        let roundTrip = TimeSpan.milliseconds(2 * delay)
        world.links[.first]?.isCut = [true, true]
        let start = world.now
        world.run(for: .seconds(3))
        for person in world.people {
            let suspected = try #require(person.first(from: start) { $0.isSuspected })
            let limit = max(roundTrip * 2, .milliseconds(100)) + max(roundTrip / 2, .milliseconds(40))
            // The last packets to arrive were sent before the cut, half a round trip earlier.
            #expect(suspected - start <= limit + .milliseconds(delay))
            let lost = try #require(person.first(from: start) { $0.isLost })
            #expect(lost - suspected == .milliseconds(600))
            #expect(person.manager.route == Route(primary: .relay, duplicate: nil, maximumPacketSize: 1452))
        }
    }

    @Test func sendsEveryPacketTwiceWhileInDoubt() throws {
        let world = try Self.direct()
        world.links[.first]?.isCut = [true, true]
        #expect(world.run(atMost: .milliseconds(200)) { world.alice.manager.route.duplicate != nil })
        #expect(world.alice.manager.route == Route(primary: .first, duplicate: .relay, maximumPacketSize: 1452))
    }

    @Test func deliveryPausesForLessThanAQuarterSecondWhenThePathGoesDark() throws {
        let world = try Self.direct()
        let start = world.now - .milliseconds(50)
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(5))
        for person in world.people {
            #expect(world.longestGap(at: person, from: start) <= .milliseconds(250))
        }
    }

    @Test func returnsToAPathThatAnswersAgain() throws {
        let world = try Self.direct()
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(5))
        world.links[.first]?.isCut = [false, false]
        let start = world.now
        world.run(for: .seconds(3))
        for person in world.people {
            let restored = try #require(person.first(from: start) { $0.isRestored })
            #expect(restored - start <= .milliseconds(1200))
            #expect(person.manager.route == Route(primary: .first, duplicate: nil, maximumPacketSize: 1452))
        }
    }

    @Test func returnsLateAfterALongFailureButReturns() throws {
        let world = try Self.direct()
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(300))
        world.links[.first]?.isCut = [false, false]
        world.run(for: .seconds(16))
        for person in world.people { #expect(person.manager.route.primary == .first) }
    }

    @Test(arguments: [0, 1], [[true, true], [true, false], [false, true]])
    func bothSidesSeeAOneWayFailureWithinAQuarterSecond(direction: Int, senders: [Bool]) throws {
        let world = try Self.direct(traffic: nil)
        for (person, sends) in zip(world.people, senders) where sends {
            person.sendsEvery = .milliseconds(10)
        }
        for (person, sends) in zip(world.people, senders) where !sends { person.acknowledges = true }
        world.run(for: .milliseconds(500))
        world.links[.first]?.isCut[direction] = true
        let start = world.now
        world.run(for: .seconds(2))
        for person in world.people {
            let suspected = try #require(person.first(from: start) { $0.isSuspected })
            #expect(suspected - start <= .milliseconds(250))
            #expect(person.first(from: start) { $0.isLost } != nil)
            #expect(person.manager.route.primary == .relay)
        }
        for (sender, receiver) in [(0, world.bob), (1, world.alice)] where senders[sender] && direction == sender {
            #expect(world.longestGap(at: receiver, from: start - .milliseconds(50)) <= .milliseconds(250))
        }
    }

    @Test func aSilentPeerIsNoFailure() throws {
        let world = try Self.direct(traffic: nil)
        world.run(for: .seconds(120))
        world.sendOne(from: 0)
        world.run(for: .seconds(120))
        for person in world.people {
            #expect(person.count(where: \.isSuspected) == 0)
            #expect(person.manager.route.primary == .first)
        }
    }

    @Test func dataAfterSilenceFindsADarkPathAtOnce() throws {
        let world = try Self.direct(traffic: nil)
        for person in world.people { person.manager.setActivity(.idle, now: world.now) }
        world.run(for: .milliseconds(14_000))
        world.links[.first]?.isCut = [true, true]
        let start = world.now
        world.sendOne(from: 0)
        world.run(for: .milliseconds(150))
        let suspected = try #require(world.alice.first(from: start) { $0.isSuspected })
        #expect(suspected - start <= .milliseconds(110))
        #expect(world.bob.first(from: start) { $0.isSuspected } != nil)
    }

    @Test func staysOnTheDirectPathWhileTheRelayIsAway() throws {
        let world = try Self.direct()
        for person in world.people { person.manager.setRelayAvailable(false, now: world.now) }
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(10))
        for person in world.people {
            #expect(person.manager.route.primary == .first)
            #expect(person.manager.route.duplicate == nil)
            person.manager.setRelayAvailable(true, now: world.now)
            #expect(person.manager.route.primary == .relay)
            person.manager.setRelayAvailable(false, now: world.now)
        }
        world.links[.first]?.isCut = [false, false]
        world.run(for: .seconds(3))
        for person in world.people {
            #expect(person.manager.route == Route(primary: .first, duplicate: nil, maximumPacketSize: 1452))
        }
    }

    @Test func staysOnTheRelayWhenNothingIsLeft() throws {
        let world = try Self.direct()
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(5))
        for person in world.people { person.manager.setRelayAvailable(false, now: world.now) }
        world.run(for: .seconds(5))
        for person in world.people { #expect(person.manager.route.primary == .relay) }
    }

    @Test func aFreshPathReplacesALostOne() throws {
        let world = try Self.direct()
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(2))
        world.add(.second, kind: .direct, Link(delay: .milliseconds(7)))
        world.run(for: .milliseconds(100))
        for person in world.people {
            #expect(person.manager.route.primary == .second)
            person.manager.removePath(.first, now: world.now)
        }
        world.run(for: .seconds(2))
        for person in world.people {
            #expect(person.manager.route == Route(primary: .second, duplicate: nil, maximumPacketSize: 1452))
        }
    }
}
