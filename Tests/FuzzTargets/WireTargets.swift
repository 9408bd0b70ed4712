import Wire

extension FuzzTarget {
    private static let peerBytes = [UInt8](1...32)

    /// Frames between client and server.
    static let signaling = FuzzTarget(
        name: "signaling",
        seeds: {
            let peer = try PeerKey(peerBytes)
            let ice = ICEServer(
                kind: .turnUDP, host: try HostName("turn.example.org"), port: 3478, username: "u", credential: "c",
                expiry: 600)
            let frames: [SignalingFrame] = [
                .challenge(nonce: peerBytes, serverTime: 1_800_000_000_000, serverName: "example"),
                .auth(peer: peer, signature: peerBytes + peerBytes, features: 1),
                .welcome(Welcome(session: Array(1...16), iceServers: [ICEServer(kind: .stun, port: 3478), ice])),
                .signal(peer: peer, payload: [1, 2, 3]),
                .relay(peer: peer, segmentSize: 4, packets: [1, 2, 3, 4, 5, 6]),
                .unreachable(peer: peer, reason: UnreachableReason(rawValue: 0)),
                .goAway(reason: GoAwayReason(rawValue: 1), retryAfter: 1000),
            ]
            return try frames.map { try $0.encode() }
        },
        run: { bytes throws(FuzzFinding) in
            if let frame = try? SignalingFrame.decode(bytes) {
                let again = (try? frame.encode()).flatMap { try? SignalingFrame.decode($0) }
                try hold(again == frame, "a decoded frame does not survive encoding: \(frame)")
            }
            guard let to = try? PeerAddressedFrame.peer(of: bytes), let other = try? PeerKey(peerBytes) else { return }
            var swapped = bytes
            try hold((try? PeerAddressedFrame.replacePeer(of: &swapped, with: other)) != nil, "cannot be routed")
            try hold((try? PeerAddressedFrame.peer(of: swapped)) == other, "routed to somebody else")
            try? PeerAddressedFrame.replacePeer(of: &swapped, with: to)
            try hold(swapped == bytes, "routing changes more than the peer")
        })

    /// What peers tell each other to find a path.
    static let rendezvous = FuzzTarget(
        name: "rendezvous",
        seeds: {
            let credentials = try ICECredentials(ufrag: "abcd", password: "0123456789abcdefghijklmn")
            let list = try Self.candidates()
            let bodies: [Rendezvous.Body] = [
                .offer(credentials, list), .answer(credentials, []), .candidates(list), .endOfCandidates, .restart,
                .bye,
            ]
            return try bodies.map { try Rendezvous(connectionID: Array(1...16), time: 1, body: $0).encode() }
        },
        run: { bytes throws(FuzzFinding) in
            guard let message = try? Rendezvous.decode(bytes) else { return }
            try hold((try? Rendezvous.decode(message.encode())) == message, "does not survive encoding: \(message)")
            try hold(message.encode().count <= Rendezvous.maximumByteCount, "larger than the largest")
        })

    /// Frames of a conversation; a stream cut differently must mean the same.
    static let conversation = FuzzTarget(
        name: "conversation",
        seeds: {
            let frames: [ConversationFrame] = [
                .hello(name: "bob", features: 1), .message(id: Array(1...16), sentAt: 1, text: "grüße"),
                .delivered(id: Array(1...16)), .ping(1), .pong(1),
            ]
            let encoded = try frames.map { try $0.encode() }
            return encoded + [encoded.flatMap { $0 }]
        },
        run: { bytes throws(FuzzFinding) in
            let whole = Self.frames(of: [bytes[...]])
            let size = 1 + Int(bytes.first ?? 0) % 7
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            try hold(whole == Self.frames(of: pieces), "depends on how the stream was cut")
        })

    /// One candidate.
    static let candidate = FuzzTarget(
        name: "candidate",
        seeds: {
            try Self.candidates().map { candidate in
                var writer = ByteWriter()
                writer.write(candidate)
                return writer.bytes
            }
        },
        run: { bytes throws(FuzzFinding) in
            var reader = ByteReader(bytes)
            guard let candidate = try? reader.readCandidate() else { return }
            var writer = ByteWriter()
            writer.write(candidate)
            var again = ByteReader(writer.bytes)
            try hold((try? again.readCandidate()) == candidate, "does not survive encoding: \(candidate)")
            try hold(candidate.endpoint.port != 0 && candidate.priority != 0, "unusable: \(candidate)")
        })

    /// STUN requests and answers.
    static let stun = FuzzTarget(
        name: "stun",
        seeds: {
            let request = try STUN.bindingRequest(transactionID: Array(1...12))
            let classic = Array(request[..<4]) + Array(1...16)
            let source = try Endpoint("[2001:db8::1]:1234")
            let answers = try [request, classic].map { try STUNBindingRequest($0).response(mapped: source) }
            return [request, classic] + answers
        },
        run: { bytes throws(FuzzFinding) in
            if bytes.count >= STUN.headerByteCount {
                _ = try? STUNBindingResponse(bytes, transactionID: Array(bytes[8..<20]))
            }
            guard let request = try? STUNBindingRequest(bytes), let source = try? Endpoint("192.0.2.1:1234") else {
                return
            }
            let answer = request.response(mapped: source)
            // Not an amplifier: 12 bytes for the address, and what RFC 8489 asks for unknown attributes.
            try hold(answer.count <= max(32, bytes.count + 24), "an answer of \(answer.count) to \(bytes.count) bytes")
            guard !request.isClassic else { return }
            let read = try? STUNBindingResponse(answer, transactionID: Array(bytes[8..<20]))
            let expected: STUNBindingResponse =
                request.unknownAttributes.isEmpty ? .mapped(source) : .refused(code: 420)
            try hold(read == expected, "our own answer reads as \(String(describing: read))")
        })

    /// Texts that a terminal shows, and the textual forms of addresses.
    static let display = FuzzTarget(
        name: "display",
        seeds: {
            ["hello", "\u{1B}[2J\u{202E}a\u{300}\r\n", "wss://[2001:db8::1]:8443", "192.0.2.1:80", "example.org"]
                .map { Array($0.utf8) }
        },
        run: { bytes throws(FuzzFinding) in
            let text = String(decoding: bytes, as: UTF8.self)
            let harmless = DisplayText.harmless(text)
            try hold(DisplayText.isHarmless(harmless), "not harmless")
            try hold(DisplayText.harmless(harmless) == harmless, "not harmless enough")
            if let endpoint = try? Endpoint(text) {
                try hold((try? Endpoint("\(endpoint)")) == endpoint, "\(endpoint) is not read again")
            }
            if let address = try? IPAddress(text) {
                try hold((try? IPAddress("\(address)")) == address, "\(address) is not read again")
            }
            if let url = try? ServerURL(text) {
                try hold((try? ServerURL("\(url)")) == url, "\(url) is not read again")
            }
        })

    private static func candidates() throws -> [Candidate] {
        try [
            Candidate(type: .host, endpoint: Endpoint("192.0.2.1:1000"), priority: 2_130_706_431, foundation: "1"),
            Candidate(
                type: .serverReflexive, endpoint: Endpoint("[2001:db8::1]:1000"), priority: 1, foundation: "a+/9",
                related: Endpoint("0.0.0.0:0")),
        ]
    }

    private struct StreamResult: Equatable {
        let frames: [ConversationFrame]
        let error: WireError?
    }

    /// The frames in pieces of a stream, and the error at the end.
    private static func frames(of pieces: [ArraySlice<UInt8>]) -> StreamResult {
        var decoder = ConversationFrameDecoder()
        var frames: [ConversationFrame] = []
        for piece in pieces {
            decoder.append(piece)
            do throws(WireError) {
                while let frame = try decoder.next() { frames.append(frame) }
            } catch {
                return StreamResult(frames: frames, error: error)
            }
        }
        return StreamResult(frames: frames, error: nil)
    }
}
