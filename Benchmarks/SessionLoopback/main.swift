import CSessionLoopback
import Glibc
import Noise
import Paths
import SecureTransport

// Two sessions over two UDP sockets of the loopback, a process each: what SecureTransport can carry at most.
//
//   session-loopback server PORT BYTES CIPHER &  session-loopback client PORT BYTES CIPHER
//
// Or the same without sessions, which is what the kernel takes:
//
//   session-loopback bare-server PORT BYTES &  session-loopback bare-client PORT BYTES
//
// Or new sessions, one after the other in one process:
//
//   session-loopback sessions COUNT [hybrid|classical]
//
// CIPHER: 1 ChaCha20-Poly1305, 2 AES-256-GCM. The client writes BYTES to one stream, the server answers one byte when it has read them.

/// One end: a session, a socket, and a loop around both.
final class End {
    let socket: CInt
    let isServer: Bool
    let total: Int
    var session: SecureSession?
    var calls = IncomingCalls<Int>()
    let keys: KeyPair
    let configuration: SessionConfiguration
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 * 65536, alignment: 64)
    let data = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    var lengths = [UInt32](repeating: 0, count: 32)
    var segments = [UInt32](repeating: 0, count: 32)
    var stream: StreamID?
    var written = 0
    var read = 0
    var began: UInt64 = 0
    var ended: UInt64 = 0

    init(isServer: Bool, port: UInt16, total: Int, cipher: PacketCipher, keys: consuming KeyPair) throws {
        self.isServer = isServer
        self.total = total
        self.keys = keys
        socket = loopback_open(port, isServer ? 1 : 0)
        precondition(socket >= 0, "no socket")
        var configuration = SessionConfiguration()
        configuration.ciphers = [cipher]
        if CommandLine.arguments.count > 5 {
            configuration.congestionControl = [.cubic, .bbr, .bbr2][Int(CommandLine.arguments[5]) ?? 0]
        }
        self.configuration = configuration
        _ = data.initializeMemory(as: UInt8.self, repeating: 0x5A)
        guard !isServer else { return }
        session = try SecureSession.connect(
            keys: .generate(), to: self.keys.publicKey, greeting: [], configuration: configuration, now: now)
        session?.addPath(.relay, kind: .relay, now: now)
    }

    var now: MonotonicTime { MonotonicTime(nanoseconds: loopback_now()) }

    func receive() throws {
        for _ in 0..<4 {
            if isServer, session == nil { _ = loopback_connect_to_sender(socket) }
            let count = Int(
                loopback_receive(
                    socket, buffer.baseAddress!.assumingMemoryBound(to: UInt8.self), 16, &lengths, &segments))
            for index in 0..<count {
                let packets = UnsafeRawBufferPointer(
                    start: buffer.baseAddress! + index * 65536, count: Int(lengths[index]))
                if let session {
                    session.receive(packets, segmentSize: Int(segments[index]), on: .relay, now: now)
                } else {
                    try accept(packets, segmentSize: Int(segments[index]))
                }
            }
            if count < 16 { return }
        }
    }

    func accept(_ packets: UnsafeRawBufferPointer, segmentSize: Int) throws {
        for start in stride(from: 0, to: packets.count, by: segmentSize) {
            let packet = UnsafeRawBufferPointer(
                rebasing: packets[start..<min(start + segmentSize, packets.count)])
            guard case .initial(let destination) = SecureSession.classify(packet) else { continue }
            let call = try calls.receive(
                packet, destination: destination, from: 0, to: keys.publicKey, configuration: configuration, now: now,
                admits: { true })
            guard let call else { continue }
            session = try SecureSession.accept(call, keys: keys.copy(), on: .relay, authorize: { _, _ in [] }, now: now)
        }
    }

    func work(_ session: SecureSession) throws {
        session.handleTimeout(now: now)
        while let event = session.pollEvent() {
            switch event {
            case .handshakeCompleted where !isServer: stream = try session.openStream()
            case .streamReadable(let id): try take(from: id, session)
            case .closed: ended = loopback_now()
            default: break
            }
        }
        if !isServer, let stream {
            while written < total {
                let size = min(data.count, total - written)
                let count = try session.write(
                    UnsafeRawBufferPointer(rebasing: data[..<size]), to: stream, finish: written + size == total)
                written += count
                if count < size { break }
            }
        }
        session.transmit(now: now) { packets, segment, _ in
            loopback_send(socket, packets.baseAddress!, packets.count, UInt16(segment))
        }
    }

    func take(from id: StreamID, _ session: SecureSession) throws {
        if began == 0 { began = loopback_now() }
        while true {
            let count = try session.read(from: id, into: data)
            read += count
            if count < data.count { break }
        }
        if !isServer {
            ended = loopback_now()
            session.close(code: 0, reason: "", now: now)
        } else if read == total, written == 0 {
            written = try session.write([1], to: id, finish: true)
            ended = loopback_now()
            began = ended - began
        }
    }

    func run() throws {
        while true {
            if let session {
                try work(session)
                if ended != 0, !isServer || session.isFinished || loopback_now() - ended > 1_000_000_000 { break }
                let due = session.nextTimeout?.nanoseconds ?? 0
                let time = loopback_now()
                loopback_wait(socket, due > time ? min(due - time, 50_000_000) : 0)
            } else {
                loopback_wait(socket, 50_000_000)
            }
            try receive()
        }
        if isServer {
            let rate = Double(read * 8) * 1000 / Double(began)
            print("received", read, "bytes,", Int(rate), "Mbit/s")
        }
        let statistics = session?.statistics
        print(
            isServer ? "server" : "client", session.map { "\($0.cipher)" } ?? "", "CPU s", loopback_cpu(), "memory KiB",
            loopback_memory(),
            "packets out", statistics?.packetsSent ?? 0, "in", statistics?.packetsReceived ?? 0, "window",
            statistics?.congestionWindow ?? 0)
    }
}

let arguments = CommandLine.arguments
if arguments.count >= 3, arguments[1] == "sessions", let count = Int(arguments[2]), count > 0 {
    try NewSessions(arguments.last == "classical" ? .classical : .hybrid).run(count)
    exit(0)
}
if arguments.count == 4, ["bare-server", "bare-client"].contains(arguments[1]), let port = UInt16(arguments[2]),
    let total = Int(arguments[3])
{
    bareUDP(isServer: arguments[1] == "bare-server", port: port, total: total)
    exit(0)
}
guard arguments.count >= 5, let port = UInt16(arguments[2]), let total = Int(arguments[3]),
    let cipher = UInt8(arguments[4]).flatMap(PacketCipher.init(rawValue:))
else {
    print("usage: session-loopback server|client PORT BYTES 1|2")
    print("       session-loopback bare-server|bare-client PORT BYTES")
    print("       session-loopback sessions COUNT [hybrid|classical]")
    exit(64)
}
let end = try End(
    isServer: arguments[1] == "server", port: port, total: total, cipher: cipher,
    keys: KeyPair(secret: SecretBytes(copying: (1...32).map(UInt8.init))))
try end.run()
