@testable import Paths
@testable import SecureTransport

/// What is read of a packet before and during the handshake, and path probes.
extension FuzzTarget {
    static let transport = [handshakePayload, packetHeader, pathProbe]

    /// First byte: which of the three readers, and how the pieces are cut.
    private static let handshakePayload = FuzzTarget("handshake-payload", maximumLength: 600) {
        let initiator = InitiatorPayload(
            ciphers: [.aes256GCM, .chaCha20Poly1305], transportParameters: [1, 2, 3], greeting: [4])
        let responder = ResponderPayload(cipher: .chaCha20Poly1305, transportParameters: [], greeting: [4, 5])
        return [
            [0] + initiator.encode(), [1] + responder.encode(),
            [2] + (try HandshakeMessageType.confirmation.frame([UInt8](repeating: 8, count: 32))), [6, 1, 0, 0],
        ]
    } run: { bytes in
        guard let mode = bytes.first else { return }
        let body = Array(bytes.dropFirst())
        switch mode % 4 {
        case 0:
            guard let payload = try? InitiatorPayload(decoding: body) else { return }
            // Unknown AEADs are left out, and fields of later versions behind the last one too.
            try check(payload.encode().count <= body.count, "encoding adds nothing")
            guard !payload.ciphers.isEmpty else { return }
            try check(try InitiatorPayload(decoding: payload.encode()) == payload, "it can be read back")
        case 1:
            guard let payload = try? ResponderPayload(decoding: body) else { return }
            let encoded = payload.encode()
            try check(encoded == Array(body.prefix(encoded.count)), "it has one encoding but for what follows")
            try check(try ResponderPayload(decoding: encoded) == payload, "it can be read back")
        default:
            let whole = assemble([body])
            let size = 1 + Int(mode >> 2)
            let cut = stride(from: 0, to: body.count, by: size).map { Array(body[$0..<min($0 + size, body.count)]) }
            guard let message = whole else { return }
            try check(try message.type.frame(message.body) == body, "a message has one encoding")
            try check(assemble(cut)?.body == message.body, "how it is cut does not matter")
        }
    }

    /// The only message in these pieces; nil when there is none yet, or when they are refused.
    private static func assemble(_ pieces: [[UInt8]]) -> (type: HandshakeMessageType, body: [UInt8])? {
        var assembler = HandshakeAssembler()
        var found: (type: HandshakeMessageType, body: [UInt8])?
        for piece in pieces {
            guard let message = try? piece.withUnsafeBufferPointer({ try assembler.append($0) }) else { continue }
            found = message
        }
        return found
    }

    private static let packetHeader = FuzzTarget("packet-header", maximumLength: 300) {
        let id = [UInt8](repeating: 0xAB, count: 16)
        let initial = [0xC3, 0, 0, 0, 1, 16] + id + [16] + id + [0, 0x40, 20] + [UInt8](repeating: 1, count: 20)
        let handshake = [0xE3, 0, 0, 0, 1, 16] + id + [16] + id + [5, 1, 2, 3, 4, 5]
        let short = [0x43] + id + [UInt8](repeating: 2, count: 20)
        return [initial, handshake, short, initial + handshake + short, [0x80] + id, [0xC0, 0, 0, 0, 0]]
    } run: { bytes in
        try bytes.withUnsafeBytes { packet in
            let accepted = PacketHeader.acceptablePrefix(packet)
            try check((0...packet.count).contains(accepted), "a prefix lies inside")
            switch SecureSession.classify(packet) {
            case .initial(let destination):
                try check(accepted > 0 && destination.count <= 20, "an Initial is let through")
            case .tagged(let tag):
                let isLong = bytes[0] & 0xC0 == 0xC0
                let offset = isLong ? 6 : 1
                try check(Array(bytes[offset..<offset + 8]) == tag.bytes, "the tag is the one in the packet")
            case .other: break
            }
            guard let header = LongHeader(packet, at: 0) else { return }
            try check((1...packet.count).contains(header.end), "a packet ends inside the datagram")
            try check(accepted >= header.end, "a packet with a good header is let through")
        }
    }

    /// Probes of a peer that has the keys and does what it likes, and of strangers, on up to four paths while time passes.
    private static let pathProbe = FuzzTarget("path-probe", maximumLength: 512) {
        [
            [1, 1, 2, 0, 0, 0, 0, 1, 0, 3, 10], [2, 1, 1, 0, 1, 0, 0, 3, 200, 2, 3, 1, 0, 0, 4, 1],
            [5, 1, 1, 3, 30, 5, 2, 2, 3, 30, 6, 0, 3, 60, 0, 1, 47] + [0x80] + [UInt8](repeating: 0, count: 46),
        ]
    } run: { bytes in
        var input = FuzzInput(bytes)
        var lab = try PathLab()
        while !input.isEmpty {
            try lab.step(&input)
        }
    }
}

/// One path manager, and a peer with the right keys.
private struct PathLab: ~Copyable {
    private var manager: PathManager
    private var peer: ProbeKeys
    private var now = MonotonicTime(nanoseconds: 1_000_000_000)
    private var counter: UInt64 = 0

    init() throws {
        let (ours, theirs) = (FuzzKeys.bytes(1), FuzzKeys.bytes(2))
        let keys = try ProbeKeys(send: ours, receive: theirs)
        peer = try ProbeKeys(send: theirs, receive: ours)
        manager = PathManager(remoteTag: ConnectionTag(rawValue: 2), keys: keys, now: now)
        manager.addPath(.relay, kind: .relay, now: now)
    }

    mutating func step(_ input: inout FuzzInput) throws {
        let operation = input.byte()
        let path = PathID(rawValue: UInt32(input.byte() & 3))
        switch operation % 8 {
        case 0: manager.receiveProbe(input.block(), on: path, now: now)
        case 1: manager.receiveProbe(sealed(Array(input.block())), on: path, now: now)
        case 2:
            let body =
                [input.byte(), input.byte()] + [0, 0, 0, input.byte()] + [UInt8](repeating: 0, count: 7)
                + [input.byte()]
            let padding = [UInt8](repeating: 0, count: Int(input.number(2)) % 1406)
            manager.receiveProbe(sealed(body + padding), on: path, now: now)
        case 3: now = now + .milliseconds(Int64(1) << Int64(input.byte() % 16))
        case 4:
            manager.packetSent(on: path, now: now)
            if operation & 8 == 0 { manager.packetReceived(on: path, now: now) }
        case 5: manager.addPath(path, kind: PathKind(rawValue: input.byte() % 3) ?? .direct, now: now)
        case 6: manager.removePath(path, now: now)
        default: disturb(input.byte())
        }
        try poll()
    }

    private mutating func disturb(_ what: UInt8) {
        switch what % 5 {
        case 0: manager.setRelayAvailable(false, now: now)
        case 1: manager.setRelayAvailable(true, now: now)
        case 2: manager.networkChanged(now: now)
        case 3: manager.probeTimeoutFired(now: now)
        default: manager.setActivity(what & 8 == 0 ? .idle : .onScreen, now: now)
        }
    }

    /// A probe with any body, and now and then a counter out of order.
    private mutating func sealed(_ body: [UInt8]) -> [UInt8] {
        counter += 1
        let number = (body.last ?? 0) & 1 == 0 ? counter : UInt64(body.last ?? 0) << UInt64(body.count % 57)
        let header = [ProbeFormat.firstByte] + ConnectionTag(rawValue: 1).bytes + ProbeFormat.bytes(number)
        return peer.seal(body, header: header, counter: number)
    }

    private mutating func poll() throws {
        let actions = manager.poll(now: now)
        try check(actions.count <= 256, "what is sent is bounded: \(actions.count) actions")
        for case .send(let packet, let path) in actions {
            try check((ProbeFormat.minimumSize...ProbeFormat.maximumSize).contains(packet.count), "a probe has a size")
            try check(manager.status(of: path) != nil, "nothing is sent on a path that was removed")
        }
        try check((1200...1452).contains(manager.route.maximumPacketSize), "packets keep to their sizes")
        try check(manager.nextTimeout.map { $0 > now } ?? true, "after a poll nothing is due")
    }
}
