/// Why a Noise operation was refused. Every failing call leaves its object as it was before the call.
package enum NoiseError: Error, Equatable, Sendable {
    /// The protocol name is malformed, or names a pattern, modifier or function that this module does not have.
    case unsupportedProtocol
    /// The named cipher needs hardware that this processor lacks (libsodium's AES-256-GCM).
    case cipherUnavailable
    /// A key is not 32 bytes long.
    case invalidKeyLength
    /// A Diffie-Hellman result was all zeros: the remote public key is a point of small order (§12.1).
    case weakPublicKey
    /// The bytes are no encapsulation key of the KEM.
    case invalidEncapsulationKey
    /// The pattern needs a static or ephemeral key that was not given.
    case missingKey
    /// A static or ephemeral key was given which the pattern does not take from the caller.
    case unexpectedKey
    /// The pre-shared keys do not match the pattern's psk modifiers in number or length.
    case wrongPresharedKeys
    /// The message, or what would become of it, is longer than 65535 bytes (§3).
    case messageTooLong
    /// The message ends before a field of the pattern does.
    case messageTooShort
    /// The authentication tag does not fit: the message was altered, or made with other keys.
    case authenticationFailed
    /// The nonce 2^64-1 is reserved; the key must not be used further (§5.1).
    case nonceExhausted
    /// It is the other party's turn to send.
    case outOfTurn
    /// All handshake messages have been processed: only `split()` is left.
    case handshakeFinished
    /// `split()` before the last handshake message.
    case handshakeNotFinished
    /// The pattern is one-way: this direction has no transport messages (§7.4).
    case oneWayPattern
}
