import Noise
import Paths
import SecureTransport

/// What packets of all flows share, in one direction.
struct Bottleneck {
    var bitsPerSecond: Double
    /// One way.
    var delay: UInt64
    /// Bytes that may wait; what does not fit is lost.
    var queue: Double
    var loss = 0.0
    var freeAt: UInt64 = 0

    /// When a packet that is sent now arrives; nil if it is lost.
    mutating func arrival(of size: Int, now: UInt64, _ generator: inout SplitMix) -> UInt64? {
        if loss > 0, generator.chance(loss) { return nil }
        let begin = max(freeAt, now)
        guard Double(begin - now) * bitsPerSecond / 8e9 <= queue else { return nil }
        freeAt = begin + UInt64(Double(size * 8) / bitsPerSecond * 1e9)
        return freeAt + delay
    }
}

struct SplitMix {
    var state: UInt64

    mutating func chance(_ probability: Double) -> Bool {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((value ^ (value >> 31)) >> 11) / Double(1 << 53) < probability
    }
}

/// Packets on their way over one path in one direction: first in, first out.
struct Flights {
    private var packets: [(at: UInt64, flow: Int, bytes: [UInt8])] = []
    private var next = 0

    var firstArrival: UInt64? { next < packets.count ? packets[next].at : nil }

    mutating func append(at: UInt64, flow: Int, _ bytes: [UInt8]) {
        packets.append((at, flow, bytes))
    }

    mutating func popFirst() -> (flow: Int, bytes: [UInt8]) {
        let packet = packets[next]
        packets[next].bytes = []
        next += 1
        if next > 10_000 {
            packets.removeFirst(next)
            next = 0
        }
        return (packet.flow, packet.bytes)
    }
}

/// One transfer from a client to a server.
final class Flow {
    let client: SecureSession
    var server: SecureSession?
    var stream: StreamID?
    let begins: UInt64
    var received = 0

    init(_ client: SecureSession, begins: UInt64) {
        self.client = client
        self.begins = begins
    }
}

/// Flows in virtual time over paths that they share.
final class Simulation {
    static let second: UInt64 = 1_000_000_000

    var now: UInt64 = second
    var flows: [Flow] = []
    /// Forward and backward, of each path.
    var paths: [PathID: (forward: Bottleneck, backward: Bottleneck)] = [:]
    private var forward: [PathID: Flights] = [:]
    private var backward: [PathID: Flights] = [:]
    private var generator: SplitMix
    private let keys: [UInt8] = (1...32).map(UInt8.init)
    private let block = [UInt8](repeating: 7, count: 1 << 20)
    private let configuration: SessionConfiguration

    init(_ control: CongestionControl, seed: UInt64 = 1) {
        generator = SplitMix(state: seed)
        var configuration = SessionConfiguration()
        configuration.congestionControl = control
        self.configuration = configuration
    }

    private var time: MonotonicTime { MonotonicTime(nanoseconds: now) }

    private func serverKeys() throws -> KeyPair { try KeyPair(secret: SecretBytes(copying: keys)) }

    func addFlow(after seconds: Double = 0) throws {
        let session = try SecureSession.connect(
            keys: .generate(), to: serverKeys().publicKey, greeting: [], configuration: configuration, now: time)
        session.addPath(.relay, kind: .relay, now: time)
        flows.append(Flow(session, begins: now + UInt64(seconds * 1e9)))
    }

    func addPath(_ id: PathID, _ bottleneck: Bottleneck) {
        var backward = bottleneck
        backward.loss = 0
        paths[id] = (bottleneck, backward)
        guard id != .relay else { return }
        for flow in flows {
            flow.client.addPath(id, kind: .direct, now: time)
            flow.server?.addPath(id, kind: .direct, now: time)
        }
    }

    /// Runs until `seconds` after the beginning; calls `sample` about every 10 ms.
    func run(until seconds: Double, sample: () -> Void = {}) throws {
        let end = Self.second + UInt64(seconds * 1e9)
        var sampled = now
        while now < end {
            for index in flows.indices where flows[index].begins <= now { try work(index) }
            var next = end
            for queue in [forward, backward] {
                for flights in queue.values { next = min(next, flights.firstArrival ?? end) }
            }
            for flow in flows {
                if flow.begins > now {
                    next = min(next, flow.begins)
                    continue
                }
                for session in [flow.client, flow.server] {
                    if let due = session?.nextTimeout?.nanoseconds { next = min(next, due) }
                }
            }
            now = max(now, next)
            try deliver()
            if now - sampled >= 10_000_000 {
                sampled = now
                sample()
            }
        }
    }

    private func work(_ index: Int) throws {
        let flow = flows[index]
        flow.client.handleTimeout(now: time)
        flow.server?.handleTimeout(now: time)
        while let event = flow.client.pollEvent() {
            if case .handshakeCompleted = event { flow.stream = try flow.client.openStream() }
            if case .closed(let reason) = event { print("closed", reason) }
        }
        while let event = flow.server?.pollEvent() {
            guard case .streamReadable(let id) = event, let server = flow.server else { continue }
            flow.received += try server.read(from: id, maxLength: .max).count
        }
        if let stream = flow.stream, flow.client.writableBytes(of: stream) >= 1 << 20 {
            try flow.client.write(block, to: stream)
        }
        flow.client.transmit(now: time) { send($0, $1, on: $2, flow: index, isForward: true) }
        flow.server?.transmit(now: time) { send($0, $1, on: $2, flow: index, isForward: false) }
    }

    private func send(
        _ packets: UnsafeRawBufferPointer, _ segment: Int, on path: PathID, flow: Int, isForward: Bool
    ) {
        for start in stride(from: 0, to: packets.count, by: segment) {
            let packet = packets[start..<min(start + segment, packets.count)]
            if isForward {
                if let at = paths[path]?.forward.arrival(of: packet.count, now: now, &generator) {
                    forward[path, default: Flights()].append(at: at, flow: flow, Array(packet))
                }
            } else if let at = paths[path]?.backward.arrival(of: packet.count, now: now, &generator) {
                backward[path, default: Flights()].append(at: at, flow: flow, Array(packet))
            }
        }
    }

    private func deliver() throws {
        for path in paths.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
            while let at = forward[path]?.firstArrival, at <= now {
                guard let (flow, bytes) = forward[path]?.popFirst() else { break }
                try bytes.withUnsafeBytes { try toServer($0, flow: flows[flow], on: path) }
            }
            while let at = backward[path]?.firstArrival, at <= now {
                guard let (flow, bytes) = backward[path]?.popFirst() else { break }
                bytes.withUnsafeBytes { flows[flow].client.receive($0, on: path, now: time) }
            }
        }
    }

    private var calls = IncomingCalls<Int>()

    private func toServer(_ packet: UnsafeRawBufferPointer, flow: Flow, on path: PathID) throws {
        if let server = flow.server { return server.receive(packet, on: path, now: time) }
        guard case .initial(let destination) = SecureSession.classify(packet) else { return }
        let call = try calls.receive(
            packet, destination: destination, from: 0, to: serverKeys().publicKey, configuration: configuration,
            now: time, admits: { true })
        guard let call else { return }
        flow.server = try SecureSession.accept(
            call, keys: serverKeys(), on: .relay, authorize: { _, _ in [] }, now: time)
    }
}
