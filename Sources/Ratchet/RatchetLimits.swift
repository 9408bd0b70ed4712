import Wire

/// Bounds of what is sent, accepted and kept.
package enum RatchetLimits {
    /// Longest plaintext of one message in bytes: the longest padded content.
    package static let plaintext = MessageContent.maximumSize
    /// How much longer than its plaintext a ciphertext is, in bytes, once the peer has answered.
    package static let overhead = 97
    /// How much longer still it is until then: what PQXDH needs to open it.
    package static let firstOverhead = 1_128
    /// Longest ciphertext in bytes.
    package static let ciphertext = plaintext + overhead + firstOverhead
    /// Most messages that may be missing in a chain before the one that arrives (MAX_SKIP). Each costs about 5 µs.
    package static let skippedInOneStep: UInt32 = 2_000
    /// Most keys of missing messages that are kept for a peer; the oldest go first. 36 bytes each in the stored state.
    package static let skippedForPeer = 4_000
    /// Most chains that such keys may belong to, for a peer; the oldest go first. Each may cost a message that belongs to
    /// none of them one trial decryption of 56 bytes, about 1 µs.
    package static let skippedChainsForPeer = 200
    /// Most sessions with a peer; the one that was used least recently goes first.
    package static let sessions = 5
    /// Most sessions opened by the peer that are remembered against replay, while the signed prekey lives that they used.
    package static let rememberedSessions = 256
}
