import Identity
import Noise
import Wire

// Layout of the prefix: ephemeral key 32 | signed prekey id u32 | one-time prekey id u32 (0: none) | ML-KEM ciphertext 1,088.

/// What the first messages of a session carry so that the peer can derive its secret (PQXDH, revision 3, §3.3).
struct PQXDHPrefix: Equatable, Sendable {
    static let byteCount = RatchetLimits.firstOverhead

    let bytes: [UInt8]
    let ephemeral: PublicKey
    let signed: PrekeyID
    let oneTime: PrekeyID?
    let ciphertext: [UInt8]

    init(ephemeral: PublicKey, signed: PrekeyID, oneTime: PrekeyID?, ciphertext: [UInt8]) {
        self.ephemeral = ephemeral
        self.signed = signed
        self.oneTime = oneTime
        self.ciphertext = ciphertext
        var writer = ByteWriter(capacity: PQXDHPrefix.byteCount)
        writer.write(ephemeral.bytes)
        writer.write(signed.rawValue)
        writer.write(oneTime?.rawValue ?? 0)
        writer.write(ciphertext)
        bytes = writer.bytes
    }

    init(_ bytes: [UInt8]) throws(RatchetError) {
        guard bytes.count == PQXDHPrefix.byteCount else { throw .malformed }
        var reader = ByteReader(bytes)
        ephemeral = try PublicKey(reading: reader.take(PublicKey.length))
        signed = PrekeyID(rawValue: try reader.takeUInt32())
        let oneTime = PrekeyID(rawValue: try reader.takeUInt32())
        self.oneTime = oneTime.rawValue == 0 ? nil : oneTime
        ciphertext = try reader.take(KEMKey.ciphertextByteCount)
        self.bytes = bytes
    }
}

/// The key agreement (PQXDH, revision 3, §3.3 and §3.4).
enum PQXDH {
    /// What both sides know afterwards.
    struct Secrets: Sendable {
        let root: Secret
        /// The initiator's first header key (`shared_hka`).
        let initiatorHeader: Secret
        /// The responder's first header key (`shared_nhkb`).
        let responderHeader: Secret
    }

    /// As initiator, with a bundle that has been verified.
    static func initiate(
        _ bundle: PrekeyBundle, identity: Identity, ephemeral: DHKey,
        encapsulate: ([UInt8]) throws(RatchetError) -> Encapsulation = KEMKey.encapsulate
    ) throws(RatchetError) -> (secrets: Secrets, prefix: PQXDHPrefix) {
        let signed = bundle.signed
        let encapsulation = try encapsulate((bundle.oneTime ?? signed).kemKey)
        let shared = try initiatorShared(
            identity: identity, peer: bundle.peer, signed: signed.dhKey, oneTime: bundle.oneTime?.dhKey,
            ephemeral: ephemeral)
        let prefix = PQXDHPrefix(
            ephemeral: ephemeral.publicKey, signed: signed.id, oneTime: bundle.oneTime?.id,
            ciphertext: encapsulation.ciphertext)
        return (derive(shared + [encapsulation.shared]), prefix)
    }

    /// As responder.
    static func respond(
        to prefix: PQXDHPrefix, from peer: PeerID, identity: Identity, signed: PrekeyPair, oneTime: PrekeyPair?
    ) throws(RatchetError) -> Secrets {
        let shared = try responderShared(
            identity: identity, peer: peer, signed: signed.dhKey, oneTime: oneTime?.dhKey, ephemeral: prefix.ephemeral)
        return derive(shared + [try (oneTime ?? signed).kemKey.decapsulate(prefix.ciphertext)])
    }

    /// DH1, DH2, DH3 and, with a one-time prekey, DH4, as the initiator computes them.
    static func initiatorShared(
        identity: Identity, peer: PeerID, signed: PublicKey, oneTime: PublicKey?, ephemeral: DHKey
    ) throws(RatchetError) -> [Secret] {
        var shared = [
            Secret(try identity.agree(with: signed)),
            Secret(try ephemeral.agree(with: peer.noisePublicKey)),
            Secret(try ephemeral.agree(with: signed)),
        ]
        if let oneTime {
            shared.append(Secret(try ephemeral.agree(with: oneTime)))
        }
        return shared
    }

    /// The same, as the responder does.
    static func responderShared(
        identity: Identity, peer: PeerID, signed: DHKey, oneTime: DHKey?, ephemeral: PublicKey
    ) throws(RatchetError) -> [Secret] {
        var shared = [
            Secret(try signed.agree(with: peer.noisePublicKey)),
            Secret(try identity.agree(with: ephemeral)),
            Secret(try signed.agree(with: ephemeral)),
        ]
        if let oneTime {
            shared.append(Secret(try oneTime.agree(with: ephemeral)))
        }
        return shared
    }

    /// SK = KDF(DH1 ‖ DH2 ‖ DH3 [‖ DH4] ‖ SS) (§2.2). Without the last it is X3DH's.
    static func derive(_ shared: [Secret]) -> Secrets {
        let material = SecretBytes(count: Secret.byteCount * (shared.count + 1)) { buffer in
            // F: 32 bytes that no key begins with, as the specification wants for X25519.
            for index in 0..<Secret.byteCount {
                buffer[index] = 0xFF
            }
            for (index, secret) in shared.enumerated() {
                let start = Secret.byteCount * (index + 1)
                secret.bytes.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: buffer[start...]).copyMemory(from: $0)
                }
            }
        }
        let keys = KeyDerivation.pqxdh(material)
        return Secrets(root: keys[0], initiatorHeader: keys[1], responderHeader: keys[2])
    }
}

extension Identity {
    /// DH with the X25519 form of the identity key.
    fileprivate func agree(with remote: PublicKey) throws(RatchetError) -> SecretBytes {
        do throws(NoiseError) {
            return try noiseKeyPair().dh(remote)
        } catch {
            throw .weakKey
        }
    }
}
