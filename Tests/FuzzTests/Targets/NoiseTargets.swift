import Noise

/// Noise messages: forged ones are refused and change nothing, so that the genuine one is accepted after them.
extension FuzzTarget {
    static let noise = [noiseMessage]

    /// Input: pattern u8 | which message is attacked u8 | mode u8 (odd: the rest is the message; even: it says how to alter
    /// the genuine one).
    private static let noiseMessage = FuzzTarget("noise-message", .publicKey, maximumLength: 400) {
        (0..<UInt8(NoiseExchange.patterns.count)).flatMap { pattern in
            (0..<UInt8(3)).flatMap { step -> [[UInt8]] in
                [
                    [pattern, step, 0], [pattern, step, 0, 1, 0, 0, 40, 1], [pattern, step, 0, 1, 1, 0, 48],
                    [pattern, step, 1] + FuzzKeys.bytes(9) + [UInt8](repeating: 3, count: 64),
                    [pattern, step, 1] + [UInt8](repeating: 0, count: 32),
                ]
            }
        }
    } run: { bytes in
        var input = FuzzInput(bytes)
        let pattern = NoiseExchange.patterns[Int(input.byte()) % NoiseExchange.patterns.count]
        let attacked = Int(input.byte()) % pattern.messages
        try NoiseExchange(pattern: pattern, attacked: attacked).run(&input)
    }
}

/// One handshake between two honest ends, in which one message is preceded by a forged one.
private struct NoiseExchange {
    struct Pattern: Sendable {
        let name: String
        let messages: Int
        /// Whether the initiator has a static key, and whether it knows the responder's.
        let hasInitiatorStatic: Bool
        let knowsResponder: Bool
        let hasResponderStatic: Bool
        let hasPSK: Bool
    }

    static let patterns = [
        Pattern(
            name: "IK", messages: 2, hasInitiatorStatic: true, knowsResponder: true, hasResponderStatic: true,
            hasPSK: false),
        Pattern(
            name: "XX", messages: 3, hasInitiatorStatic: true, knowsResponder: false, hasResponderStatic: true,
            hasPSK: false),
        Pattern(
            name: "N", messages: 1, hasInitiatorStatic: false, knowsResponder: true, hasResponderStatic: true,
            hasPSK: false),
        Pattern(
            name: "IKpsk2", messages: 2, hasInitiatorStatic: true, knowsResponder: true, hasResponderStatic: true,
            hasPSK: true),
        Pattern(
            name: "NNpsk0", messages: 2, hasInitiatorStatic: false, knowsResponder: false, hasResponderStatic: false,
            hasPSK: true),
        Pattern(
            name: "X", messages: 1, hasInitiatorStatic: true, knowsResponder: true, hasResponderStatic: true,
            hasPSK: false),
    ]

    let pattern: Pattern
    let attacked: Int

    func run(_ input: inout FuzzInput) throws {
        var initiator = try makeEnd(.initiator)
        var responder = try makeEnd(.responder)
        for index in 0..<pattern.messages {
            let goesOn: Bool
            if index.isMultiple(of: 2) {
                goesOn = try pass(index, from: &initiator, to: &responder, &input)
            } else {
                goesOn = try pass(index, from: &responder, to: &initiator, &input)
            }
            guard goesOn else { return }
        }
        try check(initiator.handshakeHash == responder.handshakeHash, "both ends agree")
        var sending = try initiator.split()
        var receiving = try responder.split()
        let sealed = try sending.send.encryptWithAd([], [1, 2, 3])
        try check(try receiving.receive.decryptWithAd([], sealed) == [1, 2, 3], "the session works")
    }

    private func makeEnd(_ role: Role) throws -> HandshakeState {
        let isInitiator = role == .initiator
        let hasStatic = isInitiator ? pattern.hasInitiatorStatic : pattern.hasResponderStatic
        let remote = isInitiator && pattern.knowsResponder ? try FuzzKeys.pair(2).publicKey : nil
        let psks = pattern.hasPSK ? FuzzKeys.secret(5) : nil
        let keys = hasStatic ? try FuzzKeys.pair(isInitiator ? 1 : 2) : nil
        return try HandshakeState(
            ProtocolName("Noise_\(pattern.name)_25519_ChaChaPoly_BLAKE2b"), role: role, prologue: [1], s: keys,
            e: FuzzKeys.pair(isInitiator ? 3 : 4), rs: remote, psks: psks)
    }

    /// Passes one message on, after a forged one if this is the one attacked. False when the forged one was accepted,
    /// as it can be before there are keys: then the ends can no longer agree.
    private func pass(
        _ index: Int, from sender: inout HandshakeState, to receiver: inout HandshakeState, _ input: inout FuzzInput
    ) throws -> Bool {
        let payload: [UInt8] = [0x70, UInt8(index)]
        let genuine = try sender.writeMessage(payload)
        if index == attacked {
            let forged = input.byte() & 1 == 1 ? input.remaining() : input.altered(genuine)
            if forged != genuine, try accepts(forged, &receiver) {
                try check(index == 0 && pattern.name == "XX", "a forged message is refused")
                return try cannotAgree(&sender, &receiver)
            }
        }
        try check(try receiver.readMessage(genuine) == payload, "the genuine message is accepted")
        return true
    }

    private func accepts(_ forged: [UInt8], _ receiver: inout HandshakeState) throws -> Bool {
        let hash = receiver.handshakeHash
        let remote = receiver.remoteStatic
        do throws(NoiseError) {
            _ = try receiver.readMessage(forged)
            return true
        } catch {
            try check(receiver.handshakeHash == hash && receiver.remoteStatic == remote, "refusing changes nothing")
            try check(!receiver.isFinished && !receiver.isOurTurn, "refusing does not go on")
            return false
        }
    }

    /// XX, message 1: anything with a key in front is accepted, but the answer to it fits nobody else.
    private func cannotAgree(_ sender: inout HandshakeState, _ receiver: inout HandshakeState) throws -> Bool {
        guard let answer = try? receiver.writeMessage([]) else { return false }
        try check((try? sender.readMessage(answer)) == nil, "an answer to a forged message is refused")
        return false
    }
}
