import Noise
import Paths
import TestTools

@testable import SecureTransport

extension SeededGenerator {
    mutating func chance(_ probability: Double) -> Bool {
        Double(next() >> 11) / Double(1 << 53) < probability
    }
}

/// One direction of one path.
struct Link: Sendable {
    var delay: TimeSpan = .milliseconds(10)
    var jitter: TimeSpan = .zero
    var bitsPerSecond: Double = 1e9
    var loss = 0.0
    var duplication = 0.0
    var corruption = 0.0
    var largestPacket = 1500
    var isDark = false
    /// What may wait at the bottleneck.
    var queueLimit: TimeSpan = .milliseconds(100)

    var freeAt = MonotonicTime.distantPast
    var packets = 0
}

/// Two ends, links between them, and a clock that jumps from one thing to the next.
final class VirtualNetwork {
    enum Side: Int {
        case client, server

        var other: Side { self == .client ? .server : .client }
    }

    struct Flight {
        var at: MonotonicTime
        var to: Side
        var path: PathID
        var bytes: [UInt8]
    }

    static let start = MonotonicTime(nanoseconds: 1_000_000_000)
    /// As long as one with a token and a name, and so long that message 1 takes two datagrams.
    static let longGreeting = [UInt8](repeating: 0x61, count: 110)

    var now = VirtualNetwork.start
    var generator: SeededGenerator
    private var links: [PathID: [Link]] = [:]
    private var flights: [Flight] = []

    let client: TestEnd
    var server: TestEnd?
    let serverKeys: KeyPair
    let serverConfiguration: SessionConfiguration
    var authorize: (PublicKey, [UInt8]) -> [UInt8]? = { _, _ in Array("welcome".utf8) }
    var acceptErrors: [TransportError] = []
    var accepted = 0
    /// Calls to the server of which a part has come.
    var calls = IncomingCalls<PathID>()
    /// Every packet sent, when set.
    var tap: ((Side, PathID, [UInt8]) -> Void)?

    init(
        seed: UInt64 = 1, client configuration: SessionConfiguration = SessionConfiguration(),
        server serverConfiguration: SessionConfiguration = SessionConfiguration(),
        relay: Link = Link(), serverKeys: consuming KeyPair = .generate(), calling: PublicKey? = nil,
        greeting: [UInt8] = Array("hello".utf8)
    ) throws {
        generator = SeededGenerator(seed: seed)
        let session = try SecureSession.connect(
            keys: .generate(), to: calling ?? serverKeys.publicKey, greeting: greeting, configuration: configuration,
            now: now)
        client = TestEnd(session)
        self.serverKeys = serverKeys
        self.serverConfiguration = serverConfiguration
        links[.relay] = [relay, relay]
        session.addPath(.relay, kind: .relay, now: now)
    }

    func end(_ side: Side) -> TestEnd? { side == .client ? client : server }

    /// The link that `side` sends on.
    subscript(_ path: PathID, from side: Side) -> Link {
        get { links[path]?[side.rawValue] ?? Link() }
        set { links[path, default: [Link(), Link()]][side.rawValue] = newValue }
    }

    func change(_ path: PathID, _ body: (inout Link) -> Void) {
        body(&self[path, from: .client])
        body(&self[path, from: .server])
    }

    /// Adds a path on both ends.
    func addPath(_ path: PathID, kind: PathKind, _ link: Link) {
        links[path] = [link, link]
        client.session.addPath(path, kind: kind, now: now)
        server?.session.addPath(path, kind: kind, now: now)
        flush()
    }

    // MARK: Packets

    func put(_ bytes: [UInt8], from side: Side, on path: PathID) {
        tap?(side, path, bytes)
        var link = self[path, from: side]
        link.packets += 1
        self[path, from: side] = link
        guard !link.isDark, bytes.count <= link.largestPacket, !generator.chance(link.loss) else { return }
        let begin = max(link.freeAt, now)
        guard begin - now <= link.queueLimit else { return }
        link.freeAt = begin + .nanoseconds(Int64(Double(bytes.count * 8) / link.bitsPerSecond * 1e9))
        self[path, from: side] = link
        fly(bytes, to: side.other, on: path, link)
        if generator.chance(link.duplication) { fly(bytes, to: side.other, on: path, link) }
    }

    private func fly(_ bytes: [UInt8], to side: Side, on path: PathID, _ link: Link) {
        var bytes = bytes
        if generator.chance(link.corruption), !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            bytes[index] ^= UInt8.random(in: 1...255, using: &generator)
        }
        var at = link.freeAt + link.delay
        if link.jitter > .zero {
            at = at + .nanoseconds(Int64.random(in: 0...link.jitter.nanoseconds, using: &generator))
        }
        let flight = Flight(at: at, to: side, path: path, bytes: bytes)
        var index = flights.count
        while index > 0, flights[index - 1].at > at { index -= 1 }
        flights.insert(flight, at: index)
    }

    func deliver(_ bytes: [UInt8], to side: Side, on path: PathID) {
        bytes.withUnsafeBytes { packet in
            if let end = end(side) {
                end.session.receive(packet, on: path, now: now)
            } else if case .initial(let destination) = SecureSession.classify(packet) {
                accept(packet, destination, on: path)
            }
        }
    }

    private func accept(_ packet: UnsafeRawBufferPointer, _ destination: [UInt8], on path: PathID) {
        do throws(TransportError) {
            let call = try calls.receive(
                packet, destination: destination, from: path, to: serverKeys.publicKey,
                configuration: serverConfiguration, now: now, admits: { true })
            guard let call else { return }
            let session = try SecureSession.accept(
                call, keys: serverKeys.copy(), on: path, authorize: authorize, now: now)
            accepted += 1
            server = TestEnd(session)
        } catch {
            acceptErrors.append(error)
        }
    }

    // MARK: Running

    /// Lets both ends send and handle events.
    func flush() {
        for side in [Side.client, .server] {
            guard let end = end(side) else { continue }
            end.session.transmit(now: now) { packets, segment, path in
                var rest = packets[...]
                while !rest.isEmpty {
                    put(Array(rest.prefix(segment)), from: side, on: path)
                    rest = rest.dropFirst(segment)
                }
            }
            end.handleEvents()
            end.pump()
        }
    }

    /// Goes on to the next packet or timeout. False when nothing is left to happen before `limit`.
    func step(limit: MonotonicTime) -> Bool {
        flush()
        flush()
        let times = [flights.first?.at, client.session.nextTimeout, server?.session.nextTimeout].compactMap(\.self)
        guard let next = times.min(), next <= limit else {
            now = max(now, limit)
            return false
        }
        now = max(now, next)
        while let flight = flights.first, flight.at <= now {
            flights.removeFirst()
            deliver(flight.bytes, to: flight.to, on: flight.path)
        }
        client.session.handleTimeout(now: now)
        server?.session.handleTimeout(now: now)
        client.handleEvents()
        server?.handleEvents()
        return true
    }

    /// Runs until `condition` holds, for at most `time`. Returns whether it holds.
    @discardableResult
    func run(for time: TimeSpan = .seconds(30), until condition: () -> Bool = { false }) -> Bool {
        let limit = now + time
        flush()
        while !condition() {
            guard step(limit: limit) else {
                flush()
                return condition()
            }
        }
        return true
    }

    /// Runs until both ends say that the handshake is finished.
    @discardableResult
    func connect(within time: TimeSpan = .seconds(30)) -> Bool {
        run(for: time) { client.isConnected && server?.isConnected == true }
    }
}

extension SecureSession {
    /// What it has to send now, datagram by datagram.
    func packets(now: MonotonicTime) -> [[UInt8]] {
        var packets: [[UInt8]] = []
        transmit(now: now) { bytes, segment, _ in
            for start in stride(from: 0, to: bytes.count, by: segment) {
                packets.append(Array(bytes[start..<min(start + segment, bytes.count)]))
            }
        }
        return packets
    }

    /// Answers a call that consists of these datagrams.
    static func accept(
        _ packets: [[UInt8]], keys: consuming KeyPair, configuration: SessionConfiguration = SessionConfiguration(),
        authorize: (PublicKey, [UInt8]) -> [UInt8]? = { _, _ in [] }, now: MonotonicTime
    ) throws(TransportError) -> SecureSession {
        let call = try IncomingCall(packets, to: keys.publicKey, configuration: configuration, now: now)
        return try accept(call, keys: keys, on: .relay, authorize: authorize, now: now)
    }
}

extension IncomingCall {
    /// A call made of these datagrams.
    convenience init(
        _ packets: [[UInt8]], to responder: PublicKey, configuration: SessionConfiguration = SessionConfiguration(),
        now: MonotonicTime
    ) throws(TransportError) {
        // (A closure that throws, inside of `withUnsafeBytes`, would lose the error's type.)
        let first = UnsafeMutableRawBufferPointer.allocate(byteCount: packets.first?.count ?? 0, alignment: 1)
        defer { first.deallocate() }
        first.copyBytes(from: packets.first ?? [])
        try self.init(UnsafeRawBufferPointer(first), to: responder, configuration: configuration, now: now)
        for packet in packets.dropFirst() { packet.withUnsafeBytes { receive($0, now: now) } }
    }
}

/// One end with what a test wants to know of it.
final class TestEnd {
    let session: SecureSession
    var events: [SessionEvent] = []
    /// Read everything at once when it comes.
    var readsAtOnce = true
    var received: [StreamID: [UInt8]] = [:]
    var receivedCount: [StreamID: Int] = [:]
    /// Keep the bytes, not only their number.
    var keepsBytes = true
    var finished: Set<StreamID> = []
    var datagrams: [[UInt8]] = []
    /// Bytes still to be written, and whether the stream ends then.
    private var writing: [StreamID: (rest: ArraySlice<UInt8>, finish: Bool)] = [:]
    var deliveries: (() -> Void)?

    init(_ session: SecureSession) {
        self.session = session
    }

    var isConnected: Bool {
        events.contains { if case .handshakeCompleted = $0 { true } else { false } }
    }

    var closeReason: CloseReason? {
        for case .closed(let reason) in events { return reason }
        return nil
    }

    func contains(_ event: SessionEvent) -> Bool { events.contains(event) }

    /// Writes all of `bytes`, as room appears.
    func send(_ bytes: [UInt8], on stream: StreamID, finish: Bool = false) {
        let rest = (writing[stream]?.rest ?? []) + bytes
        writing[stream] = (rest, finish)
        pump()
    }

    func pump() {
        for (stream, work) in writing {
            let offered = work.rest.prefix(max(session.writableBytes(of: stream), 1))
            let isLast = offered.count == work.rest.count
            guard let taken = try? session.write(Array(offered), to: stream, finish: work.finish && isLast) else {
                writing[stream] = nil
                continue
            }
            let rest = work.rest.dropFirst(taken)
            writing[stream] = rest.isEmpty ? nil : (rest, work.finish)
        }
    }

    func handleEvents() {
        while let event = session.pollEvent() {
            events.append(event)
            switch event {
            case .streamReadable(let stream) where readsAtOnce: read(stream)
            case .streamFinished(let stream): finished.insert(stream)
            case .datagram(let bytes): datagrams.append(bytes)
            default: break
            }
        }
    }

    func read(_ stream: StreamID, maxLength: Int = .max) {
        guard let bytes = try? session.read(from: stream, maxLength: maxLength), !bytes.isEmpty else { return }
        if keepsBytes { received[stream, default: []] += bytes }
        receivedCount[stream, default: 0] += bytes.count
        deliveries?()
    }
}

/// Bytes that tell where they belong: a block of a prime number of bytes, over and over.
func pattern(_ count: Int, seed: UInt8 = 0) -> [UInt8] {
    let block = (0..<min(count, 1009)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) &+ seed }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count { bytes += block.prefix(count - bytes.count) }
    return bytes
}
