import Noise

/// One end of a Noise handshake of one of the suites, with its payloads. Knows nothing of QUIC.
///
/// A class because ngtcp2's callbacks reach it through the connection; it belongs to that connection alone.
final class NoiseHandshake {
    let role: Role
    /// The responder's static key: Initial keys come from it.
    let responder: PublicKey
    /// Suites that we speak, best first.
    let suites: [HandshakeSuite]
    /// AEADs we offer or accept, best first.
    let ciphers: [PacketCipher]
    private let firstConnectionID: [UInt8]
    /// The suite in use; the responder knows it when it has read message 1.
    private(set) var suite: HandshakeSuite?
    /// Responder: message 1, complete and unread.
    private(set) var initiatorMessage: [UInt8]?
    /// What the other end says in its payload; at most 256 bytes.
    private(set) var remoteGreeting: [UInt8] = []
    private(set) var remoteStatic: PublicKey?
    private(set) var cipher = PacketCipher.chaCha20Poly1305
    /// Responder: AEADs that message 1 offered.
    private var offered: [PacketCipher] = []
    /// Responder: transport parameters of message 1, kept until the caller has decided to answer.
    private(set) var remoteTransportParameters: [UInt8] = []
    /// Greeting of ours.
    var greeting: [UInt8]
    /// Pieces of the message being received.
    var assembler = HandshakeAssembler()
    private var state: HandshakeState?
    /// Set by the responder's message 2 until the confirmation came.
    private var expectedConfirmation: SecretBytes?

    /// The dialer's end: knows whom it calls. Throws `unsupportedProtocol` without a suite.
    init(
        initiator keys: consuming KeyPair, responder: PublicKey, firstConnectionID: [UInt8], greeting: [UInt8],
        suites: [HandshakeSuite], ciphers: [PacketCipher]
    ) throws(NoiseError) {
        guard let suite = suites.first, suites.count <= HandshakeLimits.suites else { throw .unsupportedProtocol }
        role = .initiator
        self.responder = responder
        self.firstConnectionID = firstConnectionID
        self.greeting = greeting
        self.suites = suites
        self.suite = suite
        self.ciphers = ciphers
        remoteStatic = responder
        state = try HandshakeState(
            ProtocolName(suite.protocolName), role: .initiator,
            prologue: KeySchedule.prologue(firstConnectionID: firstConnectionID, suites: suites.map(\.rawValue)),
            s: keys, rs: responder)
    }

    /// The answerer's end: learns the suite and the caller's key from message 1. Until that is complete it needs no secret.
    init(responder: PublicKey, firstConnectionID: [UInt8], suites: [HandshakeSuite], ciphers: [PacketCipher]) {
        role = .responder
        self.responder = responder
        self.firstConnectionID = firstConnectionID
        greeting = []
        self.suites = suites
        self.ciphers = ciphers
    }

    /// Message 1, framed.
    func writeInitiatorMessage(transportParameters: [UInt8]) throws -> [UInt8] {
        let payload = InitiatorPayload(ciphers: ciphers, transportParameters: transportParameters, greeting: greeting)
        guard let message = try state?.writeMessage(payload.encode()) else {
            throw HandshakePayloadError.unexpectedMessage
        }
        return try HandshakeMessageType.initiator.frame(SuiteList.encode(suites.map(\.rawValue)) + message)
    }

    /// Keeps message 1, which has come as a whole.
    func keep(initiatorMessage body: [UInt8]) {
        initiatorMessage = body
    }

    /// Reads message 1, once. The first public-key work of the responder, and none when the suite will not do.
    func readInitiatorMessage(keys: consuming KeyPair) throws {
        guard let body = initiatorMessage, suite == nil, keys.publicKey == responder else {
            throw HandshakePayloadError.unexpectedMessage
        }
        initiatorMessage = []
        let (offeredSuites, message) = try SuiteList.decode(body)
        guard let suite = HandshakeSuite.choose(offered: offeredSuites, ours: suites) else {
            throw HandshakePayloadError.noCommonSuite
        }
        self.suite = suite
        state = try HandshakeState(
            ProtocolName(suite.protocolName), role: .responder,
            prologue: KeySchedule.prologue(firstConnectionID: firstConnectionID, suites: offeredSuites), s: keys)
        guard let payload = try state?.readMessage(message), let caller = state?.remoteStatic else {
            throw HandshakePayloadError.unexpectedMessage
        }
        let decoded = try InitiatorPayload(decoding: payload)
        guard let best = PacketCipher.choose(from: decoded.ciphers, available: ciphers) else {
            throw HandshakePayloadError.noCommonCipher
        }
        cipher = best
        offered = decoded.ciphers
        remoteStatic = caller
        remoteGreeting = decoded.greeting
        remoteTransportParameters = decoded.transportParameters
    }

    /// Message 2, framed, and the secrets of the session.
    func writeResponderMessage(transportParameters: [UInt8]) throws -> (message: [UInt8], secrets: SessionSecretsBox) {
        let payload = ResponderPayload(cipher: cipher, transportParameters: transportParameters, greeting: greeting)
        guard let message = try state?.writeMessage(payload.encode()) else {
            throw HandshakePayloadError.unexpectedMessage
        }
        let secrets = try finish()
        expectedConfirmation = secrets.secrets.confirmation.copy()
        return (try HandshakeMessageType.responder.frame(message), secrets)
    }

    /// Reads message 2: the other end's transport parameters, and the secrets of the session.
    func readResponderMessage(_ body: [UInt8]) throws -> (transportParameters: [UInt8], secrets: SessionSecretsBox) {
        guard let payload = try state?.readMessage(body) else { throw HandshakePayloadError.unexpectedMessage }
        let decoded = try ResponderPayload(decoding: payload)
        guard ciphers.contains(decoded.cipher) else { throw HandshakePayloadError.noCommonCipher }
        cipher = decoded.cipher
        remoteGreeting = decoded.greeting
        return (decoded.transportParameters, try finish())
    }

    /// The key confirmation, framed.
    func confirmation(_ secrets: borrowing SessionSecrets) throws(HandshakePayloadError) -> [UInt8] {
        try HandshakeMessageType.confirmation.frame(secrets.confirmation.withUnsafeBytes { Array($0) })
    }

    /// Whether `body` is the confirmation that only the initiator can send. Works once.
    func accepts(confirmation body: [UInt8]) -> Bool {
        guard let expected = expectedConfirmation.take() else { return false }
        return expected.isEqual(to: SecretBytes(copying: body))
    }

    private func finish() throws -> SessionSecretsBox {
        guard let finished = state.take() else { throw HandshakePayloadError.unexpectedMessage }
        let transport = try finished.split()
        let hash = transport.handshakeHash
        let isInitiator = role == .initiator
        return transport.send.withKey { sent in
            transport.receive.withKey { received in
                SessionSecretsBox(
                    SessionSecrets(
                        client: isInitiator ? sent : received, server: isInitiator ? received : sent, hash: hash))
            }
        }
    }
}

/// Lets non-copyable secrets be returned in a tuple.
final class SessionSecretsBox {
    let secrets: SessionSecrets

    init(_ secrets: consuming SessionSecrets) {
        self.secrets = secrets
    }
}
