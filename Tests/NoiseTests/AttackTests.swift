import Testing

@testable import Noise

@Suite("Attacks on handshakes")
struct AttackTests {
    @Test("a party with another static key, prologue, pre-shared key or protocol is refused")
    func refusesDisagreement() throws {
        let keys = Keys()
        let name = try ProtocolName(Sides.fullName("IKpsk2"))
        var wrongResponder = keys
        wrongResponder.responder = Sodium.randomBytes(count: 32)
        var wrongPSK = keys
        wrongPSK.psk = Sodium.randomBytes(count: 32)
        var initiator = try Sides.state(name, .initiator, keys)
        let first = try initiator.writeMessage([])

        // Another static key, another prologue, another hash: message 1 does not open.
        var others = [HandshakeBox]()
        others.append(HandshakeBox(try Sides.state(name, .responder, wrongResponder)))
        others.append(HandshakeBox(try Sides.state(name, .responder, keys, prologue: [1, 2])))
        let otherName = try ProtocolName("Noise_IKpsk2_25519_ChaChaPoly_SHA512")
        others.append(HandshakeBox(try Sides.state(otherName, .responder, keys)))
        for other in others {
            #expect(other.readError(first) == .authenticationFailed)
            #expect(other.state.remoteStatic == nil)
        }
        // Another pre-shared key: message 2 does not.
        var forgetful = try Sides.state(name, .responder, wrongPSK)
        _ = try forgetful.readMessage(first)
        let second = try forgetful.writeMessage([])
        let error = failure { () throws(NoiseError) in try initiator.readMessage(second) }
        #expect(error == .authenticationFailed)
    }

    @Test("a known initiator (KK, K) cannot be somebody else", arguments: ["KK", "K", "KKpsk0"])
    func refusesUnknownInitiator(_ name: String) throws {
        let name = try ProtocolName(Sides.fullName(name))
        let keys = Keys()
        var mallory = keys
        mallory.initiator = Sodium.randomBytes(count: 32)
        var attacker = try Sides.state(name, .initiator, mallory)
        let responder = try HandshakeBox(Sides.state(name, .responder, keys))
        #expect(try responder.readError(attacker.writeMessage([])) == .authenticationFailed)
    }

    @Test("a message sent back to its sender is refused, and the handshake goes on", arguments: Sides.names)
    func refusesReflection(_ name: String) throws {
        let keys = Keys()
        let state = try ProtocolName(Sides.fullName(name))
        guard !state.pattern.isOneWay else { return }
        var sides = try Sides(name, keys)
        while let reader = sides.reader {
            let message = try sides.write([1, 2, 3])
            _ = try sides.read(message, by: reader)
            guard let next = sides.reader else { break }
            let error = failure { () throws(NoiseError) in try sides.readTyped(message, by: next) }
            #expect(error == .authenticationFailed || error == .messageTooShort)
        }
        #expect(sides.hash(of: .initiator) == sides.hash(of: .responder))
        let initiator = try TransportBox(sides.initiator)
        let message = try initiator.transport.send.encryptWithAd([], [1])
        let error = failure { () throws(NoiseError) in try initiator.transport.receive.decryptWithAd([], message) }
        #expect(error == .authenticationFailed)
    }

    @Test("a replayed first message of IK opens, but leads to other keys and no further (§7.7, destination 2)")
    func containsReplay() throws {
        let keys = Keys()
        let name = try ProtocolName(Sides.fullName("IK"))
        var initiator = try Sides.state(name, .initiator, keys)
        var responder = try Sides.state(name, .responder, keys)
        let first = try initiator.writeMessage([1])
        _ = try responder.readMessage(first)
        _ = try initiator.readMessage(responder.writeMessage([]))
        let (alice, bob) = (try TransportBox(initiator), try TransportBox(responder))
        let recorded = try alice.transport.send.encryptWithAd([], [42])
        #expect(try bob.transport.receive.decryptWithAd([], recorded) == [42])

        var again = try Sides.state(name, .responder, keys)
        #expect(try again.readMessage(first) == [1])
        _ = try again.writeMessage([])
        let deceived = try TransportBox(again)
        #expect(deceived.transport.handshakeHash != bob.transport.handshakeHash)
        let error = failure { () throws(NoiseError) in try deceived.transport.receive.decryptWithAd([], recorded) }
        #expect(error == .authenticationFailed)
    }

    @Test("points of small order are refused as ephemeral and static keys", arguments: smallOrder)
    func refusesWeakPoints(_ hex: String) throws {
        let point = try PublicKey([UInt8](hex: hex) ?? [])
        var sides = try Sides("NN")
        let first = try sides.write()
        let responder = try HandshakeBox(Sides.state(ProtocolName(Sides.fullName("NK")), .responder, Keys()))
        let hash = responder.state.handshakeHash
        #expect(responder.readError(point.bytes + [UInt8](repeating: 0, count: 16)) == .weakPublicKey)
        #expect(responder.state.handshakeHash == hash)

        // In NN the first message has no Diffie-Hellman: it fails when the answer is written, and again.
        _ = try sides.read(point.bytes, by: .responder)
        for _ in 0..<2 {
            let error = failure { () throws(NoiseError) in try sides.responder.writeMessage([]) }
            #expect(error == .weakPublicKey)
        }
        #expect(first.count == 32)
        // As the static key that the initiator believes in.
        var initiator = try HandshakeState(ProtocolName(Sides.fullName("NK")), role: .initiator, rs: point)
        let error = failure { () throws(NoiseError) in try initiator.writeMessage([]) }
        #expect(error == .weakPublicKey)
    }

    /// The points of order 1, 2, 4 and 8 and their non-canonical forms that fit 255 bits (RFC 7748, §6.1; libsodium).
    static let smallOrder = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000080",
    ]
}

/// Holds a handshake that `#expect` cannot copy.
final class HandshakeBox {
    var state: HandshakeState

    init(_ state: consuming HandshakeState) {
        self.state = state
    }

    func readError(_ message: [UInt8]) -> NoiseError? {
        failure { () throws(NoiseError) in try state.readMessage(message) }
    }
}
