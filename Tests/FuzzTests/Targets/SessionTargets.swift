import Noise
import Paths

@testable import SecureTransport

/// Whole sessions, with ngtcp2 in them.
extension FuzzTarget {
    static let sessions = [sessionAccept, sessionStranger, sessionPeer]

    /// A first packet from anybody. First byte odd: the rest is the datagram. Else the rest is what a caller who knows the
    /// key puts into its Initial: u8 length of transport parameters, these, u8 length and bytes behind the CRYPTO frame.
    private static let sessionAccept = FuzzTarget("session-accept", .session, maximumLength: 1500) {
        let peer = try RawPeer.caller(of: RawPeer.responderKey.get())
        let parameters = peer.transportParameters([])
        let packet = try peer.firstPacket(parameters: parameters)
        return [
            [1] + packet, [0, UInt8(parameters.count)] + parameters, [2, 0, 1, 1],
            [2, 4, 0x01, 2, 0x40, 0x64], [2, 3, 0x0A, 1, 20],
            [4, 0, 9, 0x06, 0x40, 0xFF, 5, 1, 2, 3, 4, 5],
        ]
    } run: { bytes in
        guard let mode = bytes.first else { return }
        var input = FuzzInput(Array(bytes.dropFirst()))
        let packet: [UInt8]
        if mode & 1 == 1 {
            packet = input.remaining()
        } else {
            let peer = try RawPeer.caller(of: RawPeer.responderKey.get())
            let block = input.block()
            // Bit 1: behind sensible parameters, else in their place.
            let parameters = mode & 2 == 2 ? peer.transportParameters(block) : block
            packet = try peer.firstPacket(parameters: parameters, more: input.remaining())
        }
        guard let session = SessionEnds.accept([packet]) else { return }
        for step in 0..<4 {
            let now = SessionEnds.time(step * 200)
            session.transmit(now: now) { _, _, _ in }
            session.handleTimeout(now: now)
        }
        while session.pollEvent() != nil {}
        try check(!session.isEstablished, "nobody is let in without a confirmation")
    }

    /// A stranger who injects packets into the session of two honest ends, on their paths and at any time, and reads
    /// along: nothing of it may be noticed.
    private static let sessionStranger = FuzzTarget("session-stranger", .session, maximumLength: 600) {
        [
            [0], [3, 0, 1, 0, 5, 0x43, 1, 2, 3, 4], [1, 1, 2, 0, 0, 20, 1, 1, 9, 2, 2, 1, 1, 0, 30],
            [0x12, 0, 3, 1, 4, 1, 3, 2, 9], [7, 0, 0, 0, 60, 0x80],
        ]
    } run: { bytes in
        var input = FuzzInput(bytes)
        var scene = try Eavesdropping(start: input.byte())
        try scene.run(&input)
    }

    /// A contact that holds the right keys and keeps no rules: arbitrary frames at every level, arbitrary transport
    /// parameters, anything in between. The session may end, but the process goes on.
    private static let sessionPeer = FuzzTarget("session-peer", .session, maximumLength: 512) {
        var seeds: [[UInt8]] = []
        for role: UInt8 in [0, 1] {
            for frames in RawFrames.samples {
                seeds.append([role, 0, UInt8(frames.count)] + frames + [5, 3, 3, 2, 10])
            }
            seeds.append([role] + RawFrames.samples.flatMap { [0, UInt8($0.count)] + $0 } + [5, 0, 6, 0, 3, 10])
            seeds.append([role | 2, 4, 0x01, 2, 0x40, 0x64, 0, 2, 1, 0, 1, 2, 1, 0, 2, 1, 1])
        }
        return seeds
    } run: { bytes in
        var input = FuzzInput(bytes)
        guard var attack = try PeerAttack(&input) else { return }
        try attack.run(&input)
    }
}

extension RawFrames {
    /// One of each frame of RFC 9000 §19 and RFC 9221, as a client that has opened stream 0 could send it.
    static let samples: [[UInt8]] = [
        [0x00, 0x00], [0x01], [0x02, 0, 0, 0, 0], [0x03, 1, 0, 0, 0, 1, 0, 0], [0x04, 0, 7, 2], [0x05, 0, 7],
        [0x06, 0, 2, 1, 2], [0x07, 2, 1, 2], [0x08, 0, 1, 2, 3], [0x0F, 0, 0, 3, 1, 2, 3], [0x0E, 4, 5, 2, 1, 2],
        [0x0B, 2, 2, 1, 2], [0x10, 0x60, 0, 0, 0], [0x11, 0, 0x60, 0, 0, 0], [0x12, 0x40, 0x80], [0x13, 0x40, 0x80],
        [0x14, 5], [0x15, 0, 5], [0x16, 5], [0x17, 5],
        [0x18, 1, 0, 16] + [UInt8](repeating: 0xEE, count: 16) + [UInt8](repeating: 0xDD, count: 16), [0x19, 0],
        [0x1A, 1, 2, 3, 4, 5, 6, 7, 8], [0x1B, 1, 2, 3, 4, 5, 6, 7, 8], [0x1C, 1, 0, 2, 65, 66],
        [0x1D, 1, 2, 65, 66], [0x1E], [0x30, 1, 2, 3], [0x31, 2, 1, 2],
        [0x04, 0, 7, 0], [0x0C, 0, 0x44, 0, 1], [0x0D, 0, 0x44, 0, 0], [0x08, 1, 1], [0x08, 3, 1],
    ]
}

/// Sessions at a fixed time with fixed keys.
enum SessionEnds {
    static let path = PathID.relay

    /// With greetings this short message 1 fits into one packet.
    static let suites: [HandshakeSuite] = [.hybrid]

    static func time(_ milliseconds: Int) -> MonotonicTime {
        MonotonicTime(nanoseconds: 1_000_000_000) + .milliseconds(Int64(milliseconds))
    }

    static func connect() throws -> SecureSession {
        let session = try SecureSession.connect(
            keys: FuzzKeys.pair(4), to: RawPeer.responderKey.get(), greeting: [7], configuration: configuration,
            now: time(0))
        session.addPath(path, kind: .relay, now: time(0))
        return session
    }

    /// Answers a call of one datagram or more.
    static func accept(_ packets: [[UInt8]]) -> SecureSession? {
        guard let first = packets.first, let keys = try? FuzzKeys.pair(3).publicKey else { return nil }
        let call = first.withUnsafeBytes {
            try? IncomingCall($0, to: keys, configuration: configuration, now: time(0))
        }
        guard let call else { return nil }
        for packet in packets.dropFirst() { packet.withUnsafeBytes { call.receive($0, now: time(0)) } }
        return try? SecureSession.accept(
            call, keys: FuzzKeys.pair(3), on: path, authorize: { _, _ in [8] }, now: time(0))
    }

    private static var configuration: SessionConfiguration {
        var configuration = SessionConfiguration()
        configuration.ciphers = [.chaCha20Poly1305]
        configuration.suites = suites
        return configuration
    }

    /// What a session wants to send now, packet by packet.
    static func packets(of session: SecureSession, now: MonotonicTime) -> [[UInt8]] {
        var packets: [[UInt8]] = []
        session.transmit(now: now) { bytes, size, _ in
            for start in stride(from: 0, to: bytes.count, by: max(size, 1)) {
                packets.append(Array(bytes[start..<min(start + size, bytes.count)]))
            }
        }
        return packets
    }

    static func receive(_ packet: [UInt8], _ session: SecureSession, now: MonotonicTime) {
        packet.withUnsafeBytes { session.receive($0, on: path, now: now) }
    }
}

/// Two honest ends, and somebody who puts packets in between.
private struct Eavesdropping {
    private let caller: SecureSession
    private let answerer: SecureSession
    /// Everything that was said; what the stranger alters and repeats comes from here.
    private var heard: [[UInt8]]
    private var milliseconds = 0
    /// Whether there is interference during the handshake already.
    private let startsEarly: Bool

    private var now: MonotonicTime { SessionEnds.time(milliseconds) }

    init(start: UInt8) throws {
        startsEarly = start & 1 == 1
        caller = try SessionEnds.connect()
        heard = SessionEnds.packets(of: caller, now: SessionEnds.time(0))
        guard let answerer = SessionEnds.accept(heard) else {
            throw PropertyViolation(description: "a call is accepted")
        }
        self.answerer = answerer
    }

    mutating func run(_ input: inout FuzzInput) throws {
        if !startsEarly { exchange(&input, interferes: false) }
        for _ in 0..<24 where !input.isEmpty { exchange(&input, interferes: true) }
        exchange(&input, interferes: false)
        exchange(&input, interferes: false)
        try check(caller.isEstablished && answerer.isEstablished, "a stranger cannot end or prevent a session")
        let stream = try caller.openStream()
        try caller.write([1, 2, 3], to: stream, finish: true)
        for _ in 0..<4 { exchange(&input, interferes: false) }
        try check(
            try answerer.read(from: stream, maxLength: 10) == [1, 2, 3], "what was written arrives, and nothing else")
    }

    /// Both ends say what they have to say; before each packet the stranger may say something.
    private mutating func exchange(_ input: inout FuzzInput, interferes: Bool) {
        if interferes { inject(&input) }
        for round in 0..<3 {
            for (from, to) in [(caller, answerer), (answerer, caller)] {
                from.handleTimeout(now: now)
                for packet in SessionEnds.packets(of: from, now: now) {
                    if heard.count < 64 { heard.append(packet) }
                    SessionEnds.receive(packet, to, now: now)
                    if interferes, round == 0 { inject(&input) }
                }
            }
            // Longer than QUIC's pacing holds a packet back.
            milliseconds += 20
        }
    }

    private mutating func inject(_ input: inout FuzzInput) {
        guard !input.isEmpty else { return }
        let kind = input.byte()
        let target = kind & 1 == 0 ? caller : answerer
        switch kind >> 1 & 3 {
        case 0: SessionEnds.receive(input.block(), target, now: now)
        case 1: SessionEnds.receive(input.altered(heard[Int(input.byte()) % heard.count]), target, now: now)
        case 2: SessionEnds.receive(heard[Int(input.byte()) % heard.count], target, now: now)
        default: milliseconds += Int(input.byte())
        }
    }
}

/// A real session, and a `RawPeer` at its other end.
private struct PeerAttack {
    private let session: SecureSession
    private let peer: RawPeer
    private var milliseconds = 1
    private var last: [UInt8] = []
    private var streams: [StreamID] = []

    private var now: MonotonicTime { SessionEnds.time(milliseconds) }

    /// Reads the role and the transport parameters from the input and does the handshake; nil when that was refused.
    init?(_ input: inout FuzzInput) throws {
        let mode = input.byte()
        let extra = mode & 2 == 2 ? input.block() : []
        if mode & 1 == 0 {
            peer = try RawPeer.caller(of: RawPeer.responderKey.get())
            let first = try peer.firstPacket(parameters: peer.transportParameters(extra))
            guard let session = SessionEnds.accept([first]) else { return nil }
            self.session = session
            let answer = SessionEnds.packets(of: session, now: SessionEnds.time(0)).first ?? []
            for packet in try peer.finish(answer: answer) {
                SessionEnds.receive(packet, session, now: SessionEnds.time(1))
            }
        } else {
            session = try SessionEnds.connect()
            guard let first = SessionEnds.packets(of: session, now: SessionEnds.time(0)).first,
                let peer = try RawPeer.answerer(to: first)
            else { return nil }
            self.peer = peer
            for packet in try peer.finish(parameters: peer.transportParameters(extra)) {
                SessionEnds.receive(packet, session, now: SessionEnds.time(1))
            }
        }
        try check(!extra.isEmpty || session.isEstablished, "the handshake with sensible parameters succeeds")
    }

    mutating func run(_ input: inout FuzzInput) throws {
        for _ in 0..<48 where !input.isEmpty && !session.isFinished {
            step(&input)
            settle()
        }
        session.close(code: 1, reason: "done", now: now)
        settle()
        milliseconds += 60_000
        settle()
        try check(session.isFinished || session.nextTimeout.map { $0 > now } == true, "a closed session ends")
    }

    private mutating func step(_ input: inout FuzzInput) {
        let operation = input.byte()
        switch operation & 7 {
        case 0, 1: send(peer.packet(.application, input.block(), bits: operation >> 1))
        case 2: send(peer.packet(operation & 8 == 0 ? .handshake : .initial, input.block()))
        case 3: milliseconds += 1 << Int(input.byte() % 12)
        case 4:
            let repeated = input.altered(last)
            SessionEnds.receive(repeated, session, now: now)
        case 5: use(input.byte())
        case 6: send(peer.packet(.application, frame(&input), bits: operation >> 1))
        default:
            // Two packets in one datagram.
            send(peer.packet(.handshake, input.block()) + peer.packet(.application, frame(&input)))
        }
    }

    private mutating func send(_ packet: [UInt8]) {
        last = packet
        SessionEnds.receive(packet, session, now: now)
    }

    /// A frame of a known type whose fields are small or extreme numbers.
    private func frame(_ input: inout FuzzInput) -> [UInt8] {
        let types: [UInt8] = Array(0x01...0x1E) + [0x30, 0x31]
        var bytes = [types[Int(input.byte()) % types.count]]
        for _ in 0..<(input.byte() & 7) {
            let value = input.byte()
            bytes += RawFrames.variableInteger(
                value < 0xF0 ? UInt64(value) : value & 1 == 0 ? 1 << UInt64(20 + 3 * (value & 0xF)) : (1 << 62) - 1)
        }
        return bytes + input.block()
    }

    /// The application at the attacked end goes about its business.
    private mutating func use(_ what: UInt8) {
        let stream = streams.isEmpty ? StreamID(rawValue: Int64(what >> 4)) : streams[Int(what >> 4) % streams.count]
        let bytes = [UInt8](repeating: what, count: 3000)
        switch what & 7 {
        case 0, 1:
            if let opened = try? session.openStream() { streams.append(opened) }
        case 2: _ = try? session.write(bytes, to: stream, finish: what & 8 != 0)
        case 3: _ = try? session.read(from: stream, maxLength: 100)
        case 4: try? session.reset(stream, code: UInt64(what))
        case 5: try? session.stopSending(stream, code: UInt64(what))
        case 6: try? session.sendDatagram(Array(bytes.prefix(100)))
        default:
            if what & 8 == 0 { session.updateKeys() } else { session.close(code: 0, reason: "", now: now) }
        }
    }

    private mutating func settle() {
        _ = SessionEnds.packets(of: session, now: now)
        session.handleTimeout(now: now)
        _ = SessionEnds.packets(of: session, now: now)
        for _ in 0..<1000 {
            guard let event = session.pollEvent() else { break }
            if case .streamOpened(let id) = event, streams.count < 16 { streams.append(id) }
        }
    }
}
