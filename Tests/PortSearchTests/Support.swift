import Paths
import Wire

@testable import PortSearch

/// A generator whose sequence a seed decides (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

let hardAddress = IPAddress.v4(203, 0, 113, 7)
let proberEndpoint = Endpoint(address: .v4(198, 51, 100, 9), port: 40_000)
let start = MonotonicTime(nanoseconds: 1_000_000_000)

func keys(isOfferer: Bool, id: UInt8 = 1, own: UInt8? = nil) -> SearchKeys {
    let (offerer, answerer) = ([UInt8](repeating: own ?? 10, count: 32), [UInt8](repeating: 20, count: 32))
    guard
        let keys = SearchKeys(
            connectionID: [UInt8](repeating: id, count: 16), own: isOfferer ? offerer : answerer,
            peer: isOfferer ? answerer : offerer, isOfferer: isOfferer)
    else { preconditionFailure("the sizes are right") }
    return keys
}

func opener(now: MonotonicTime = start) -> PortSearch {
    PortSearch(
        role: .opener, keys: keys(isOfferer: true), remote: proberEndpoint, ports: [], number: 0, now: now)
}

func prober(ports: [UInt16], now: MonotonicTime = start) -> PortSearch {
    PortSearch(
        role: .prober, keys: keys(isOfferer: false), remote: Endpoint(address: hardAddress, port: 5_000), ports: ports,
        number: 77, now: now)
}

/// Two sides with their NATs in virtual time: the opener's maps each socket to a random port, the prober's maps alike for
/// everybody; both let in only what comes from where the socket has sent to.
struct World: ~Copyable {
    var opener: PortSearch
    var prober: PortSearch
    var now = start
    /// Public port of each of the opener's sockets, once it has sent.
    private var mappings: [Int: UInt16] = [:]
    private var sockets: [UInt16: Int] = [:]
    /// Ports that the prober has sent to.
    private var probed: Set<UInt16> = []
    private var chosen: [UInt16]
    private var generator: Seeded
    private let loss: Int
    /// When each packet went out, by sender.
    var openerTimes: [MonotonicTime] = []
    var proberTimes: [MonotonicTime] = []

    init(seed: UInt64, loss: Int = 0, probes: Int = SearchLimits.probes) {
        var generator = Seeded(state: seed)
        opener = PortSearchTests.opener()
        prober = PortSearchTests.prober(ports: SearchPorts.draw(probes, using: &generator))
        chosen = SearchPorts.draw(SearchLimits.sockets, using: &generator)
        self.generator = generator
        self.loss = loss
    }

    mutating func run(until end: TimeSpan) {
        while now - start < end, !(opener.isOver(now: now) && prober.isOver(now: now)) {
            step()
            now = now + .milliseconds(5)
        }
    }

    private mutating func step() {
        while let packet = opener.nextPacket(now: now) {
            openerTimes.append(now)
            let port = mappings[packet.socket] ?? chosen[packet.socket]
            mappings[packet.socket] = port
            sockets[port] = packet.socket
            if probed.contains(port), !isLost() {
                prober.receive(
                    packet.bytes, from: Endpoint(address: hardAddress, port: port), socket: 0, now: now)
            }
        }
        while let packet = prober.nextPacket(now: now) {
            proberTimes.append(now)
            probed.insert(packet.destination.port)
            if let socket = sockets[packet.destination.port], !isLost() {
                opener.receive(packet.bytes, from: proberEndpoint, socket: socket, now: now)
            }
        }
    }

    private mutating func isLost() -> Bool { Int.random(in: 0..<100, using: &generator) < loss }
}
