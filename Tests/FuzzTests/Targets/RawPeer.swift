import Noise

@testable import SecureTransport

/// A peer that holds the right keys, so that what it sends opens, and sends whatever it is told to: the worst that a
/// contact can be. It acknowledges nothing and keeps no rules. One end of a handshake with a real session.
final class RawPeer {
    enum Level: Int {
        case initial, handshake, application

        var packetLevel: PacketLevel {
            switch self {
            case .initial: .initial
            case .handshake: .handshake
            case .application: .application
            }
        }
    }

    private let role: Role
    private let handshake: NoiseHandshake
    private let ownID: [UInt8]
    private var remoteID: [UInt8]
    private var sending: [Level: RawKeys] = [:]
    private var receivingInitial: RawKeys?
    private var numbers: [Level: UInt32] = [:]
    private let firstConnectionID: [UInt8]

    private init(role: Role, handshake: NoiseHandshake, firstConnectionID: [UInt8], remoteID: [UInt8]) {
        self.role = role
        self.handshake = handshake
        self.firstConnectionID = firstConnectionID
        self.remoteID = remoteID
        ownID = Array(FuzzKeys.bytes(0xC0).prefix(16))
        let secrets = KeySchedule.initialSecrets(
            responder: handshake.responder, firstConnectionID: firstConnectionID)
        if role == .initiator {
            sending[.initial] = RawKeys(secret: secrets.client, level: .initial)
            receivingInitial = RawKeys(secret: secrets.server, level: .initial)
        } else {
            sending[.initial] = RawKeys(secret: secrets.server, level: .initial)
            receivingInitial = RawKeys(secret: secrets.client, level: .initial)
        }
    }

    /// A caller of whoever has this key.
    static func caller(of responder: PublicKey) throws -> RawPeer {
        let id = Array(FuzzKeys.bytes(0xD0).prefix(16))
        let handshake = try NoiseHandshake(
            initiator: FuzzKeys.pair(3), responder: responder, firstConnectionID: id, greeting: [1],
            suites: SessionEnds.suites, ciphers: [.chaCha20Poly1305])
        return RawPeer(role: .initiator, handshake: handshake, firstConnectionID: id, remoteID: id)
    }

    /// The answering end for a caller's first packet; nil when it is not one for us.
    static func answerer(to packet: [UInt8]) throws -> RawPeer? {
        guard let header = packet.withUnsafeBytes({ LongHeader($0, at: 0) }) else { return nil }
        let handshake = NoiseHandshake(
            responder: try FuzzKeys.pair(3).publicKey, firstConnectionID: header.destination,
            suites: SessionEnds.suites,
            ciphers: [.chaCha20Poly1305])
        let peer = RawPeer(
            role: .responder, handshake: handshake, firstConnectionID: header.destination, remoteID: header.source)
        guard let body = peer.handshakeMessage(in: packet) else { return nil }
        handshake.keep(initiatorMessage: body)
        try handshake.readInitiatorMessage(keys: FuzzKeys.pair(3))
        return peer
    }

    static let responderKey = Result { try FuzzKeys.pair(3).publicKey }

    /// Transport parameters like those of a real peer, then `extra`.
    func transportParameters(_ extra: [UInt8]) -> [UInt8] {
        func parameter(_ id: UInt8, _ value: [UInt8]) -> [UInt8] { [id, UInt8(value.count)] + value }
        let window = RawFrames.variableInteger(1 << 20)
        var bytes = parameter(0x0F, ownID)
        if role == .responder { bytes += parameter(0x00, firstConnectionID) }
        for id: UInt8 in [0x04, 0x05, 0x06, 0x07] { bytes += parameter(id, window) }
        for id: UInt8 in [0x08, 0x09] { bytes += parameter(id, RawFrames.variableInteger(100)) }
        bytes += parameter(0x20, RawFrames.variableInteger(65535))
        return bytes + extra
    }

    /// Caller: the first packet, with these transport parameters, and `more` frames behind the message.
    func firstPacket(parameters: [UInt8], more frames: [UInt8] = []) throws -> [UInt8] {
        let message = try handshake.writeInitiatorMessage(transportParameters: parameters)
        return packet(.initial, RawFrames.crypto(message) + frames)
    }

    /// Caller: reads the answer and has all keys then. Answerer: makes the answer, likewise. Returns what to send.
    func finish(answer: [UInt8] = [], parameters: [UInt8] = []) throws -> [[UInt8]] {
        switch role {
        case .initiator:
            guard let body = handshakeMessage(in: answer) else { return [] }
            learnRemoteID(from: answer)
            let box = try handshake.readResponderMessage(body).secrets
            install(box)
            let confirmation = try handshake.confirmation(box.secrets)
            return [packet(.handshake, RawFrames.crypto(confirmation))]
        case .responder:
            let (message, box) = try handshake.writeResponderMessage(transportParameters: parameters)
            let first = packet(.initial, RawFrames.crypto(message))
            install(box)
            return [first]
        }
    }

    private func install(_ box: SessionSecretsBox) {
        if role == .initiator {
            sending[.handshake] = RawKeys(secret: box.secrets.handshake.client, level: .handshake)
            sending[.application] = RawKeys(secret: box.secrets.application.client, level: .application)
        } else {
            sending[.handshake] = RawKeys(secret: box.secrets.handshake.server, level: .handshake)
            sending[.application] = RawKeys(secret: box.secrets.application.server, level: .application)
        }
    }

    private func learnRemoteID(from packet: [UInt8]) {
        if let header = packet.withUnsafeBytes({ LongHeader($0, at: 0) }) { remoteID = header.source }
    }

    /// The body of the Noise message in an Initial.
    private func handshakeMessage(in datagram: [UInt8]) -> [UInt8]? {
        guard let header = datagram.withUnsafeBytes({ LongHeader($0, at: 0) }) else { return nil }
        // Token length, then a length of 1 to 8 bytes.
        let lengthOffset = 7 + header.destination.count + header.source.count + 1
        let numberOffset = lengthOffset + 1 << Int(datagram[lengthOffset] >> 6)
        guard let frames = receivingInitial?.open(Array(datagram[..<header.end]), numberOffset: numberOffset) else {
            return nil
        }
        let message = RawFrames.cryptoData(in: frames)
        return message.count > 3 ? Array(message[3...]) : nil
    }

    /// A packet with any frames. `bits` go into the first byte of a 1-RTT packet (spin, reserved, key phase).
    func packet(_ level: Level, _ frames: [UInt8], bits: UInt8 = 0) -> [UInt8] {
        guard let keys = sending[level] else { return [] }
        let number = numbers[level, default: 0]
        numbers[level] = number &+ 1
        guard level != .application else {
            let padded = frames + [UInt8](repeating: 0, count: max(0, 4 - frames.count))
            return keys.seal(header: [0x43 | bits & 0x3C] + remoteID, number: number, frames: padded)
        }
        var padded = frames
        var header: [UInt8] = [level == .initial ? 0xC3 : 0xE3, 0, 0, 0, 1, 16] + remoteID + [16] + ownID
        if level == .initial {
            header.append(0)
            // Datagrams that carry an Initial have 1200 bytes at least.
            padded += [UInt8](repeating: 0, count: max(0, 1200 - header.count - 2 - 4 - 16 - padded.count))
        } else {
            padded += [UInt8](repeating: 0, count: max(0, 4 - padded.count))
        }
        let length = 4 + padded.count + 16
        header += [0x40 | UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)]
        return keys.seal(header: header, number: number, frames: padded)
    }
}
