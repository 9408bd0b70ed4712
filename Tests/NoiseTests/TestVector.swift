import Foundation
import Noise

/// One vector of a file in cacophony's JSON format.
struct TestVector: Decodable {
    struct Message: Decodable {
        let payload: Hex
        let ciphertext: Hex
    }

    let protocolName: String
    let initPrologue: Hex?
    let initStatic: Hex?
    let initEphemeral: Hex?
    let initRemoteStatic: Hex?
    let initPSKs: [Hex]?
    let initRemoteEphemeral: Hex?
    let respPrologue: Hex?
    let respStatic: Hex?
    let respEphemeral: Hex?
    let respRemoteStatic: Hex?
    let respRemoteEphemeral: Hex?
    let respPSKs: [Hex]?
    let initKEMSeed: Hex?
    let respKEMCiphertext: Hex?
    let respKEMShared: Hex?
    let handshakeHash: Hex?
    let messages: [Message]

    enum CodingKeys: String, CodingKey {
        case protocolName = "protocol_name"
        case initPrologue = "init_prologue"
        case initStatic = "init_static"
        case initEphemeral = "init_ephemeral"
        case initRemoteStatic = "init_remote_static"
        case initRemoteEphemeral = "init_remote_ephemeral"
        case initPSKs = "init_psks"
        case respPrologue = "resp_prologue"
        case respStatic = "resp_static"
        case respEphemeral = "resp_ephemeral"
        case respRemoteStatic = "resp_remote_static"
        case respRemoteEphemeral = "resp_remote_ephemeral"
        case respPSKs = "resp_psks"
        case initKEMSeed = "init_kem_seed"
        case respKEMCiphertext = "resp_kem_ciphertext"
        case respKEMShared = "resp_kem_shared"
        case handshakeHash = "handshake_hash"
        case messages
    }

    func initiator(_ name: ProtocolName) throws -> HandshakeState {
        try HandshakeState(
            name, role: .initiator, prologue: initPrologue?.bytes ?? [], s: keyPair(initStatic),
            e: keyPair(initEphemeral), rs: publicKey(initRemoteStatic), re: publicKey(initRemoteEphemeral),
            hybrid: initiatorKEM(), psks: joined(initPSKs))
    }

    func responder(_ name: ProtocolName) throws -> HandshakeState {
        try HandshakeState(
            name, role: .responder, prologue: respPrologue?.bytes ?? [], s: keyPair(respStatic),
            e: keyPair(respEphemeral), rs: publicKey(respRemoteStatic), re: publicKey(respRemoteEphemeral),
            hybrid: responderKEM(), psks: joined(respPSKs))
    }

    private func initiatorKEM() throws -> HybridKeys {
        guard let initKEMSeed else { return HybridKeys() }
        return HybridKeys(e1: try KEMKeyPair(seed: SecretBytes(copying: initKEMSeed.bytes)))
    }

    private func responderKEM() -> HybridKeys {
        guard let respKEMCiphertext, let respKEMShared else { return HybridKeys() }
        return HybridKeys(
            encapsulation: KEMEncapsulation(
                ciphertext: respKEMCiphertext.bytes, shared: SecretBytes(copying: respKEMShared.bytes)))
    }
}

/// Bytes written as hexadecimal text.
struct Hex: Decodable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let bytes = [UInt8](hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hexadecimal")
        }
        self.bytes = bytes
    }
}

extension [UInt8] {
    init?(hex: String) {
        let digits = hex.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == hex.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        self = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    var hex: String {
        map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

private func keyPair(_ secret: Hex?) throws -> KeyPair? {
    guard let secret else { return nil }
    return try KeyPair(secret: SecretBytes(copying: secret.bytes))
}

private func publicKey(_ bytes: Hex?) throws -> PublicKey? {
    guard let bytes else { return nil }
    return try PublicKey(bytes.bytes)
}

private func joined(_ psks: [Hex]?) -> SecretBytes? {
    guard let psks else { return nil }
    return SecretBytes(copying: psks.flatMap(\.bytes))
}
