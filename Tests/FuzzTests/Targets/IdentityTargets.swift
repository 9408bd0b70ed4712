import Noise

@testable import Identity

/// Key files and sealed envelopes.
extension FuzzTarget {
    static let identity = [keyFile, sealedEnvelope]

    private static let owner = Result { try FuzzKeys.identity(1) }
    private static let sender = Result { try FuzzKeys.identity(2) }

    /// First byte odd: the right checksum is put behind the rest, which is how damage gets past it. Argon2id runs only at
    /// the least cost there is, because a million runs of the usual cost would take weeks.
    private static let keyFile = FuzzTarget("key-file", maximumLength: 300) {
        let identity = try owner.get()
        let plain = try KeyFile.seal(identity, passphrase: nil)
        let sealed = try KeyFile.seal(identity, passphrase: SecretBytes(copying: [0x70]), cost: .least)
        return [plain, sealed].flatMap { file in
            [[0] + file, [1] + file.dropLast(KeyFile.checksumByteCount)]
        }
    } run: { bytes in
        guard let mode = bytes.first else { return }
        let body = Array(bytes.dropFirst())
        let file = mode & 1 == 1 ? body + KeyFile.checksum(body) : body
        guard let contents = try? KeyFile.Contents(file) else {
            try check((try? KeyFile.open(file, passphrase: nil)) == nil, "a damaged file is not opened")
            return
        }
        try check(try KeyFile.summary(file).isSealed == (contents.box != nil), "the summary says the same")
        guard let box = contents.box else {
            guard let identity = try? KeyFile.open(file, passphrase: nil) else { return }
            try check(identity.peerID == contents.peerID, "a file holds the key that it says")
            try check(try KeyFile.seal(identity, passphrase: nil) == file, "a plain file has one encoding")
            return
        }
        do {
            _ = try KeyFile.open(file, passphrase: nil)
            throw PropertyViolation(description: "a sealed file needs its passphrase")
        } catch let error as KeyFileError {
            try check(error == .passphraseNeeded, "a sealed file needs its passphrase")
        }
        guard box.cost == .least else { return }
        if let identity = try? KeyFile.open(file, passphrase: SecretBytes(copying: [0x70])) {
            try check(identity.peerID == contents.peerID, "a file holds the key that it says")
        }
        try check((try? KeyFile.open(file, passphrase: SecretBytes(copying: [0x71]))) == nil, "other passphrases fail")
    }

    /// As `SealedEnvelope.seal` makes it, but with an ephemeral key that never changes.
    private static let envelope = Result {
        var handshake = try HandshakeState(
            ProtocolName("Noise_X_25519_ChaChaPoly_BLAKE2b"), role: .initiator, prologue: Array("fuzz".utf8),
            s: sender.get().noiseKeyPair(), e: FuzzKeys.pair(3), rs: owner.get().peerID.noisePublicKey)
        return try handshake.writeMessage(Array("payload".utf8))
    }

    /// First byte odd: the rest is an envelope. Else it says how to alter a valid one.
    private static let sealedEnvelope = FuzzTarget("sealed-envelope", .publicKey, maximumLength: 400) {
        [[0], [0, 1, 0, 0, 31, 0x80], [0, 1, 1, 0, 96], [0, 2, 2, 0, 50, 1, 7, 0, 0, 0, 1]]
            + [[1] + (try envelope.get())]
    } run: { bytes in
        guard let mode = bytes.first else { return }
        let original = try envelope.get()
        var input = FuzzInput(Array(bytes.dropFirst()))
        let forged = mode & 1 == 1 ? input.remaining() : input.altered(original)
        let opened = try? SealedEnvelope.open(forged, recipient: owner.get(), context: "fuzz")
        if forged == original {
            try check(opened?.payload == Array("payload".utf8), "a valid envelope opens")
            try check(opened?.sender == (try sender.get().peerID.noisePublicKey), "and proves its sender")
        } else {
            try check(opened == nil, "an altered envelope does not open")
        }
    }
}
