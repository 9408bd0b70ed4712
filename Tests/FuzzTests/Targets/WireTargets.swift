@testable import Wire

/// The binary codecs of Wire: decoding never traps, and what was decoded survives encoding and decoding.
extension FuzzTarget {
    static let wire = [
        signalingFrame, mailFrame, relayHeader, rendezvous, candidate, iceCredentials, conversation, benchmark,
        stunRequest,
        stunResponse,
        pcpResponse,
    ]

    private static let peerBytes = [UInt8](repeating: 0x5A, count: PeerKey.byteCount)

    private static let signalingFrame = FuzzTarget("signaling-frame") {
        let peer = try PeerKey(peerBytes)
        let servers = [
            ICEServer(kind: .stun, port: 3478),
            ICEServer(
                kind: .turnUDP, host: try HostName("turn.example"), port: 3478, username: "1700000000:a",
                credential: "secret", expiry: 3600),
        ]
        let frames: [SignalingFrame] = [
            .challenge(nonce: [UInt8](repeating: 1, count: 32), serverTime: 1_700_000_000_000, serverName: "sotto"),
            .auth(peer: peer, signature: [UInt8](repeating: 2, count: 64), features: 1),
            .welcome(Welcome(session: [UInt8](repeating: 3, count: 16), iceServers: servers)),
            .signal(peer: peer, payload: [1, 2, 3]),
            .relay(peer: peer, segmentSize: 3, packets: [1, 2, 3, 4]),
            .unreachable(peer: peer, reason: .refused),
            .goAway(reason: .overloaded, retryAfter: 1000),
        ]
        return try frames.map { try $0.encode() }
    } run: { bytes in
        guard let frame = try? SignalingFrame.decode(bytes) else { return }
        let encoded = try frame.encode()
        try check(encoded == bytes, "a frame has one encoding")
        try check(try SignalingFrame.decode(encoded) == frame, "decoding what was encoded gives the frame")
        try check(bytes.first == frame.type, "the type is the first byte")
        try check(encoded.count <= SignalingFrame.maximumFrame, "no frame is longer than the limit")
    }

    private static let mailFrame = FuzzTarget("mail-frame") {
        let peer = try PeerKey(peerBytes)
        let capability = [UInt8](repeating: 4, count: MailFrame.capabilityByteCount)
        let info = MailboxInfo(
            waiting: 1, oneTimeKeysLeft: 2, timeToLive: 3, quota: 4, generation: [UInt8](repeating: 5, count: 16))
        let frames: [MailFrame] = [
            .mailbox(info), .mail(request: 1, recipient: peer, capability: capability, envelope: [1, 2, 3]),
            .stored(request: 1), .refused(request: 1, reason: .tooFast, retryAfter: 1000),
            .item(mail: 1, storedAt: 2, envelope: [3]), .acknowledge(mails: [1, 2, 3]),
            .publishPrekeys(request: 1, publication: [1]),
            .fetchPrekeys(request: 1, peer: peer, capability: capability), .prekeys(request: 1, bundle: []),
            .capabilities(request: 1, operation: .commit, digests: [try CapabilityDigest(capability)]),
            .requestMail(request: 1, recipient: peer, envelope: [1]), .done(request: 1),
        ]
        return try frames.map { try $0.encode() }
    } run: { bytes in
        let frame = try? MailFrame.decode(bytes)
        guard let type = bytes.first else { return try check(frame == nil, "nothing is no frame") }
        try check(frame == nil || MailFrame.isMail(type: type), "a frame of the mailbox has one of its types")
        if MailFrame.isMail(type: type) {
            try check(try SignalingFrame.decode(bytes) == nil, "who does not know mail passes over it")
        }
        guard let frame else { return }
        let encoded = try frame.encode()
        try check(encoded == bytes, "a frame has one encoding")
        try check(type == frame.type, "the type is the first byte")
        try check(encoded.count <= MailFrame.maximumFrame, "no frame is longer than the limit")
    }

    private static let relayHeader = FuzzTarget("relay-header") {
        [[0x05] + peerBytes + [0, 2, 1, 2, 3], [0x05] + peerBytes + [0xFF, 0xFF, 1], [0x04] + peerBytes + [1]]
    } run: { bytes in
        let frame = try? SignalingFrame.decode(bytes)
        let addressed = try? PeerAddressedFrame.peer(of: bytes)
        if let addressed {
            var changed = bytes
            let other = try PeerKey((0..<32).map { UInt8($0) })
            try PeerAddressedFrame.replacePeer(of: &changed, with: other)
            try check(try PeerAddressedFrame.peer(of: changed) == other, "a replaced peer is read back")
            try PeerAddressedFrame.replacePeer(of: &changed, with: addressed)
            try check(changed == bytes, "replacing the peer changes nothing else")
        }
        guard let header = try? RelayHeader(bytes) else {
            if case .relay = frame { throw PropertyViolation(description: "both readers agree about RELAY") }
            return
        }
        guard case .relay(let peer, let size, let packets) = frame else {
            throw PropertyViolation(description: "both readers agree about RELAY")
        }
        try check(header.peer == peer && header.segmentSize == size, "both readers see the same")
        try check(addressed == peer, "the router sees the same peer")
        try check(header.bytes == Array(bytes.prefix(RelayHeader.byteCount)), "the header has one encoding")
        let ranges = header.packetRanges
        try check(ranges.count <= SignalingFrame.maximumRelaySegments, "no more packets than the limit")
        try check(ranges.flatMap { bytes[$0] } == packets, "the packets are all of the rest, in order")
        // The same over a slice whose first index is not 0.
        let slice = ([0, 0] + bytes).dropFirst(2)
        try check(try RelayHeader(slice) == header, "where the frame lies in memory does not matter")
    }

    private static func sampleCandidates() throws -> [Candidate] {
        [
            try Candidate(
                type: .host, endpoint: Endpoint("192.0.2.1:4000"), priority: 2_130_706_431, foundation: "1"),
            try Candidate(
                type: .serverReflexive, endpoint: Endpoint("[2001:db8::1]:4001"), priority: 1, foundation: "a+/Z",
                related: Endpoint("0.0.0.0:0")),
        ]
    }

    private static func sampleCredentials() throws -> ICECredentials {
        try ICECredentials(ufrag: "abcd", password: "0123456789abcdefghijkl")
    }

    private static let rendezvous = FuzzTarget("rendezvous") {
        let (credentials, candidates) = (try sampleCredentials(), try sampleCandidates())
        let bodies: [Rendezvous.Body] = [
            .offer(credentials, candidates), .answer(credentials, []), .candidates(candidates), .endOfCandidates,
            .restart, .bye,
            .searchOffer(
                try SearchTerms(
                    mapping: .endpointDependent, endpoint: Endpoint("198.51.100.9:40000"),
                    secret: [UInt8](repeating: 3, count: 32))),
        ]
        return try bodies.map {
            try Rendezvous(connectionID: [UInt8](repeating: 7, count: 16), time: 1_700_000_000_000, body: $0).encode()
        }
    } run: { bytes in
        guard let payload = try? Rendezvous.decode(bytes) else { return }
        let encoded = payload.encode()
        try check(try Rendezvous.decode(encoded) == payload, "decoding what was encoded gives the payload")
        try check(encoded.count <= Rendezvous.maximumByteCount, "no payload is longer than the limit")
        // Candidates of unknown kinds are left out, so the encoding may be shorter, but never longer.
        try check(encoded.count <= bytes.count, "encoding adds nothing")
    }

    private static let candidate = FuzzTarget("candidate") {
        try sampleCandidates().map {
            var writer = ByteWriter()
            writer.write($0)
            return writer.bytes
        } + [[3, 9, 1, 2]]
    } run: { bytes in
        var reader = ByteReader(bytes)
        guard let candidate = try? reader.readCandidate() else { return }
        var writer = ByteWriter()
        writer.write(candidate)
        try check(writer.bytes == Array(bytes.prefix(bytes.count - reader.remaining)), "it has one encoding")
        var again = ByteReader(writer.bytes)
        try check(try again.readCandidate() == candidate, "decoding what was encoded gives the candidate")
        try again.finish()
        try check(candidate.endpoint.port != 0 && candidate.endpoint.address.isUnicast, "it names a host")
        try check(
            try Endpoint(candidate.endpoint.description) == candidate.endpoint, "its endpoint can be read as text")
    }

    private static let iceCredentials = FuzzTarget("ice-credentials") {
        var writer = ByteWriter()
        writer.write(try sampleCredentials())
        return [writer.bytes]
    } run: { bytes in
        var reader = ByteReader(bytes)
        guard let credentials = try? reader.readICECredentials() else { return }
        var writer = ByteWriter()
        writer.write(credentials)
        try check(writer.bytes == Array(bytes.prefix(bytes.count - reader.remaining)), "they have one encoding")
        try check(
            credentials.description == "ICECredentials(ufrag: \(credentials.ufrag))", "the password is never described")
    }

    private static let conversation = FuzzTarget("conversation", maximumLength: 2048) {
        let id = [UInt8](repeating: 9, count: 16)
        let frames: [ConversationFrame] = [
            .hello(name: "Alice", features: 1), .envelope([1, 2, 3]), .stored([id]),
            .ping(1), .pong(1), .prekeys([]), .unreadable([id]), .typing(true),
        ]
        let encoded = try frames.map { try $0.encode() }
        return encoded.map { [3] + $0 } + [[7] + encoded.flatMap(\.self) + [0, 0, 0, 2, 0x77, 1] + encoded[3]]
    } run: { bytes in
        guard let seed = bytes.first else { return }
        let stream = bytes.dropFirst()
        var whole = ConversationReading()
        whole.take(stream)
        var pieces = ConversationReading()
        var generator = SeededGenerator(seed: UInt64(seed))
        var rest = stream
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...(1 + Int(seed)), using: &generator))
            rest = rest.dropFirst(piece.count)
            pieces.take(piece)
        }
        try check(whole == pieces, "how the stream is cut does not matter")
        for frame in whole.frames {
            var again = ConversationReading()
            again.take(try frame.encode())
            try check(again.frames == [frame] && again.failure == nil, "decoding what was encoded gives the frame")
        }
    }

    private static let stunRequest = FuzzTarget("stun-request", maximumLength: 1400) {
        let modern = try STUN.bindingRequest(transactionID: [UInt8](repeating: 4, count: 12))
        let classic = [0, 1, 0, 0] + [UInt8](repeating: 5, count: 16)
        let withAttributes: [UInt8] =
            [0, 1, 0, 16] + STUN.cookieBytes + [UInt8](repeating: 6, count: 12) + [0x80, 0x22, 0, 3, 1, 2, 3, 0]
            + [0x7F, 0, 0, 2, 9, 9, 0, 0]
        return [modern, classic, withAttributes]
    } run: { bytes in
        guard let request = try? STUNBindingRequest(bytes) else { return }
        for source in [try Endpoint("192.0.2.7:50000"), try Endpoint("[2001:db8::7]:1")] {
            let answer = request.response(mapped: source)
            try check(answer.count <= STUN.maximumMessage, "no answer is longer than the limit")
            guard !request.isClassic else {
                try check(Array(answer[4..<20]) == Array(bytes[4..<20]), "a classic answer carries the transaction id")
                continue
            }
            let read = try STUNBindingResponse(answer, transactionID: Array(bytes[8..<20]))
            let expected: STUNBindingResponse =
                request.unknownAttributes.isEmpty ? .mapped(source) : .refused(code: 420)
            try check(read == expected, "the client reads what the server meant")
        }
    }

    private static let transactionID = [UInt8](repeating: 4, count: 12)

    private static let stunResponse = FuzzTarget("stun-response", maximumLength: 1400) {
        let request = try STUNBindingRequest(try STUN.bindingRequest(transactionID: transactionID))
        let plain = STUN.message(
            STUN.bindingSuccess, cookieAndID: STUN.cookieBytes + transactionID,
            attributes: [(STUN.Attribute.mappedAddress, STUN.addressValue(try Endpoint("192.0.2.1:9"), xoring: nil))])
        let refusal = STUN.message(
            STUN.bindingError, cookieAndID: STUN.cookieBytes + transactionID,
            attributes: [(STUN.Attribute.errorCode, [0, 0, 4, 20])])
        return [
            request.response(mapped: try Endpoint("192.0.2.1:9")),
            request.response(mapped: try Endpoint("[2001:db8::1]:65535")), plain, refusal,
        ]
    } run: { bytes in
        guard let response = try? STUNBindingResponse(bytes, transactionID: transactionID) else { return }
        switch response {
        case .mapped(let endpoint):
            let request = try STUNBindingRequest(try STUN.bindingRequest(transactionID: transactionID))
            let again = try STUNBindingResponse(request.response(mapped: endpoint), transactionID: transactionID)
            try check(again == response, "decoding what was encoded gives the response")
        case .refused(let code):
            try check((300..<700).contains(code), "an error code is one of RFC 8489")
        }
    }

    private static let pcpResponse = FuzzTarget("pcp-response", maximumLength: 1_200) {
        let nonce = try PCPNonce(bytes: transactionID)
        let mapping = PCPMapping(nonce: nonce, internalPort: 40_000, external: try Endpoint("203.0.113.5:50000"))
        let request = PCPRequest.map(mapping, lifetime: 600).encode(client: .v4(192, 168, 1, 20))
        // As servers do: the request's own bytes, with another header.
        let header: [UInt8] = [2, 0x81, 0, 0, 0, 0, 2, 88, 0, 0, 14, 16] + [UInt8](repeating: 0, count: 12)
        let mapped = header + request.dropFirst(24)
        return [
            mapped, mapped + [1, 0, 0, 4, 9, 9, 9, 9], [2, 0x81, 0, 2] + mapped.dropFirst(4),
            [2, 0x80] + header.dropFirst(2), [2, 0x80, 0, 1] + header.dropFirst(4), [0, 0x80, 0, 1, 0, 0, 14, 16],
        ]
    } run: { bytes in
        let response: PCPResponse
        do throws(WireError) { response = try PCPResponse(bytes) } catch {
            if case .unsupported(let version) = error {
                try check(bytes.first == version, "the version is the first byte")
            }
            return
        }
        try check(bytes.count <= PCP.maximumMessage && bytes.count.isMultiple(of: 4), "a length that §8.3 allows")
        try check(bytes[0] == 2 && bytes[1] & 0x80 != 0 && bytes[3] != 1, "an answer in our version")
        try check(response.result.rawValue == bytes[3], "the result is the fourth byte")
        guard let mapping = response.mapping else {
            return try check(bytes[1] == 0x80, "only ANNOUNCE has no mapping")
        }
        // The mapping that was read is written as it stood there, but for what is reserved.
        let again = PCPRequest.map(mapping, lifetime: response.lifetime).encode(client: .v4(0, 0, 0, 0))
        try check(again[4..<8] == bytes[4..<8], "the lifetime")
        try check(again[24..<37] == bytes[24..<37] && again[40..<60] == bytes[40..<60], "the mapping")
        // Nothing in a server's clock breaks ours.
        var epoch = PCPEpoch()
        for client in [0, Int64(bytes[8]), Int64(response.lifetime)] {
            _ = epoch.isContinued(server: response.epoch, client: client)
            _ = epoch.isContinued(server: response.lifetime, client: client)
        }
    }
}

/// What a decoder of the conversation made of a stream.
private struct ConversationReading: Equatable {
    private var decoder = ConversationFrameDecoder()
    private(set) var frames: [ConversationFrame] = []
    private(set) var failure: WireError?

    mutating func take(_ bytes: some Sequence<UInt8>) {
        decoder.append(bytes)
        while failure == nil {
            do throws(WireError) {
                guard let frame = try decoder.next() else { return }
                frames.append(frame)
            } catch {
                failure = error
            }
        }
    }

    static func == (left: ConversationReading, right: ConversationReading) -> Bool {
        left.frames == right.frames && left.failure == right.failure && left.decoder.skipped == right.decoder.skipped
            && left.decoder.buffered == right.decoder.buffered
    }
}
