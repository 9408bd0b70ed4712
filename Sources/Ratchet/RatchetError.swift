/// Why a call of this module changed nothing. Every function that throws leaves its receiver and arguments as they were.
package enum RatchetError: Error, Hashable, Sendable {
    /// Bytes do not have the layout that they should have: a ciphertext, a bundle, a publication or a stored state.
    case malformed
    /// There is no session to send on (or its counters are used up), or none at all to receive with: one must be started.
    case noSession
    /// No session can open the message: it was altered, or is meant for a state that we do not have (any more).
    case cannotDecrypt
    /// The message's key is gone: used, or dropped as too old. When its envelope is known, it came twice. When it is not,
    /// the sender's state was set back (an old backup) or the message came far too late: its text is a new one that cannot be
    /// read, so ask for it again.
    case alreadyReceived
    /// More messages than `RatchetLimits.skippedInOneStep` are missing before this one.
    case tooManySkipped
    /// A prekey is not signed by the identity that it is said to belong to.
    case badSignature
    /// A bundle is older, or further in the future, than `PrekeyBundle.longestAge`.
    case expiredPrekey
    /// A first message uses a prekey that we do not have: used up, rotated away, or lost with an old backup.
    case unknownPrekey
    /// A bundle or a stored state belongs to somebody else.
    case wrongPeer
    /// A plaintext is longer than `RatchetLimits.plaintext`, or a ciphertext longer than any that we make.
    case tooLong
    /// A key of the peer gives a shared secret of zeros: nobody makes such a key by chance.
    case weakKey
}
