// What travels in CRYPTO frames (`docs/protocol/session.md`, "Handshake"):
//
//     message      = type u8 ‖ length u16 ‖ body
//     type 1       body = count u8 ‖ suite u8 × count ‖ Noise message 1 of the first of these suites; its payload:
//                         version u8 = 2 ‖ count u8 ‖ AEAD u8 × count ‖ transport parameters u16-length ‖ greeting u16-length
//     type 2       body = Noise message 2; its payload: AEAD u8 ‖ transport parameters u16-length ‖ greeting u16-length
//     type 3       body = key confirmation, 32 bytes
//
// Integers are big-endian. Bytes after the last known field of a payload are ignored: later versions may add fields.

/// Why a handshake message is not one.
enum HandshakePayloadError: Error {
    case truncated
    case unsupportedVersion
    case noCommonCipher
    case noCommonSuite
    case tooLong
    case unexpectedMessage
}

/// Limits of the handshake.
enum HandshakeLimits {
    /// Version byte of message 1.
    static let version: UInt8 = 2
    /// Longest greeting of either side in bytes.
    static let greeting = 256
    /// Longest body of one message; ML-KEM-768 takes 1184 and 1088 bytes of it.
    static let body = 4096
    /// Most AEADs that may be offered.
    static let ciphers = 16
    /// Most suites that may be listed.
    static let suites = 8
}

/// Types of the messages in CRYPTO frames.
enum HandshakeMessageType: UInt8 {
    case initiator = 1
    case responder = 2
    case confirmation = 3

    /// The message with its type and length in front. `body` must be within `HandshakeLimits.body`.
    func frame(_ body: [UInt8]) throws(HandshakePayloadError) -> [UInt8] {
        guard body.count <= HandshakeLimits.body else { throw .tooLong }
        return [rawValue, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
    }
}

/// What stands before Noise message 1, in clear inside of the Initial packet, and in the prologue.
enum SuiteList {
    /// The list as it travels. It must have 1 to 8 members.
    static func encode(_ suites: [UInt8]) -> [UInt8] {
        [UInt8(truncatingIfNeeded: suites.count)] + suites
    }

    /// The suites' numbers, unknown ones too, and the Noise message behind them.
    static func decode(_ body: [UInt8]) throws(HandshakePayloadError) -> (suites: [UInt8], message: [UInt8]) {
        var reader = PayloadReader(body)
        let count = Int(try reader.byte())
        guard (1...HandshakeLimits.suites).contains(count) else { throw .noCommonSuite }
        let suites = try reader.bytes(count)
        return (suites, Array(body[(1 + count)...]))
    }
}

/// Payload of Noise message 1.
struct InitiatorPayload: Equatable {
    /// AEADs offered. Unknown ones are dropped by `init(decoding:)`.
    var ciphers: [PacketCipher]
    var transportParameters: [UInt8]
    var greeting: [UInt8]

    func encode() -> [UInt8] {
        var bytes: [UInt8] = [HandshakeLimits.version, UInt8(truncatingIfNeeded: ciphers.count)]
        bytes += ciphers.map(\.rawValue)
        bytes.append(lengthPrefixed: transportParameters)
        bytes.append(lengthPrefixed: greeting)
        return bytes
    }
}

extension InitiatorPayload {
    init(decoding bytes: [UInt8]) throws(HandshakePayloadError) {
        var reader = PayloadReader(bytes)
        guard try reader.byte() == HandshakeLimits.version else { throw .unsupportedVersion }
        let count = Int(try reader.byte())
        guard (1...HandshakeLimits.ciphers).contains(count) else { throw .noCommonCipher }
        ciphers = try reader.bytes(count).compactMap(PacketCipher.init(rawValue:))
        transportParameters = try reader.lengthPrefixed(limit: HandshakeLimits.body)
        greeting = try reader.lengthPrefixed(limit: HandshakeLimits.greeting)
    }
}

/// Payload of Noise message 2.
struct ResponderPayload: Equatable {
    /// The AEAD chosen among those offered.
    var cipher: PacketCipher
    var transportParameters: [UInt8]
    var greeting: [UInt8]

    func encode() -> [UInt8] {
        var bytes: [UInt8] = [cipher.rawValue]
        bytes.append(lengthPrefixed: transportParameters)
        bytes.append(lengthPrefixed: greeting)
        return bytes
    }
}

extension ResponderPayload {
    init(decoding bytes: [UInt8]) throws(HandshakePayloadError) {
        var reader = PayloadReader(bytes)
        guard let cipher = PacketCipher(rawValue: try reader.byte()) else { throw .noCommonCipher }
        self.cipher = cipher
        transportParameters = try reader.lengthPrefixed(limit: HandshakeLimits.body)
        greeting = try reader.lengthPrefixed(limit: HandshakeLimits.greeting)
    }
}

/// Puts messages together from the pieces in which CRYPTO data arrives. Holds at most one message.
struct HandshakeAssembler {
    private var bytes: [UInt8] = []

    /// Adds a piece; returns the message when it is whole. Throws when there is more than one message, or too long a
    /// one: each encryption level carries exactly one in each direction.
    mutating func append(
        _ piece: UnsafeBufferPointer<UInt8>
    ) throws(HandshakePayloadError) -> (type: HandshakeMessageType, body: [UInt8])? {
        guard bytes.count + piece.count <= 3 + HandshakeLimits.body else { throw .tooLong }
        bytes += piece
        guard bytes.count >= 3 else { return nil }
        guard let type = HandshakeMessageType(rawValue: bytes[0]) else { throw .unexpectedMessage }
        let length = Int(bytes[1]) << 8 | Int(bytes[2])
        guard length <= HandshakeLimits.body else { throw .tooLong }
        guard bytes.count >= 3 + length else { return nil }
        guard bytes.count == 3 + length else { throw .unexpectedMessage }
        defer { bytes = [] }
        return (type, Array(bytes[3...]))
    }
}

/// Bounds-checked reading of a payload.
private struct PayloadReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    mutating func byte() throws(HandshakePayloadError) -> UInt8 {
        guard let first = rest.popFirst() else { throw .truncated }
        return first
    }

    mutating func bytes(_ count: Int) throws(HandshakePayloadError) -> [UInt8] {
        guard count <= rest.count else { throw .truncated }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func lengthPrefixed(limit: Int) throws(HandshakePayloadError) -> [UInt8] {
        let high = try byte()
        let low = try byte()
        let count = Int(high) << 8 | Int(low)
        guard count <= limit else { throw .tooLong }
        return try bytes(count)
    }
}

extension [UInt8] {
    /// Appends a u16 length and the bytes. Callers keep `bytes` within `HandshakeLimits`.
    fileprivate mutating func append(lengthPrefixed bytes: [UInt8]) {
        append(UInt8(truncatingIfNeeded: bytes.count >> 8))
        append(UInt8(truncatingIfNeeded: bytes.count))
        append(contentsOf: bytes)
    }
}
