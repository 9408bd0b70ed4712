import CSodium
import Noise
import Wire

// Layout: sealed key 128 | nonce 24 | box. The sealed key is a SealedEnvelope, context "sotto-mail/1", of 32 random bytes; the
// box is XChaCha20-Poly1305 under them, with the sealed key as associated data, of: version u8 = 1 | sender's peer id 32 |
// ciphertext; 16 bytes longer than that. docs/protocol/mailbox.md, "Sealing".

/// Why mail cannot be sealed or opened.
package enum MailSealError: Error, Hashable, Sendable {
    /// The ciphertext is empty, or larger than a mail may carry; or the envelope is.
    case lengthOutOfRange
    /// It is not addressed to this recipient, or was altered.
    case cannotBeOpened
    /// Whoever sealed it says to be somebody else.
    case wrongSender
    /// It is of a version that this one does not know.
    case unsupportedVersion(UInt8)
}

/// What mail is put into for the server's mailbox: hides from the server who sent it, and tells the recipient.
///
/// A message of the ratchet may be larger than one Noise message, which is what `SealedEnvelope` is, so that seals a key, and the
/// key the rest. The sender is proven as far as `SealedEnvelope` proves it: not to somebody who has the recipient's key. The
/// ciphertext has an authentication of its own. Nothing is proven against repetition: envelope ids are there for that.
package enum MailSeal {
    /// How much larger than its ciphertext an envelope is, in bytes.
    package static let overhead =
        sealedKeyByteCount + nonceByteCount + tagByteCount + 1 + PeerID.byteCount
    /// Largest ciphertext in bytes.
    package static let maximumCiphertext = MailFrame.maximumEnvelope - overhead
    /// Largest ciphertext in bytes of a request of somebody without a capability.
    package static let maximumRequestCiphertext = MailFrame.maximumRequestEnvelope - overhead

    /// Seals a ciphertext for `recipient`. Throws `lengthOutOfRange` unless it has 1…73,527 bytes.
    package static func seal(
        _ ciphertext: [UInt8], from sender: Identity, to recipient: PeerID
    ) throws(MailSealError) -> [UInt8] {
        guard (1...maximumCiphertext).contains(ciphertext.count) else { throw .lengthOutOfRange }
        return try seal(ciphertext, version: version, naming: sender.peerID, from: sender, to: recipient)
    }

    /// Opens an envelope. Throws `lengthOutOfRange`, `cannotBeOpened` whatever the reason, `wrongSender` when the peer id inside
    /// is not that of who sealed it, `unsupportedVersion`.
    package static func open(
        _ envelope: [UInt8], recipient: Identity
    ) throws(MailSealError) -> (ciphertext: [UInt8], sender: PeerID) {
        guard ((overhead + 1)...MailFrame.maximumEnvelope).contains(envelope.count) else { throw .lengthOutOfRange }
        let sealedKey = Array(envelope.prefix(sealedKeyByteCount))
        guard var opened = try? SealedEnvelope.open(sealedKey, recipient: recipient, context: context) else {
            throw .cannotBeOpened
        }
        let key = SecretBytes(copying: opened.payload)
        opened.payload.wipe()
        let rest = envelope.dropFirst(sealedKeyByteCount)
        let box = (nonce: Array(rest.prefix(nonceByteCount)), bytes: Array(rest.dropFirst(nonceByteCount)))
        guard key.count == keyByteCount, let content = decrypt(box.bytes, key, box.nonce, sealedKey) else {
            throw .cannotBeOpened
        }
        return try read(content, sealedBy: opened.sender)
    }

    // MARK: Parts

    static let version: UInt8 = 1
    private static let context = "sotto-mail/1"
    private static let keyByteCount = 32
    private static let sealedKeyByteCount = SealedEnvelope.overhead + keyByteCount
    private static let nonceByteCount = 24
    private static let tagByteCount = 16

    /// As `seal`, but with any version, and naming anybody.
    static func seal(
        _ ciphertext: [UInt8], version: UInt8, naming named: PeerID, from sender: Identity, to recipient: PeerID
    ) throws(MailSealError) -> [UInt8] {
        let key = SecretBytes.random(count: keyByteCount)
        var copy = key.withUnsafeBytes { Array($0) }
        defer { copy.wipe() }
        guard let sealedKey = try? SealedEnvelope.seal(copy, from: sender, to: recipient, context: context) else {
            throw .cannotBeOpened
        }
        var nonce = [UInt8](repeating: 0, count: nonceByteCount)
        randombytes_buf(&nonce, nonce.count)
        guard let box = encrypt([version] + named.bytes + ciphertext, key, nonce, sealedKey) else {
            throw .cannotBeOpened
        }
        return sealedKey + nonce + box
    }

    private static func read(
        _ content: [UInt8], sealedBy key: PublicKey
    ) throws(MailSealError) -> (ciphertext: [UInt8], sender: PeerID) {
        guard let version = content.first else { throw .cannotBeOpened }
        guard version == Self.version else { throw .unsupportedVersion(version) }
        guard let sender = try? PeerID(bytes: content.dropFirst().prefix(PeerID.byteCount)),
            sender.noisePublicKey == key
        else { throw .wrongSender }
        return (Array(content.dropFirst(1 + PeerID.byteCount)), sender)
    }

    private static func encrypt(
        _ content: [UInt8], _ key: borrowing SecretBytes, _ nonce: [UInt8], _ data: [UInt8]
    ) -> [UInt8]? {
        var box = [UInt8](repeating: 0, count: content.count + tagByteCount)
        let status = key.lend {
            crypto_aead_xchacha20poly1305_ietf_encrypt(
                &box, nil, content, UInt64(content.count), data, UInt64(data.count), nil, nonce, $0)
        }
        return status == 0 ? box : nil
    }

    /// Nil when it was not encrypted so. There is a tag in `box`.
    private static func decrypt(
        _ box: [UInt8], _ key: borrowing SecretBytes, _ nonce: [UInt8], _ data: [UInt8]
    ) -> [UInt8]? {
        var content = [UInt8](repeating: 0, count: box.count - tagByteCount)
        let status = key.lend {
            crypto_aead_xchacha20poly1305_ietf_decrypt(
                &content, nil, nil, box, UInt64(box.count), data, UInt64(data.count), nonce, $0)
        }
        return status == 0 ? content : nil
    }
}
