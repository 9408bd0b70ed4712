/// How the keys of a session are agreed. The raw value is the number on the wire; of two, the higher is the stronger.
package enum HandshakeSuite: UInt8, Sendable, CaseIterable {
    /// X25519 alone. For who asks for it, on both sides.
    case classical = 1
    /// X25519 and ML-KEM-768: who breaks one of them reads nothing of what follows message 1.
    case hybrid = 2

    /// The Noise protocol.
    var protocolName: String {
        switch self {
        case .classical: "Noise_IK_25519_ChaChaPoly_BLAKE2b"
        case .hybrid: "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b"
        }
    }

    /// The suite of a call whose sender speaks those numbered `offered`, the first of which it used, if it may be answered: that one must be
    /// among ours, and no stronger one may be common to both. Whoever weakens the list on its way changes the prologue.
    static func choose(offered: [UInt8], ours: [HandshakeSuite]) -> HandshakeSuite? {
        guard let first = offered.first, let used = HandshakeSuite(rawValue: first), ours.contains(used),
            !ours.contains(where: { $0.rawValue > used.rawValue && offered.contains($0.rawValue) })
        else { return nil }
        return used
    }
}
