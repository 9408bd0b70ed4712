import Identity
import Noise
import Paths
import SecureTransport
import Wire

/// Targets behind keys. The keys are fixed, so that an input means the same in every run.
extension FuzzTarget {
    private static func identity(_ number: UInt8) throws -> Identity {
        try Identity(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
    }

    /// Invites and the textual form of peer ids.
    static let invite = FuzzTarget(
        name: "invite",
        seeds: {
            let peer = try identity(1).peerID
            let token = [UInt8](1...16)
            return try [
                Invite(peerID: peer, server: ServerURL("wss://example.org"), token: token, name: "bob grüßt").uri,
                Invite(peerID: peer, server: ServerURL("ws://192.0.2.1:8080"), token: token, name: nil).uri,
                "\(peer)",
            ].map { Array($0.utf8) }
        },
        run: { bytes throws(FuzzFinding) in
            let text = String(decoding: bytes, as: UTF8.self)
            if let invite = try? Invite(text) {
                try hold((try? Invite(invite.uri)) == invite, "\(invite.uri) is not read again")
                try hold(invite.uri.utf8.count <= Invite.maximumLength, "longer than the longest")
            }
            if let peer = try? PeerID(text: text) {
                try hold((try? PeerID(text: "\(peer)")) == peer, "\(peer) is not read again")
            }
        })

    /// Key files, up to where the passphrase would be needed.
    static let keyFile = FuzzTarget(
        name: "keyfile",
        seeds: {
            let passphrase: SecretBytes? = SecretBytes(copying: Array("secret".utf8))
            return [
                try KeyFile.seal(try identity(1), passphrase: nil),
                try KeyFile.seal(try identity(1), passphrase: passphrase, cost: .least),
            ]
        },
        run: { bytes throws(FuzzFinding) in
            let summary = try? KeyFile.summary(bytes)
            let opened = try? KeyFile.open(bytes, passphrase: nil)
            if let opened {
                try hold(summary?.peerID == opened.peerID && summary?.isSealed == false, "says two things")
            }
        })

    /// Noise messages: the first byte chooses the pattern and the message, the rest is the message.
    static let noise = FuzzTarget(
        name: "noise",
        seeds: {
            try (0..<UInt8(patterns.count * 2)).map { choice in
                var initiator = try Self.initiator(choice)
                var responder = try Self.responder(choice)
                let first = try initiator.writeMessage([1, 2, 3])
                guard choice & 1 == 1 else { return [choice] + first }
                _ = try responder.readMessage(first)
                // One-way patterns have no second message.
                if responder.isFinished { return [choice] }
                return [choice] + (try responder.writeMessage([4, 5, 6]))
            }
        },
        run: { bytes throws(FuzzFinding) in
            guard let choice = bytes.first else { return }
            let message = Array(bytes.dropFirst())
            do {
                if choice & 1 == 0 {
                    var responder = try Self.responder(choice)
                    try Self.read(message, &responder)
                } else {
                    var initiator = try Self.initiator(choice)
                    _ = try initiator.writeMessage([])
                    try Self.read(message, &initiator)
                }
            } catch let finding as FuzzFinding {
                throw finding
            } catch {
                return
            }
        })

    /// Sealed envelopes.
    static let envelope = FuzzTarget(
        name: "envelope",
        seeds: {
            let payload = try Rendezvous(connectionID: Array(1...16), time: 1, body: .bye).encode()
            let envelope = try SealedEnvelope.seal(
                payload, from: identity(2), to: identity(1).peerID, context: Rendezvous.sealingContext)
            return [envelope]
        },
        run: { bytes throws(FuzzFinding) in
            guard let recipient = try? identity(1) else { return }
            guard
                let opened = try? SealedEnvelope.open(bytes, recipient: recipient, context: Rendezvous.sealingContext)
            else { return }
            try hold(opened.payload.count <= SealedEnvelope.maximumPayload, "larger than the largest")
            _ = try? Rendezvous.decode(opened.payload)
        })

    /// Packets: as the first of a call, and in the middle of a handshake.
    static let session = FuzzTarget(
        name: "session",
        seeds: {
            let caller = try SecureSession.connect(
                identity: identity(1), to: identity(2).peerID, greeting: [1, 2, 3], now: MonotonicTime(nanoseconds: 1))
            var packets: [[UInt8]] = []
            caller.addPath(PathID(rawValue: 0), kind: .relay, now: MonotonicTime(nanoseconds: 1))
            caller.transmit(now: MonotonicTime(nanoseconds: 1)) { bytes, size, _ in
                packets += stride(from: 0, to: bytes.count, by: max(size, 1)).map {
                    Array(bytes[$0..<min($0 + size, bytes.count)])
                }
            }
            return packets
        },
        run: { bytes throws(FuzzFinding) in
            bytes.withUnsafeBytes { packet in
                _ = SecureSession.classify(packet)
                let now = MonotonicTime(nanoseconds: 1)
                let path = PathID(rawValue: 0)
                guard let us = try? identity(2) else { return }
                _ = try? SecureSession.accept(packet, identity: us, on: path, authorize: { _, _ in [] }, now: now)
                guard let peer = try? identity(1).peerID,
                    let caller = try? SecureSession.connect(identity: us, to: peer, greeting: [], now: now)
                else { return }
                caller.addPath(path, kind: .relay, now: now)
                caller.transmit(now: now) { _, _, _ in }
                caller.receive(packet, on: path, now: now)
                caller.transmit(now: now) { _, _, _ in }
                while caller.pollEvent() != nil {}
            }
        })

    // MARK: Noise

    private static let patterns = ["IK", "XX", "NN", "N", "X", "KK"]

    private static func pattern(_ choice: UInt8) -> String {
        patterns[Int(choice >> 1) % patterns.count]
    }

    private static func initiator(_ choice: UInt8) throws -> HandshakeState {
        let pattern = pattern(choice)
        let us = try identity(1)
        return try HandshakeState(
            ProtocolName("Noise_\(pattern)_25519_ChaChaPoly_BLAKE2b"), role: .initiator,
            s: ["IK", "XX", "X", "KK"].contains(pattern) ? us.noiseKeyPair() : nil, e: us.noiseKeyPair(),
            rs: ["IK", "N", "X", "KK"].contains(pattern) ? identity(2).peerID.noisePublicKey : nil)
    }

    private static func responder(_ choice: UInt8) throws -> HandshakeState {
        let pattern = pattern(choice)
        return try HandshakeState(
            ProtocolName("Noise_\(pattern)_25519_ChaChaPoly_BLAKE2b"), role: .responder,
            s: pattern == "NN" ? nil : identity(2).noiseKeyPair(),
            rs: pattern == "KK" ? identity(1).peerID.noisePublicKey : nil)
    }

    /// A message that is refused leaves the state as it was.
    private static func read(_ message: [UInt8], _ state: inout HandshakeState) throws {
        let (hash, peer) = (state.handshakeHash, state.remoteStatic)
        do {
            let payload = try state.readMessage(message)
            try hold(payload.count <= message.count, "more came out than went in")
        } catch is NoiseError {
            try hold(state.handshakeHash == hash && state.remoteStatic == peer, "a refused message left traces")
        }
    }
}
