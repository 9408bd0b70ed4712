import Foundation
import Noise
import Testing

/// Live handshakes with PyPI's `noiseprotocol`: fresh keys and payloads each time, both roles.
@Suite(
    "Live interoperability with PyPI's noiseprotocol", .serialized,
    .enabled("needs python3, pip and PyPI, through scripts/python-env") { await PythonEnvironment.python() != nil })
struct InteroperabilityTests {
    private static let fundamental = [
        "N", "K", "X", "NN", "KN", "NK", "KK", "NX", "KX", "XN", "IN", "XK", "IK", "XX", "IX",
    ]
    private static let psk = [
        "Npsk0", "Kpsk0", "Xpsk1", "NNpsk0", "NNpsk2", "NKpsk0", "NKpsk2", "NXpsk2", "XNpsk3", "XKpsk3", "XXpsk3",
        "KNpsk0", "KNpsk2", "KKpsk0", "KKpsk2", "KXpsk2", "INpsk1", "INpsk2", "IKpsk1", "IKpsk2", "IXpsk2",
        "XXpsk0+psk1+psk2+psk3",
    ]

    @Test(
        "handshake, transport and rekey agree in both roles", arguments: ["ChaChaPoly", "AESGCM"],
        ["BLAKE2b", "SHA256", "SHA512"])
    func agreesInBothRoles(cipher: String, hash: String) async throws {
        guard let python = await PythonEnvironment.python(), CipherFunction(rawValue: cipher)?.isAvailable == true
        else {
            return
        }
        let peer = try PythonPeer(python: python)
        var finished = 0
        for pattern in Self.fundamental + Self.psk {
            for role in [Role.initiator, .responder] {
                let name = "Noise_\(pattern)_25519_\(cipher)_\(hash)"
                do {
                    try await Conversation(name: name, role: role, peer: peer).run()
                    finished += 1
                } catch {
                    Issue.record(error, "\(name) as \(role)")
                }
            }
        }
        print("Noise interoperability: \(cipher) \(hash): \(finished) handshakes with Python, both roles")
    }
}

/// One handshake of ours with the peer, and some transport messages.
private struct Conversation {
    let name: String
    let role: Role
    let peer: PythonPeer

    private var pattern: Substring { name.split(separator: "_")[1].prefix { !$0.isLowercase } }
    private var isOneWay: Bool { pattern.count == 1 }
    private var initiatorHasStatic: Bool { pattern.first.map { "KXI".contains($0) } ?? false }
    private var responderHasStatic: Bool { isOneWay || pattern.last != "N" }
    private var initiatorIsKnown: Bool { pattern.first == "K" }
    private var responderIsKnown: Bool { isOneWay || pattern.last == "K" }

    func run() async throws {
        let ours = role == .initiator
        let label = Comment(rawValue: "\(name) as \(role)")
        let prologue = Sodium.randomBytes(count: 20)
        let psks = name.split(separator: "_")[1].split(separator: "psk").dropFirst().map { _ in
            Sodium.randomBytes(count: 32)
        }
        let secrets = (ours: Sodium.randomBytes(count: 32), theirs: Sodium.randomBytes(count: 32))
        let ourPair = try KeyPair(secret: SecretBytes(copying: secrets.ours))
        let theirPair = try KeyPair(secret: SecretBytes(copying: secrets.theirs))
        let (ourKey, theirKey) = (ourPair.publicKey, theirPair.publicKey)
        let weHaveStatic = ours ? initiatorHasStatic : responderHasStatic
        let theyHaveStatic = ours ? responderHasStatic : initiatorHasStatic
        try await peer.start(
            PythonPeer.Start(
                name: name, role: ours ? "responder" : "initiator", prologue: prologue.hex,
                s: theyHaveStatic ? secrets.theirs.hex : nil,
                rs: (ours ? initiatorIsKnown : responderIsKnown) ? ourKey.bytes.hex : nil, psks: psks.map(\.hex)))
        var state = try HandshakeState(
            ProtocolName(name), role: role, prologue: prologue, s: weHaveStatic ? ourPair.copy() : nil,
            rs: (ours ? responderIsKnown : initiatorIsKnown) ? theirKey : nil,
            psks: SecretBytes(copying: psks.flatMap { $0 }))

        while !state.isFinished {
            let payload = Sodium.randomBytes(count: 33)
            if state.isOurTurn {
                let message = try state.writeMessage(payload)
                #expect(try await peer.ask("read", message) == payload, label)
            } else {
                let message = try await peer.ask("write", payload)
                let read = try state.readMessage(message)
                #expect(read == payload, label)
            }
        }
        if theyHaveStatic {
            let remote = state.remoteStatic
            #expect(remote == theirKey, label)
        }
        var transport = try state.split()
        let hash = transport.handshakeHash
        #expect(try await peer.ask("hash") == hash, label)
        for round in 0..<6 {
            if round == 3 {
                transport.send.rekey()
                transport.receive.rekey()
                if !isOneWay || !ours { _ = try await peer.ask("rekey-out") }
                if !isOneWay || ours { _ = try await peer.ask("rekey-in") }
            }
            let payload = Sodium.randomBytes(count: round * 100)
            if ours || !isOneWay {
                let message = try transport.send.encryptWithAd([], payload)
                #expect(try await peer.ask("decrypt", message) == payload, label)
            }
            if !ours || !isOneWay {
                let message = try await peer.ask("encrypt", payload)
                let read = try transport.receive.decryptWithAd([], message)
                #expect(read == payload, label)
            }
        }
    }
}
