import CSodium
import Noise

/// Where all packet keys come from (`docs/protocol/session.md`, "Keys").
///
/// One function makes every key: `derive(key, label, context) = BLAKE2b-256(key: key, u8(|label|) ‖ label ‖ context)`.
enum KeySchedule {
    /// Length of every secret and key in bytes.
    static let secretLength = 32
    /// Length of a packet IV in bytes: the first bytes of what is derived for it.
    static let ivLength = 12

    /// What a derived key is for. The raw value is the label.
    enum Label: String {
        case initial = "sotto/1 initial"
        case clientInitial = "sotto/1 client initial"
        case serverInitial = "sotto/1 server initial"
        case handshake = "sotto/1 handshake"
        case application = "sotto/1 application"
        case confirmation = "sotto/1 confirmation"
        case probe = "sotto/1 path probe"
        case packetKey = "sotto/1 packet key"
        case packetIV = "sotto/1 packet iv"
        case headerProtection = "sotto/1 header protection"
        case keyUpdate = "sotto/1 key update"
    }

    /// Prologue of the Noise handshake: binds it to this protocol, to the connection id that the client made up, and to the suites that the
    /// client speaks (their numbers), so that nobody can take the stronger ones away.
    static func prologue(firstConnectionID: [UInt8], suites: [UInt8]) -> [UInt8] {
        Array("sotto/2".utf8) + firstConnectionID + SuiteList.encode(suites)
    }

    /// Derives 32 bytes from a key of 32 bytes.
    static func derive(_ label: Label, from key: UnsafeRawBufferPointer, context: [UInt8] = []) -> SecretBytes {
        SecretBytes(count: secretLength) { derive(label, from: key, context: context, into: $0) }
    }

    /// Derives 32 bytes from a key of 32 bytes into `output`, which must hold exactly 32.
    static func derive(
        _ label: Label, from key: UnsafeRawBufferPointer, context: [UInt8] = [],
        into output: UnsafeMutableRawBufferPointer
    ) {
        let name = Array(label.rawValue.utf8)
        let input = [UInt8(name.count)] + name + context
        guard let out = output.baseAddress, let key = key.baseAddress else { return }
        let status = crypto_generichash_blake2b(
            out.assumingMemoryBound(to: UInt8.self), output.count, input, UInt64(input.count),
            key.assumingMemoryBound(to: UInt8.self), secretLength)
        precondition(status == 0, "BLAKE2b refused lengths that are constants here")
    }

    /// The two Initial secrets: whoever knows the responder's public key and the connection id can compute them, so
    /// they keep strangers and scanners out and nothing more (as in RFC 9001 §5.2).
    static func initialSecrets(responder: PublicKey, firstConnectionID: [UInt8]) -> DirectionalSecrets {
        let root = SecretBytes(copying: responder.bytes).withUnsafeBytes {
            derive(.initial, from: $0, context: firstConnectionID)
        }
        return root.withUnsafeBytes { root in
            DirectionalSecrets(client: derive(.clientInitial, from: root), server: derive(.serverInitial, from: root))
        }
    }
}

/// One secret for each direction.
struct DirectionalSecrets: ~Copyable {
    /// For what the client (dialer) sends.
    let client: SecretBytes
    /// For what the server (answerer) sends.
    let server: SecretBytes
}

/// All secrets of one finished Noise handshake, wiped with it.
struct SessionSecrets: ~Copyable {
    let handshake: DirectionalSecrets
    let application: DirectionalSecrets
    /// Keys of the sealed path probes.
    let probe: DirectionalSecrets
    /// What the client sends as key confirmation.
    let confirmation: SecretBytes

    /// - Parameters:
    ///   - client: the Split() key for messages from the initiator, 32 bytes.
    ///   - server: the Split() key for messages from the responder, 32 bytes.
    ///   - hash: the Noise handshake hash.
    init(client: UnsafeRawBufferPointer, server: UnsafeRawBufferPointer, hash: [UInt8]) {
        func both(_ label: KeySchedule.Label) -> DirectionalSecrets {
            DirectionalSecrets(
                client: KeySchedule.derive(label, from: client, context: hash),
                server: KeySchedule.derive(label, from: server, context: hash))
        }
        handshake = both(.handshake)
        application = both(.application)
        probe = both(.probe)
        confirmation = KeySchedule.derive(.confirmation, from: client, context: hash)
    }
}
