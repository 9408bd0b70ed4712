import CSessionLoopback
import Noise
import Paths
import SecureTransport

/// New sessions, one after the other: both ends in this process, their packets handed from one to the other. What a handshake costs the
/// processor, without sockets, candidates and the server.
final class NewSessions {
    enum Failure: Error { case unfinished }

    /// What is carried from one end to the other until both are done: far more than a handshake takes.
    private static let mostTurns = 20

    private let caller: KeyPair
    private let answerer: KeyPair
    private let configuration: SessionConfiguration
    private(set) var datagrams = 0

    init(_ suite: HandshakeSuite) throws {
        caller = try KeyPair(secret: SecretBytes(copying: (33...64).map(UInt8.init)))
        answerer = try KeyPair(secret: SecretBytes(copying: (1...32).map(UInt8.init)))
        var configuration = SessionConfiguration()
        configuration.suites = [suite]
        self.configuration = configuration
    }

    private var now: MonotonicTime { MonotonicTime(nanoseconds: loopback_now()) }

    /// Opens so many, and prints what they took.
    func run(_ count: Int) throws {
        // What is made once, and the first pages of memory.
        for _ in 0..<100 { try open() }
        datagrams = 0
        let (processor, began) = (loopback_cpu(), loopback_now())
        for _ in 0..<count { try open() }
        let (used, elapsed) = (loopback_cpu() - processor, Double(loopback_now() - began) / 1e9)
        print(
            configuration.suites[0], count, "sessions in", elapsed, "s, CPU s", used, "per CPU second",
            Int(Double(count) / used), "datagrams of each", Double(datagrams) / Double(count), "memory KiB",
            loopback_memory())
    }

    private func open() throws {
        let client = try SecureSession.connect(
            keys: caller.copy(), to: answerer.publicKey, greeting: [], configuration: configuration, now: now)
        client.addPath(.relay, kind: .relay, now: now)
        var calls = IncomingCalls<Int>()
        var server: SecureSession?
        for _ in 0..<Self.mostTurns {
            for packet in packets(of: client) {
                try packet.withUnsafeBytes { packet in
                    if let server { return server.receive(packet, on: .relay, now: now) }
                    server = try answer(packet, &calls)
                }
            }
            guard let server else { continue }
            for packet in packets(of: server) {
                packet.withUnsafeBytes { client.receive($0, on: .relay, now: now) }
            }
            for session in [client, server] { while session.pollEvent() != nil {} }
            if client.isEstablished, server.isEstablished { return }
        }
        throw Failure.unfinished
    }

    private func packets(of session: SecureSession) -> [[UInt8]] {
        var packets: [[UInt8]] = []
        session.transmit(now: now) { bytes, segment, _ in
            for start in stride(from: 0, to: bytes.count, by: segment) {
                packets.append(Array(bytes[start..<min(start + segment, bytes.count)]))
            }
        }
        datagrams += packets.count
        return packets
    }

    private func answer(_ packet: UnsafeRawBufferPointer, _ calls: inout IncomingCalls<Int>) throws -> SecureSession? {
        guard case .initial(let destination) = SecureSession.classify(packet) else { return nil }
        let call = try calls.receive(
            packet, destination: destination, from: 0, to: answerer.publicKey, configuration: configuration, now: now,
            admits: { true })
        guard let call else { return nil }
        return try SecureSession.accept(call, keys: answerer.copy(), on: .relay, authorize: { _, _ in [] }, now: now)
    }
}
