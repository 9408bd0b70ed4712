import Testing

@testable import Noise

@Suite("HandshakeState")
struct HandshakeStateTests {
    @Test(
        "every pattern ends with the same hash, keys that fit, and the peer's static key",
        arguments: Sides.names + Sides.pskNames + Sides.hybridNames)
    func finishes(_ name: String) throws {
        let keys = Keys()
        var sides = try Sides(name, keys)
        try sides.finish()
        #expect(sides.hash(of: .initiator) == sides.hash(of: .responder))
        let (left, right) = (sides.initiator.remoteStatic, sides.responder.remoteStatic)
        let pattern = sides.pattern
        #expect(try left == (pattern.needsStatic(.responder) ? Keys.pair(keys.responder).publicKey : nil))
        #expect(try right == (pattern.needsStatic(.initiator) ? Keys.pair(keys.initiator).publicKey : nil))

        let (initiator, responder) = try (TransportBox(sides.initiator), TransportBox(sides.responder))
        let message = try initiator.transport.send.encryptWithAd([], [1, 2])
        #expect(try responder.transport.receive.decryptWithAd([], message) == [1, 2])
        if pattern.isOneWay {
            let refusals = [
                failure { () throws(NoiseError) in try responder.transport.send.encryptWithAd([], [1]) },
                failure { () throws(NoiseError) in try initiator.transport.receive.decryptWithAd([], message) },
            ]
            #expect(refusals == [.oneWayPattern, .oneWayPattern])
            #expect(responder.transport.send.withKey { $0.count } == 0)
        } else {
            let answer = try responder.transport.send.encryptWithAd([], [3])
            #expect(try initiator.transport.receive.decryptWithAd([], answer) == [3])
        }
    }

    @Test(
        "an altered, cut or lengthened message never passes, and the true one still does",
        arguments: Sides.names + Sides.pskNames)
    func noticesTampering(_ name: String) throws {
        var sides = try Sides(name)
        var index = 0
        while let reader = sides.reader {
            let message = try sides.write([1, 2, 3, 4])
            if sides.authenticates(message: index) {
                let before = sides.hash(of: reader)
                for altered in alterations(of: message) {
                    let error = failure { () throws(NoiseError) in try sides.readTyped(altered, by: reader) }
                    #expect(error == .authenticationFailed || error == .messageTooShort)
                }
                let after = sides.hash(of: reader)
                #expect(after == before)
            }
            #expect(try sides.read(message, by: reader) == [1, 2, 3, 4])
            index += 1
        }
        #expect(sides.hash(of: .initiator) == sides.hash(of: .responder))
        try checkTransport(sides)
    }

    private func alterations(of message: [UInt8]) -> [[UInt8]] {
        let flipped = message.indices.map { index in
            var altered = message
            altered[index] ^= 1 << (index % 8)
            return altered
        }
        return flipped + (0..<message.count).map { Array(message.prefix($0)) } + [message + [0], [0] + message]
    }

    private func checkTransport(_ sides: consuming Sides) throws {
        let (initiator, responder) = try (TransportBox(sides.initiator), TransportBox(sides.responder))
        let message = try initiator.transport.send.encryptWithAd([], [1])
        #expect(try responder.transport.receive.decryptWithAd([], message) == [1])
    }

    @Test(
        "what is altered before the first key ends the handshake at the next message",
        arguments: ["NN", "NX", "XN", "XX", "IN", "IX", "KN", "KX", "NK1", "IK1", "X1X1"])
    func noticesEarlyTamperingLater(_ name: String) throws {
        for index in 0..<36 {
            var sides = try Sides(name)
            var message = try sides.write([1, 2, 3, 4])
            message[index] ^= 1
            _ = try sides.read(message, by: .responder)
            let answer = try sides.write()
            let error = failure { () throws(NoiseError) in try sides.readTyped(answer, by: .initiator) }
            #expect(error == .authenticationFailed)
        }
    }

    @Test("calls out of turn, too early or too late are refused and change nothing", arguments: Sides.names)
    func keepsOrder(_ name: String) throws {
        var sides = try Sides(name)
        while let reader = sides.reader {
            let hashes = [sides.hash(of: .initiator), sides.hash(of: .responder)]
            let errors = [
                failure { () throws(NoiseError) in
                    reader == .initiator
                        ? try sides.initiator.writeMessage([]) : try sides.responder.writeMessage([])
                },
                failure { () throws(NoiseError) in
                    try sides.readTyped([UInt8](repeating: 0, count: 200), by: reader.peer)
                },
            ]
            #expect(errors == [.outOfTurn, .outOfTurn])
            #expect([sides.hash(of: .initiator), sides.hash(of: .responder)] == hashes)
            _ = try sides.read(sides.write(), by: reader)
        }
        let errors = [
            failure { () throws(NoiseError) in try sides.initiator.writeMessage([]) },
            failure { () throws(NoiseError) in try sides.initiator.readMessage([]) },
            failure { () throws(NoiseError) in try sides.responder.writeMessage([]) },
            failure { () throws(NoiseError) in try sides.responder.readMessage([]) },
        ]
        #expect(errors == Array(repeating: .handshakeFinished, count: 4))
    }

    @Test("an unfinished handshake gives no transport")
    func refusesEarlySplit() throws {
        var sides = try Sides("XX")
        _ = try sides.read(sides.write(), by: .responder)
        let responder = sides.responder
        do throws(NoiseError) {
            _ = try responder.split()
            Issue.record("it was split")
        } catch {
            #expect(error == .handshakeNotFinished)
        }
    }

    @Test("a message of the same handshake at another place, or of another handshake, is refused")
    func refusesMisplacedMessages() throws {
        let keys = Keys()
        var sides = try Sides("XX", keys)
        var other = try Sides("XX", keys)
        let first = try sides.write()
        _ = try sides.read(first, by: .responder)
        let second = try sides.write([7])
        _ = try other.read(other.write(), by: .responder)
        let foreign = try other.write([7])
        for wrong in [first, foreign] {
            #expect(failure { () throws(NoiseError) in try sides.readTyped(wrong, by: .initiator) } != nil)
        }
        #expect(try sides.read(second, by: .initiator) == [7])
        let third = try sides.write()
        #expect(failure { () throws(NoiseError) in try sides.readTyped(second, by: .responder) } != nil)
        _ = try sides.read(third, by: .responder)
        #expect(sides.hash(of: .initiator) == sides.hash(of: .responder))
    }

    @Test("a handshake message is at most 65535 bytes long")
    func limitsLength() throws {
        var sides = try Sides("IK")
        let room = 65535 - 32 - 48 - 16
        let before = sides.hash(of: .initiator)
        let payload = [UInt8](repeating: 5, count: room)
        let error = failure { () throws(NoiseError) in try sides.initiator.writeMessage(payload + [5]) }
        #expect(error == .messageTooLong)
        #expect(sides.hash(of: .initiator) == before)
        let message = try sides.write(payload)
        #expect(message.count == 65535)
        let tooLong = failure { () throws(NoiseError) in try sides.readTyped(message + [0], by: .responder) }
        #expect(tooLong == .messageTooLong)
        #expect(try sides.read(message, by: .responder) == payload)
        try sides.finish()
    }

    @Test(
        "random bytes never pass as an authenticated message, and never trap", arguments: Sides.names + Sides.pskNames)
    func survivesRandomBytes(_ name: String) throws {
        var sides = try Sides(name)
        var index = 0
        while let reader = sides.reader {
            if sides.authenticates(message: index) {
                for count in [0, 1, 31, 32, 33, 47, 48, 49, 95, 96, 97, 200, 65535, 65536] {
                    let noise = Sodium.randomBytes(count: count)
                    #expect(failure { () throws(NoiseError) in try sides.readTyped(noise, by: reader) } != nil)
                }
            }
            _ = try sides.read(sides.write(), by: reader)
            index += 1
        }
    }

    @Test("fallback goes on where the refused first message left off, with pre-shared keys too", arguments: [0, 1])
    func fallsBack(pskCount: Int) throws {
        let name = try ProtocolName(Sides.fullName(pskCount == 0 ? "XXfallback" : "XXfallback+psk0"))
        let e = KeyPair.generate()
        let psk = Sodium.randomBytes(count: 32 * pskCount)
        var initiator = try HandshakeState(
            name, role: .initiator, s: .generate(), e: e.copy(), psks: SecretBytes(copying: psk))
        var responder = try HandshakeState(
            name, role: .responder, s: .generate(), re: e.publicKey, psks: SecretBytes(copying: psk))
        #expect(try initiator.readMessage(responder.writeMessage([1])) == [1])
        #expect(try responder.readMessage(initiator.writeMessage([2])) == [2])
        let send = try initiator.split().separate { send, _ in Box(send) }
        let receive = try responder.split().separate { _, receive in Box(receive) }
        let message = try send.state.encryptWithAd([], [3])
        #expect(try receive.state.decryptWithAd([], message) == [3])
    }

    @Test("keys that the pattern needs must be given, others must not")
    func checksKeys() throws {
        let name = try ProtocolName(Sides.fullName("IK"))
        let key = KeyPair.generate().publicKey
        #expect(creationError(name, .initiator, s: true, rs: nil) == .missingKey)
        #expect(creationError(name, .initiator, s: false, rs: key) == .missingKey)
        #expect(creationError(name, .responder, s: false, rs: nil) == .missingKey)
        #expect(creationError(name, .responder, s: true, rs: key) == .unexpectedKey)
        let bare = try ProtocolName(Sides.fullName("NN"))
        #expect(creationError(bare, .initiator, s: true, rs: nil) == .unexpectedKey)
        #expect(creationError(bare, .initiator, s: false, rs: key) == .unexpectedKey)
        let fallback = try ProtocolName(Sides.fullName("NNfallback"))
        #expect(creationError(fallback, .initiator, s: false, rs: nil) == .missingKey)
        #expect(creationError(fallback, .responder, s: false, rs: nil) == .missingKey)
    }

    private func creationError(_ name: ProtocolName, _ role: Role, s: Bool, rs: PublicKey?) -> NoiseError? {
        failure { () throws(NoiseError) in
            _ = try HandshakeState(name, role: role, s: s ? KeyPair.generate() : nil, rs: rs)
        }
    }

    @Test("pre-shared keys must be as many as the modifiers, of 32 bytes each", arguments: [0, 31, 32, 63, 65, 96])
    func checksPSKs(_ count: Int) throws {
        let name = try ProtocolName(Sides.fullName("NNpsk0+psk2"))
        let error = failure { () throws(NoiseError) in
            _ = try HandshakeState(name, role: .initiator, psks: .random(count: count))
        }
        #expect(error == .wrongPresharedKeys)
    }
}

/// Holds what `#expect` cannot copy.
final class TransportBox {
    var transport: Transport

    init(_ state: consuming HandshakeState) throws {
        transport = try state.split()
    }
}

extension Sides {
    /// As `read`, with the error's type.
    mutating func readTyped(_ message: [UInt8], by role: Role) throws(NoiseError) -> [UInt8] {
        role == .initiator ? try initiator.readMessage(message) : try responder.readMessage(message)
    }
}
