import Paths
import Testing

/// How the packet size grows and shrinks.
@Suite struct PacketSizeTests {
    static func world(largest: Int) throws -> Simulation {
        let world = try Simulation.withRelay()
        var link = Link(delay: .milliseconds(10))
        link.largestPacket = largest
        world.add(.first, kind: .direct, link)
        return world
    }

    @Test(arguments: [(1200, 1200), (1279, 1200), (1280, 1280), (1300, 1280), (1450, 1400), (1500, 1452)])
    func settlesAtTheLargestSizeThatPasses(largest: Int, expected: Int) throws {
        let world = try Self.world(largest: largest)
        world.run(for: .seconds(5))
        for person in world.people {
            #expect(person.manager.route.primary == .first)
            #expect(person.manager.route.maximumPacketSize == expected)
            #expect(person.count(where: \.isSuspected) == 0)
        }
    }

    @Test func eachDirectionHasItsOwnSize() throws {
        let world = try Self.world(largest: 1500)
        world.run(for: .milliseconds(15))
        #expect(world.alice.manager.route.maximumPacketSize == 1452)
        world.run(for: .milliseconds(7))
        #expect(world.alice.manager.route == Route(primary: .first, duplicate: nil, maximumPacketSize: 1200))
        world.run(for: .milliseconds(25))
        #expect(world.alice.manager.route.maximumPacketSize == 1452)
    }

    @Test func leavesASizeThatNoLongerPasses() throws {
        let world = try Self.world(largest: 1500)
        world.run(for: .seconds(5))
        world.links[.first]?.largestPacket = 1410
        let start = world.now
        let fell = world.run(atMost: .seconds(3)) { world.alice.manager.route.maximumPacketSize < 1452 }
        #expect(fell)
        #expect(world.now - start <= .milliseconds(1_200))
        world.run(for: .seconds(1))
        for person in world.people {
            #expect(person.manager.route == Route(primary: .first, duplicate: nil, maximumPacketSize: 1400))
            #expect(person.count(where: \.isLost) == 0)
        }
    }

    @Test func takesTheLargerSizeUpAgainLater() throws {
        let world = try Self.world(largest: 1300)
        world.run(for: .seconds(5))
        world.links[.first]?.largestPacket = 1500
        world.run(for: .seconds(70))
        for person in world.people { #expect(person.manager.route.maximumPacketSize == 1452) }
    }

    @Test func aQUICTimeoutChecksTheSizeAtOnce() throws {
        let world = try Self.world(largest: 1500)
        world.run(for: .seconds(5))
        for person in world.people { person.sendsEvery = nil }
        world.run(for: .seconds(5))
        world.links[.first]?.largestPacket = 1250
        world.alice.manager.probeTimeoutFired(now: world.now)
        let fell = world.run(atMost: .milliseconds(600)) { world.alice.manager.route.maximumPacketSize == 1200 }
        #expect(fell)
    }

    @Test func startsSmallAgainAfterALoss() throws {
        let world = try Self.world(largest: 1500)
        world.run(for: .seconds(5))
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(2))
        world.links[.first]?.isCut = [false, false]
        world.links[.first]?.largestPacket = 1250
        world.run(for: .seconds(4))
        for person in world.people {
            #expect(person.manager.route == Route(primary: .first, duplicate: nil, maximumPacketSize: 1200))
        }
    }
}
