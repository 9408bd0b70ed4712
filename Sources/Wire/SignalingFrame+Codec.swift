extension SignalingFrame {
    /// The bytes of the frame. Throws `lengthOutOfRange`, `invalidText` or `invalidValue` when a field breaks the
    /// limits that its receiver enforces.
    package func encode() throws(WireError) -> [UInt8] {
        var writer = ByteWriter(capacity: capacityHint)
        writer.write(type)
        switch self {
        case .challenge(let nonce, let serverTime, let serverName):
            try writer.write(nonce, exactly: SignalingFrame.nonceByteCount)
            writer.write(serverTime)
            try writer.writeShortText(serverName)
        case .auth(let peer, let signature, let features):
            writer.write(peer)
            try writer.write(signature, exactly: SignalingFrame.signatureByteCount)
            writer.write(features)
        case .welcome(let welcome):
            try writer.write(welcome)
        case .signal(let peer, let payload):
            guard (1...SignalingFrame.maximumSignalPayload).contains(payload.count) else { throw .lengthOutOfRange }
            writer.write(peer)
            writer.write(payload)
        case .relay(let peer, let segmentSize, let packets):
            try RelayHeader.check(segmentSize: segmentSize, packetBytes: packets.count)
            writer.write(peer)
            writer.write(segmentSize)
            writer.write(packets)
        case .unreachable(let peer, let reason):
            writer.write(peer)
            writer.write(reason.rawValue)
        case .goAway(let reason, let retryAfter):
            writer.write(reason.rawValue)
            writer.write(retryAfter)
        }
        return writer.bytes
    }

    /// Reads one WebSocket message. Nil for a type that this version does not know: to be ignored and counted.
    /// Throws when the bytes do not follow the layout of their type; an empty message is `truncated`.
    package static func decode(_ bytes: [UInt8]) throws(WireError) -> SignalingFrame? {
        var reader = ByteReader(bytes)
        let frame: SignalingFrame
        switch try reader.readUInt8() {
        case 0x01:
            let nonce = Array(try reader.readBytes(nonceByteCount))
            let time = try reader.readUInt64()
            frame = .challenge(nonce: nonce, serverTime: time, serverName: try reader.readShortText())
        case 0x02:
            let peer = try reader.readPeerKey()
            let signature = Array(try reader.readBytes(signatureByteCount))
            frame = .auth(peer: peer, signature: signature, features: try reader.readUInt32())
        case 0x03:
            frame = .welcome(try reader.readWelcome())
        case PeerAddressedFrame.signalType:
            let peer = try reader.readPeerKey()
            guard reader.remaining > 0 else { throw .truncated }
            guard reader.remaining <= maximumSignalPayload else { throw .lengthOutOfRange }
            frame = .signal(peer: peer, payload: Array(reader.readRest()))
        case PeerAddressedFrame.relayType:
            let header = try RelayHeader(bytes)
            frame = .relay(
                peer: header.peer, segmentSize: header.segmentSize,
                packets: Array(bytes.dropFirst(RelayHeader.byteCount)))
            _ = reader.readRest()
        case 0x06:
            let peer = try reader.readPeerKey()
            frame = .unreachable(peer: peer, reason: UnreachableReason(rawValue: try reader.readUInt8()))
        case 0x07:
            let reason = GoAwayReason(rawValue: try reader.readUInt8())
            frame = .goAway(reason: reason, retryAfter: try reader.readUInt32())
        default:
            return nil
        }
        try reader.finish()
        return frame
    }

    private var capacityHint: Int {
        switch self {
        case .signal(_, let payload): 33 + payload.count
        case .relay(_, _, let packets): RelayHeader.byteCount + packets.count
        default: 128
        }
    }
}

extension ByteReader {
    fileprivate mutating func readWelcome() throws(WireError) -> Welcome {
        let session = Array(try readBytes(SignalingFrame.sessionByteCount))
        let maximumSignal = try readUInt32()
        let maximumRelay = try readUInt32()
        let heartbeat = try readUInt16()
        let count = try readUInt8()
        var servers: [ICEServer] = []
        for _ in 0..<count { servers.append(try readICEServer()) }
        return Welcome(
            session: session, maximumSignal: maximumSignal, maximumRelay: maximumRelay, heartbeat: heartbeat,
            iceServers: servers)
    }

    private mutating func readICEServer() throws(WireError) -> ICEServer {
        let kind = ICEServer.Kind(rawValue: try readUInt8())
        let name = try readShortText()
        let host = name.isEmpty ? nil : try HostName(name)
        guard host == nil || host?.text == name else { throw .invalidText }
        let port = try readUInt16()
        guard port != 0 else { throw .invalidValue }
        let username = try readShortText()
        let credential = try readShortText()
        return ICEServer(
            kind: kind, host: host, port: port, username: username, credential: credential, expiry: try readUInt32())
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ welcome: Welcome) throws(WireError) {
        try write(welcome.session, exactly: SignalingFrame.sessionByteCount)
        write(welcome.maximumSignal)
        write(welcome.maximumRelay)
        write(welcome.heartbeat)
        guard let count = UInt8(exactly: welcome.iceServers.count) else { throw .lengthOutOfRange }
        write(count)
        for server in welcome.iceServers {
            guard server.port != 0 else { throw .invalidValue }
            write(server.kind.rawValue)
            try writeShortText(server.host?.text ?? "")
            write(server.port)
            try writeShortText(server.username)
            try writeShortText(server.credential)
            write(server.expiry)
        }
    }
}
