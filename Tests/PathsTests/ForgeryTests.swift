import Paths
import Testing

/// Probes that are not what they seem.
@Suite struct ForgeryTests {
    /// All probes that Alice sends at the beginning.
    static func probes(of person: Person, now: MonotonicTime) -> [[UInt8]] {
        person.manager.poll(now: now).compactMap { if case .send(let bytes, _) = $0 { bytes } else { nil } }
    }

    @Test func damagedProbesChangeNothing() throws {
        let world = try Simulation()
        for person in world.people { person.manager.addPath(.first, kind: .direct, now: world.now) }
        let ping = try #require(Self.probes(of: world.alice, now: world.now).first)
        let bob = world.bob
        _ = bob.manager.poll(now: world.now)
        let timeout = bob.manager.nextTimeout
        var dice = Dice(state: 11)
        for length in 0..<ping.count { #expect(!bob.receive([UInt8](ping[..<length]), on: .first, now: world.now)) }
        for _ in 0..<500 {
            var damaged = ping
            damaged[Int.random(in: 0..<damaged.count, using: &dice)] ^= UInt8.random(in: 1...255, using: &dice)
            #expect(!bob.receive(damaged, on: .first, now: world.now))
            let noise = (0..<Int.random(in: 0..<1_600, using: &dice)).map { _ in UInt8.random(in: 0...255, using: &dice)
            }
            #expect(!bob.receive([0x80] + noise, on: .first, now: world.now))
        }
        #expect(bob.manager.nextTimeout == timeout)
        #expect(bob.receive(ping, on: .first, now: world.now))
    }

    @Test func aRepeatedPongDoesNotReviveAPath() throws {
        let world = try FailoverTests.direct(traffic: nil)
        var recorded: [[UInt8]] = []
        // Bob's answers, recorded by somebody on the way.
        let alicePings = Self.pings(world, count: 5)
        for ping in alicePings {
            world.bob.manager.receiveProbe(ping, on: .first, now: world.now)
            recorded += Self.probes(of: world.bob, now: world.now)
        }
        for pong in recorded { world.alice.manager.receiveProbe(pong, on: .first, now: world.now) }
        world.links[.first]?.isCut = [true, true]
        world.run(for: .seconds(5))
        #expect(world.alice.manager.route.primary == .relay)
        for pong in recorded { #expect(!world.alice.receive(pong, on: .first, now: world.now)) }
        world.run(for: .milliseconds(500))
        #expect(world.alice.manager.route.primary == .relay)
    }

    /// Pings that Alice sends when her process asks for them.
    static func pings(_ world: Simulation, count: Int) -> [[UInt8]] {
        var pings: [[UInt8]] = []
        while pings.count < count {
            world.run(for: .milliseconds(50))
            world.alice.manager.probeTimeoutFired(now: world.now)
            pings += probes(of: world.alice, now: world.now)
        }
        return pings
    }

    @Test func aPongThatComesByAnotherPathProvesNothing() throws {
        let world = try Simulation()
        for person in world.people {
            person.manager.addPath(.relay, kind: .relay, now: world.now)
            person.manager.addPath(.first, kind: .direct, now: world.now)
        }
        var pings: [(bytes: [UInt8], path: PathID)] = []
        for action in world.alice.manager.poll(now: world.now) {
            if case .send(let bytes, let path) = action { pings.append((bytes, path)) }
        }
        let ping = try #require(pings.first { $0.path == .first })
        _ = world.bob.manager.poll(now: world.now)
        // Somebody carries Alice's ping to Bob over the relay, and his answer with it.
        #expect(world.bob.receive(ping.bytes, on: .relay, now: world.now))
        let pongs = Self.probes(of: world.bob, now: world.now)
        for pong in pongs { world.alice.manager.receiveProbe(pong, on: .relay, now: world.now) }
        #expect(world.alice.manager.status(of: .first)?.standing == .unproven)
        #expect(world.alice.manager.route.primary == .relay)
    }

    @Test func aFloodOfGenuinePingsIsAnsweredSparingly() throws {
        let now = MonotonicTime(nanoseconds: 1_000_000_000)
        let bob = try Person(1, now: now)
        bob.manager.addPath(.first, kind: .direct, now: now)
        var answers = 0
        // Alice sends on as many paths as she may, and all of it comes by one.
        let alice = try Person(0, now: now)
        for number in 1...16 as ClosedRange<UInt32> {
            alice.manager.addPath(PathID(rawValue: number), kind: .direct, now: now)
        }
        for step in 0..<1_000 {
            let time = now + .milliseconds(Int64(step))
            for probe in Self.probes(of: alice, now: time) { bob.manager.receiveProbe(probe, on: .first, now: time) }
            answers += Self.probes(of: bob, now: time).count
        }
        #expect(answers <= 256 + 60)
    }

    /// A manager before the handshake.
    final class Keyless {
        var manager: PathManager

        init(now: MonotonicTime) {
            manager = PathManager(now: now)
        }
    }

    @Test func withoutKeysOnlyTheRelayIsUsed() {
        let now = MonotonicTime(nanoseconds: 1_000_000_000)
        let holder = Keyless(now: now)
        holder.manager.addPath(.relay, kind: .relay, now: now)
        holder.manager.addPath(.first, kind: .direct, now: now)
        holder.manager.packetReceived(on: .first, now: now)
        let actions = holder.manager.poll(now: now)
        #expect(actions == [.event(.chosen(.relay, .relay, roundTrip: nil))])
        #expect(holder.manager.nextTimeout == nil)
        #expect(holder.manager.route == Route(primary: .relay, duplicate: nil, maximumPacketSize: 1452))
        let isGenuine = holder.manager.receiveProbe([UInt8](repeating: 0x80, count: 47), on: .first, now: now)
        #expect(!isGenuine)
    }
}
