import Paths

/// A small generator of repeatable pseudo-random numbers (SplitMix64).
struct Dice: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func isBelow(percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &self) < percent
    }
}

/// One path between two people, with a fate for each direction.
struct Link {
    var delay: [TimeSpan]
    var isCut = [false, false]
    var lossPercent = 0
    var largestPacket = 65_535

    init(delay: TimeSpan) {
        self.delay = [delay, delay]
    }
}

/// One of two people: a path manager and what it said.
final class Person {
    var manager: PathManager
    var events: [(at: MonotonicTime, event: PathEvent)] = []
    var probes: [(at: MonotonicTime, path: PathID)] = []
    /// The newest data packets by the path they came on, and when each number came first.
    var arrivals: [UInt64: MonotonicTime] = [:]
    var nextNumber: UInt64 = 0
    var sendsEvery: TimeSpan?
    var nextSend: MonotonicTime = .distantPast
    /// Answers each data packet with one of its own, as QUIC does with about every second.
    var acknowledges = false
    /// While true nothing runs here and packets wait, as in a stopped process.
    var isAsleep = false
    var polls = 0

    init(_ index: Int, now: MonotonicTime) throws {
        manager = PathManager(remoteTag: ConnectionTag(rawValue: index == 0 ? 0xB0B : 0xA11CE), now: now)
        let first = [UInt8](repeating: 1, count: 32)
        let second = [UInt8](repeating: 2, count: 32)
        let keys =
            index == 0
            ? try ProbeKeys(send: first, receive: second) : try ProbeKeys(send: second, receive: first)
        manager.install(keys: keys, now: now)
    }

    /// Whether the packet was a genuine new probe.
    func receive(_ packet: [UInt8], on path: PathID, now: MonotonicTime) -> Bool {
        manager.receiveProbe(packet, on: path, now: now)
    }

    func poll(now: MonotonicTime) -> [PathAction] {
        manager.poll(now: now)
    }

    func first(_ event: PathEvent) -> MonotonicTime? {
        events.first { $0.event == event }?.at
    }

    func first(from start: MonotonicTime, where matches: (PathEvent) -> Bool) -> MonotonicTime? {
        events.first { $0.at >= start && matches($0.event) }?.at
    }

    func count(where matches: (PathEvent) -> Bool) -> Int {
        events.count { matches($0.event) }
    }

    /// The largest number of probes sent within any second.
    var densestSecond: Int {
        var start = 0
        var most = 0
        for (end, probe) in probes.enumerated() {
            while probe.at - probes[start].at >= .seconds(1) { start += 1 }
            most = max(most, end - start + 1)
        }
        return most
    }
}

/// Two people and the links between them, in virtual time.
final class Simulation {
    struct Packet {
        var at: MonotonicTime
        var order: Int
        var to: Int
        var path: PathID
        var bytes: [UInt8]
    }

    private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000)
    let people: [Person]
    var links: [PathID: Link] = [:]
    var dice: Dice
    /// Polls after which the announced timeout was not in the future.
    private(set) var spins = 0
    private var flying: [Packet] = []
    private var order = 0

    var alice: Person { people[0] }
    var bob: Person { people[1] }

    init(seed: UInt64 = 1) throws {
        dice = Dice(state: seed)
        people = [try Person(0, now: now), try Person(1, now: now)]
    }

    /// The usual world: a relay (20 ms each way), and data both ways every 10 ms.
    static func withRelay(seed: UInt64 = 1, traffic: TimeSpan? = .milliseconds(10)) throws -> Simulation {
        let world = try Simulation(seed: seed)
        world.add(.relay, kind: .relay, Link(delay: .milliseconds(20)))
        for person in world.people { person.sendsEvery = traffic }
        return world
    }

    func add(_ id: PathID, kind: PathKind, isLocal: Bool = false, _ link: Link) {
        links[id] = link
        for person in people {
            person.manager.addPath(id, kind: kind, isLocal: isLocal, now: now)
        }
    }

    func send(_ bytes: [UInt8], from: Int, on path: PathID) {
        guard let link = links[path], !link.isCut[from], bytes.count <= link.largestPacket,
            !dice.isBelow(percent: link.lossPercent)
        else { return }
        order += 1
        flying.append(Packet(at: now + link.delay[from], order: order, to: 1 - from, path: path, bytes: bytes))
    }

    /// Runs until `end` (exclusive of nothing: events at `end` happen).
    func run(for span: TimeSpan) {
        let end = now + span
        while true {
            settle()
            let moments = flying.filter { !people[$0.to].isAsleep }.map(\.at) + people.flatMap(wakeTimes)
            guard let next = moments.min(), next <= end else { break }
            now = max(now, next)
        }
        now = end
        settle()
    }

    /// Runs until `condition` holds or `limit` has passed; whether it holds.
    func run(atMost limit: TimeSpan, until condition: () -> Bool) -> Bool {
        let end = now + limit
        while !condition() && now < end { run(for: .milliseconds(1)) }
        return condition()
    }

    private func wakeTimes(of person: Person) -> [MonotonicTime] {
        if person.isAsleep { return [] }
        return [person.manager.nextTimeout, person.sendsEvery.map { _ in person.nextSend }].compactMap(\.self)
    }

    private func settle() {
        deliver()
        for (index, person) in people.enumerated() where !person.isAsleep {
            sendData(person, index)
            if let timeout = person.manager.nextTimeout, timeout <= now { poll(person, index) }
        }
    }

    private func deliver() {
        guard flying.contains(where: { $0.at <= now && !people[$0.to].isAsleep }) else { return }
        let due = flying.filter { $0.at <= now && !people[$0.to].isAsleep }
            .sorted { ($0.at, $0.order) < ($1.at, $1.order) }
        flying.removeAll { $0.at <= now && !people[$0.to].isAsleep }
        for packet in due {
            let person = people[packet.to]
            if packet.bytes.first == 0x80 {
                person.manager.receiveProbe(packet.bytes, on: packet.path, now: now)
            } else {
                person.manager.packetReceived(on: packet.path, now: now)
                if person.acknowledges, packet.bytes[0] == 0x40 { sendOne(from: packet.to, firstByte: 0x41) }
                let number = packet.bytes[1..<9].reduce(0) { $0 << 8 | UInt64($1) }
                if person.arrivals[number] == nil { person.arrivals[number] = now }
            }
        }
    }

    private func sendData(_ person: Person, _ index: Int) {
        guard let interval = person.sendsEvery, person.nextSend <= now else { return }
        person.nextSend = now + interval
        sendOne(from: index)
    }

    /// Sends one data packet, as large as the route allows, where the route says.
    func sendOne(from index: Int, firstByte: UInt8 = 0x40) {
        let person = people[index]
        let route = person.manager.route
        var bytes = [UInt8](repeating: 0x40, count: route.maximumPacketSize)
        bytes[0] = firstByte
        for (offset, byte) in ConnectionTag(rawValue: person.nextNumber).bytes.enumerated() { bytes[1 + offset] = byte }
        person.nextNumber += 1
        for path in [route.primary, route.duplicate].compactMap(\.self) {
            person.manager.packetSent(on: path, count: 1, now: now)
            send(bytes, from: index, on: path)
        }
    }

    func poll(_ person: Person, _ index: Int) {
        person.polls += 1
        for action in person.manager.poll(now: now) {
            switch action {
            case .send(let bytes, let path):
                person.probes.append((now, path))
                send(bytes, from: index, on: path)
            case .event(let event):
                person.events.append((now, event))
            }
        }
        if let timeout = person.manager.nextTimeout, timeout <= now { spins += 1 }
    }

    /// The longest time, after `start`, without a new data packet at this person.
    func longestGap(at person: Person, from start: MonotonicTime) -> TimeSpan {
        let times = person.arrivals.values.filter { $0 >= start }.sorted()
        return zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .zero
    }
}

extension PathEvent {
    var isSuspected: Bool { if case .suspected = self { true } else { false } }
    var isLost: Bool { if case .lost = self { true } else { false } }
    var isRestored: Bool { if case .restored = self { true } else { false } }

    func isChosen(_ id: PathID) -> Bool {
        if case .chosen(id, _, _) = self { true } else { false }
    }
}

extension PathID {
    static let first = PathID(rawValue: 1)
    static let second = PathID(rawValue: 2)
}
