@testable import Noise

/// Keys of both sides of a test's handshake.
struct Keys: Sendable {
    var initiator = Sodium.randomBytes(count: 32)
    var responder = Sodium.randomBytes(count: 32)
    var psk = Sodium.randomBytes(count: 32)

    static func pair(_ secret: [UInt8]) throws -> KeyPair {
        try KeyPair(secret: SecretBytes(copying: secret))
    }
}

/// Both sides of a handshake.
struct Sides: ~Copyable {
    var initiator: HandshakeState
    var responder: HandshakeState
    let pattern: HandshakePattern

    /// "IK" stands for Noise_IK_25519_ChaChaPoly_BLAKE2b; names with an underscore are taken as they are.
    init(_ name: String, _ keys: Keys = Keys()) throws {
        let name = try ProtocolName(Sides.fullName(name))
        let initiator = try Sides.state(name, .initiator, keys)
        let responder = try Sides.state(name, .responder, keys)
        self.pattern = name.pattern
        self.initiator = initiator
        self.responder = responder
    }

    static func fullName(_ name: String) -> String {
        name.contains("_") ? name : "Noise_\(name)_25519\(name.contains("hfs") ? "+MLKEM768" : "")_ChaChaPoly_BLAKE2b"
    }

    static func state(
        _ name: ProtocolName, _ role: Role, _ keys: Keys, prologue: [UInt8] = [1, 2, 3]
    ) throws -> HandshakeState {
        let pattern = name.pattern
        let (own, other) = role == .initiator ? (keys.initiator, keys.responder) : (keys.responder, keys.initiator)
        let knowsPeer = pattern.preMessage(of: role.peer).contains(.s)
        return try HandshakeState(
            name, role: role, prologue: prologue,
            s: pattern.needsStatic(role) ? Keys.pair(own) : nil,
            rs: knowsPeer ? Keys.pair(other).publicKey : nil,
            psks: SecretBytes(copying: Array(repeating: keys.psk, count: pattern.pskCount).flatMap { $0 }))
    }

    /// The next message, by the side whose turn it is.
    mutating func write(_ payload: [UInt8] = []) throws -> [UInt8] {
        initiator.isOurTurn ? try initiator.writeMessage(payload) : try responder.writeMessage(payload)
    }

    /// Gives a message to the side that must read.
    mutating func read(_ message: [UInt8], by role: Role) throws -> [UInt8] {
        role == .initiator ? try initiator.readMessage(message) : try responder.readMessage(message)
    }

    /// Who reads the next message; nil when all are done.
    var reader: Role? {
        initiator.isOurTurn ? .responder : responder.isOurTurn ? .initiator : nil
    }

    /// Runs all messages that are left.
    mutating func finish() throws {
        while let reader {
            _ = try read(write([9, 9]), by: reader)
        }
    }

    func hash(of role: Role) -> [UInt8] {
        role == .initiator ? initiator.handshakeHash : responder.handshakeHash
    }

    /// Whether the message with that index ends with an authentication tag.
    func authenticates(message index: Int) -> Bool {
        pattern.messages[...index].contains { $0.tokens.contains { $0 != .e && $0 != .s } }
    }

    static let names = (HandshakePattern.oneWay + HandshakePattern.fundamental + HandshakePattern.deferred).map(\.name)
    /// Every interactive pattern with a KEM, and mixtures.
    static let hybridNames =
        (HandshakePattern.fundamental + HandshakePattern.deferred).map { $0.name + "hfs" } + [
            "IKhfs+psk2", "NNhfs+psk0",
        ]
    static let pskNames = ["Npsk0", "Xpsk1", "NNpsk0", "NNpsk2", "XXpsk3", "IKpsk1", "IKpsk2", "XXpsk0+psk3"]
}

/// The error of a throwing call; nil when it does not throw one.
func failure<R>(_ body: () throws(NoiseError) -> R) -> NoiseError? {
    do throws(NoiseError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
