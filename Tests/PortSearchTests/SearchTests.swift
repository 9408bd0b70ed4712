import Paths
import Testing
import Wire

@testable import PortSearch

struct SearchTests {
    @Test func findsTheSamePairOnBothSides() {
        var found = 0
        for seed in 0..<200 as Range<UInt64> {
            var world = World(seed: seed)
            world.run(until: .seconds(25))
            guard case .found(_, let remote, let port) = world.prober.outcome else { continue }
            guard case .found(let socket, proberEndpoint, port) = world.opener.outcome else {
                Issue.record("seed \(seed): \(world.opener.outcome)")
                continue
            }
            #expect((0..<SearchLimits.sockets).contains(socket))
            #expect(remote == Endpoint(address: hardAddress, port: port))
            found += 1
        }
        // 99.97 percent each: fewer than 197 of 200 would be a chance of one in ten million.
        #expect(found >= 197)
    }

    @Test func findsItThroughLoss() {
        var found = 0
        for seed in 0..<50 as Range<UInt64> {
            var world = World(seed: seed, loss: 20)
            world.run(until: .seconds(25))
            if case .found = world.prober.outcome, case .found = world.opener.outcome { found += 1 }
        }
        #expect(found >= 45)
    }

    @Test func neverExceedsItsRateToOneAddress() {
        for seed in 0..<5 as Range<UInt64> {
            // Ports that are never met: both sides go on to the end.
            var world = World(seed: seed, loss: 100)
            world.run(until: .seconds(25))
            for times in [world.openerTimes, world.proberTimes] {
                expectRate(times)
            }
            let counts = [world.proberTimes.count, world.openerTimes.count]
            #expect(counts == [SearchLimits.probes, 2 * SearchLimits.sockets])
            let outcomes = [world.prober.outcome, world.opener.outcome]
            #expect(outcomes == [.failed, .failed])
        }
    }

    @Test func makesNoUpForALateLoop() {
        var generator = Seeded(state: 3)
        var search = prober(ports: SearchPorts.draw(SearchLimits.probes, using: &generator))
        var count = 0
        for second in [0, 5, 10] {
            while search.nextPacket(now: start + .seconds(Int64(second))) != nil { count += 1 }
        }
        #expect(count <= 3 * Int(SearchLimits.maximumBurst))
        let late = search.nextPacket(now: start + .seconds(21))
        #expect(late == nil)
        let (outcome, isOver) = (search.outcome, search.isOver(now: start + .seconds(21)))
        #expect(outcome == .failed && isOver)
    }

    /// In every window: what the rate allows and one burst.
    private func expectRate(_ times: [MonotonicTime]) {
        var first = 0
        for last in times.indices {
            while times[last] - times[first] > .seconds(1) { first += 1 }
            #expect(
                last - first + 1 <= Int(SearchLimits.packetsPerSecond) + Int(SearchLimits.maximumBurst))
        }
    }

    @Test func probesAtOnceWhereAnOpeningCameFrom() {
        var probing = prober(ports: [])
        var opening = opener()
        guard let packet = opening.nextPacket(now: start) else {
            Issue.record("no opening")
            return
        }
        #expect(packet.destination == proberEndpoint && packet.bytes.count == 32)
        let source = Endpoint(address: hardAddress, port: 33_333)
        for _ in 0..<10 { probing.receive(packet.bytes, from: source, socket: 0, now: start) }
        let (first, second) = (probing.nextPacket(now: start), probing.nextPacket(now: start + .seconds(1)))
        #expect(first?.destination == source)
        #expect(second == nil)
    }

    @Test func repeatsWhatMayHaveBeenLostAndStops() {
        var probing = prober(ports: [2_000])
        var opening = opener()
        let source = Endpoint(address: hardAddress, port: 2_000)
        var time = start
        guard let probe = probing.nextPacket(now: time) else {
            Issue.record("no probe")
            return
        }
        for _ in 0..<3 { opening.receive(probe.bytes, from: proberEndpoint, socket: 9, now: time) }
        var replies: [PortSearch.Outgoing] = []
        while time - start < .seconds(3) {
            while let packet = opening.nextPacket(now: time) { if packet.socket == 9 { replies.append(packet) } }
            time = time + .milliseconds(10)
        }
        // Six replies and the opening of that socket.
        #expect(replies.count <= SearchLimits.repetitions + 1)
        for reply in replies { probing.receive(reply.bytes, from: source, socket: 0, now: time) }
        let probingOutcome = probing.outcome
        #expect(probingOutcome == .found(socket: 0, remote: source, port: 2_000))
        var confirmations: [[UInt8]] = []
        for _ in 0..<300 {
            while let packet = probing.nextPacket(now: time) { confirmations.append(packet.bytes) }
            time = time + .milliseconds(10)
        }
        #expect(confirmations.count == SearchLimits.repetitions)
        let isOver = probing.isOver(now: time)
        #expect(isOver)
        guard let last = confirmations.last else { return }
        opening.receive(last, from: proberEndpoint, socket: 9, now: time)
        let openingOutcome = opening.outcome
        #expect(openingOutcome == .found(socket: 9, remote: proberEndpoint, port: 2_000))
        let further = opening.nextPacket(now: time)
        #expect(further == nil)
    }
}
