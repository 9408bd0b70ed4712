import CSodium
package import Noise

// Layout: one message of Noise_X_25519_ChaChaPoly_BLAKE2b: ephemeral key 32 | sealed static key 48 | sealed payload
// (its length + 16). The prologue is the context in UTF-8.

/// Why an envelope cannot be made or opened.
package enum SealedEnvelopeError: Error, Hashable, Sendable {
    /// The payload or the envelope is larger than a Noise message may be.
    case tooLong
    /// It is not addressed to this recipient, was made for another context, or was altered.
    case cannotBeOpened
}

/// A payload that only its recipient can open, and that tells it who wrote it (Noise_X: a single message). The
/// recipient knows the sender as far as its own key is secret: who has stolen that can forge envelopes to it. There is
/// no forward secrecy towards the recipient's key, and none against replay: the payload carries time and id for that.
package enum SealedEnvelope {
    /// How much larger than its payload an envelope is, in bytes.
    package static let overhead = 96
    /// Largest payload in bytes.
    package static let maximumPayload = CipherState.maximumMessageLength - overhead

    /// Seals `payload` for `recipient`. `context` names the use; opening needs the same. Throws `tooLong` above 65,439
    /// bytes.
    package static func seal(
        _ payload: [UInt8], from sender: Identity, to recipient: PeerID, context: String
    ) throws(SealedEnvelopeError) -> [UInt8] {
        guard payload.count <= maximumPayload else { throw .tooLong }
        do throws(NoiseError) {
            var handshake = try HandshakeState(
                ProtocolName(protocolName), role: .initiator, prologue: Array(context.utf8),
                s: sender.noiseKeyPair(), rs: recipient.noisePublicKey)
            return try handshake.writeMessage(payload)
        } catch {
            throw .cannotBeOpened
        }
    }

    /// Opens an envelope. The sender's key is proven; whose it is, the caller must look up among
    /// `PeerID.noisePublicKey`. Throws `tooLong`, or `cannotBeOpened` whatever the reason.
    package static func open(
        _ envelope: [UInt8], recipient: Identity, context: String
    ) throws(SealedEnvelopeError) -> (payload: [UInt8], sender: PublicKey) {
        guard envelope.count <= CipherState.maximumMessageLength else { throw .tooLong }
        do throws(NoiseError) {
            var handshake = try HandshakeState(
                ProtocolName(protocolName), role: .responder, prologue: Array(context.utf8), s: recipient.noiseKeyPair()
            )
            let payload = try handshake.readMessage(envelope)
            guard let sender = handshake.remoteStatic else { throw NoiseError.missingKey }
            return (payload, sender)
        } catch {
            throw .cannotBeOpened
        }
    }

    /// A name for an envelope that has been opened, for a `ReplayWindow`: BLAKE2b-256 of its bytes. No two envelopes
    /// that open are alike unless one is a copy, because all their bytes are authenticated.
    package static func digest(of envelope: [UInt8]) -> [UInt8] {
        Sodium.initialize()
        var digest = [UInt8](repeating: 0, count: 32)
        _ = crypto_generichash(&digest, digest.count, envelope, UInt64(envelope.count), nil, 0)
        return digest
    }

    private static let protocolName = "Noise_X_25519_ChaChaPoly_BLAKE2b"
}
